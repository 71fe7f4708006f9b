"""Students that were published to harm whoever verifies them: no code is loaded, no address asked, and it ends."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubslice.artefacts.lock import LOCK
from hubslice.files.names import CARD, RECIPE, REPORT, SIGNATURE, SLICE, WEIGHTS
from tests import warm
from tests.fake_hub import HubServer, User
from tests.faults.names_elsewhere import KERNEL
from tests.run.quick import quick_run

pytestmark = pytest.mark.slow

CODE = "import os; os.system('touch harm')\n"
ENDS = 120.0  # seconds


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch harm",)


def config(folder: Path, **entries: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def swap(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def code(folder: Path) -> None:
    (folder / "modeling.py").write_text(CODE)
    (folder / "__init__.py").write_text(CODE)
    config(folder, auto_map={"AutoModelForImageClassification": "modeling.Model"}, trust_remote_code=True)


def pickles(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Harm()))
    (folder / WEIGHTS).unlink()


def lock_outside(folder: Path) -> None:
    content = json.loads((folder / LOCK).read_text())
    content["files"][0]["path"] = "../canary/secret.json"
    (folder / LOCK).write_text(json.dumps(content))


def link(folder: Path) -> None:
    (folder / "evidence" / "more.safetensors").symlink_to(folder.parent / "canary" / "secret.json")
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to(folder.parent / "canary" / "secret.json")


def header(folder: Path) -> None:
    entry = {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4 << 40]}
    text = json.dumps({f"t{number}": entry for number in range(1000)}).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text)


def nested(folder: Path) -> None:
    for name in (REPORT, LOCK, "config.json", SIGNATURE):
        (folder / name).write_text("[" * 100_000 + "]" * 100_000)


def bomb(folder: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(12)]
    (folder / RECIPE).write_text("\n".join(lines))


MALICIOUS: dict[str, Callable[[Path], None]] = {
    "code of its own": code,
    "a kernel": lambda folder: config(folder, _attn_implementation=KERNEL, use_kernels=True),
    "a backbone of the Hub": lambda folder: config(folder, architecture="hf-hub:owner/evil"),
    "other weights": lambda folder: config(folder, transformers_weights="../canary/secret.json"),
    "a checkpoint elsewhere": lambda folder: config(folder, model_args={"checkpoint_path": "../canary/secret.json"}),
    "a pretrained config": lambda folder: config(folder, pretrained_cfg={"file": "../canary/secret.json", "url": "x"}),
    "pickles": pickles,
    "a lock of what is outside": lock_outside,
    "links": link,
    "data outside": lambda folder: swap(folder, RECIPE, "./shapes.parquet", "../canary/secret.json"),
    "a teacher outside": lambda folder: swap(folder, RECIPE, "./teacher", "../canary"),
    "evidence outside": lambda folder: swap(folder, REPORT, '"evidence": "', '"evidence": "../../canary/'),
    "a huge header": header,
    "a slice of nothing": lambda folder: (folder / SLICE).write_bytes(b"\xff" * 64) and None,
    "nesting": nested,
    "a recipe that multiplies": bomb,
    "a card of escapes": lambda folder: (folder / CARD).write_text("\x1b]0;title\x07\x1b[2J" * 1000) and None,
    "a signature of nothing": lambda folder: (
        (folder / SIGNATURE).write_text('{"dsseEnvelope": {"payload": "AAAA"}}') and None
    ),
}


def verify(
    tmp_path: Path, targets: list[str], environment: dict[str, str]
) -> tuple[list[dict[str, Any]], str, list[str]]:
    """How each target ended, what was told, and what happened meanwhile."""
    note, canary = tmp_path / "note", str(tmp_path / "students" / "canary")
    command = ("-m", "tests.faults.watched", str(note), canary, *targets)
    done = warm.run(*command, cwd=Path(__file__).parents[2], env=os.environ | environment)
    assert done.returncode == 0, done.stderr
    ended = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"target"')]
    assert [each["target"] for each in ended] == targets
    watched, *happened = note.read_text().splitlines()
    assert watched.startswith("open "), "the watch sees nothing"
    return ended, done.stderr, happened


@pytest.fixture
def students(tmp_path: Path) -> Path:
    """One folder for each way to harm, and what none of them may see."""
    folder = tmp_path / "students"
    (folder / "canary").mkdir(parents=True)
    (folder / "canary" / "secret.json").write_text("{}")
    for name, spoil in MALICIOUS.items():
        student = Path(shutil.copytree(quick_run() / "student", folder / name))
        spoil(student)
    return folder


def test_folders(students: Path, tmp_path: Path) -> None:
    sound = str(shutil.copytree(quick_run() / "student", students / "sound"))
    targets = [sound, *(str(students / name) for name in MALICIOUS)]
    ended, told, happened = verify(tmp_path, targets, {"HF_TOKEN": "hf_alice", "HF_ENDPOINT": "http://127.0.0.1:9"})
    assert happened == []
    assert {each["target"]: each["code"] for each in ended}[sound] == 0
    for each in ended[1:]:
        assert each["code"] in (1, 2), each
        assert each["seconds"] < ENDS
    assert "Traceback" not in told
    assert "this is a fault" not in told
    assert "\x1b" not in told
    assert not list(tmp_path.rglob("harm"))


def test_on_the_hub(students: Path, tmp_path: Path) -> None:
    """The same, published: nobody is asked but the Hub, and nothing is read but its cache."""
    with HubServer(tmp_path / "hub", {"hf_alice": User("alice")}) as hub:
        shutil.copytree(quick_run() / "student", students / "sound")
        names = ["sound", *(name for name in MALICIOUS if name != "links")]  # a repository has none
        for name in names:
            hub.seed(f"alice/{name.replace(' ', '-')}", students / name)
        targets = [f"alice/{name.replace(' ', '-')}" for name in names]
        ended, told, happened = verify(tmp_path, targets, hub.env(tmp_path / "home", "hf_alice"))
        port = hub.url.rpartition(":")[2]
    assert [each for each in happened if port not in each] == []
    for each in ended[1:]:
        assert each["code"] in (1, 2, 3), each
        assert each["seconds"] < ENDS
    assert "Traceback" not in told
    assert "this is a fault" not in told
    assert "\x1b" not in told
    assert not list(tmp_path.rglob("harm"))
