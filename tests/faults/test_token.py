"""The token of a login is seen nowhere: not in what is told, logged or kept, and not in what is pushed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import warm
from tests.fake_hub import Fault, HubServer, User, on
from tests.faults.conftest import Refused
from tests.faults.hub_faults import ALWAYS, TOKEN, WRONG_ANSWERS, Trouble, rows
from tests.faults.hub_setup import RECIPE, REPO, hub, impatient, leaks, never_seen, refuse, student, teacher
from tests.terminal.conftest import Hubslice

__all__ = ["hub", "impatient", "never_seen", "student", "teacher"]

ANOTHER = "hf_" + "SomebodyElsesToken0123456789"
SCRIPT = """
import logging
from hubslice.app import run
logging.basicConfig(level=logging.DEBUG)
for line in (
    "pull alice/none --json",
    "slice recipe.yaml --until pull --out run",
    "slice alice/student",
    "push student alice/student",
    "push student alice/student --json",
    "doctor --json",
):
    print(line, run(line.split()))
"""


@pytest.mark.slow
def test_a_process_that_logs_all(hub: HubServer, student: Path, tmp_path: Path) -> None:
    Path("recipe.yaml").write_text(RECIPE)
    for path in (("GET", "/api/models/alice/teacher"), ("POST", "/preupload/"), ("GET", "/whoami")):
        hub.faults.append(Fault(on(*path), status=503))
    hub.faults.append(Fault(on("POST", "/commit/"), status=500, times=3))
    noisy = {"HUBSLICE_TRACEBACK": "1", "HF_DEBUG": "1", "HF_HUB_VERBOSITY": "debug"}
    environment = os.environ | hub.env(tmp_path / "home", TOKEN) | noisy
    done = warm.run("-c", SCRIPT, env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])})
    ends = [
        line.rpartition(" ")[2] for line in done.stdout.splitlines() if line.startswith(("pull ", "slice ", "push "))
    ]
    assert ends == ["3", "0", "3", "3", "0"], done.stderr
    assert "Traceback" in done.stderr
    assert "<TOKEN>" in done.stderr  # huggingface_hub did log the headers
    assert not leaks(done.stdout + done.stderr)
    assert not any(leaks(content.decode("latin-1")) for content in hub.files(REPO).values())


@pytest.mark.parametrize("trouble", rows((*ALWAYS[5:], *WRONG_ANSWERS[:4])))
@pytest.mark.parametrize("mode", [(), ("--json",)], ids=["human", "json"])
def test_a_traceback_does_not_tell(trouble: Trouble, mode: tuple[str, ...], hub: HubServer, hubslice: Hubslice) -> None:
    trouble.lay(hub, ("GET", "/api/models/"))
    finished = hubslice("--traceback", "pull", "alice/teacher", *mode)
    assert finished.code == 3
    assert "Traceback" in finished.stderr
    assert not leaks(finished.stdout + finished.stderr)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("README.md", f"---\nlicense: mit\n---\nuse {ANOTHER}\n"),
        ("recipe.yaml", f"kind: slice\nname: x\n\ndata: {{path: 'https://me:{ANOTHER}@hub.example/x'}}\n"),
        ("report.json", f'{{\n\n\n"source": "{TOKEN}"}}'),
        ("evidence/log.txt", "\n\n\nhttps://me:my-password@hub.example/data\n"),
        ("notes", f"\n\n\ntoken={ANOTHER}"),
    ],
)
def test_a_token_is_not_pushed(file: str, text: str, hub: HubServer, student: Path, refused: Refused) -> None:
    (student / file).write_text(text)
    says = (f"{file} holds a token or a login in line 4", "nothing is pushed", "revoke it")
    finished = refuse(refused, "push", "student", REPO, says=says, code=2)
    assert ANOTHER not in finished.stderr
    assert "my-password" not in finished.stderr
    assert hub.store.find("models", REPO) is None
    (student / file).unlink()


def test_a_login_of_another_form_is_not_pushed(
    hub: HubServer, student: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.tokens["my.own-login"] = User("alice")
    monkeypatch.setenv("HF_TOKEN", "my.own-login")
    (student / "notes.txt").write_text("with my.own-login it works")
    refuse(refused, "push", "student", REPO, says=("notes.txt holds a token or a login in line 1",), code=2)


@pytest.mark.parametrize(
    "command",
    [
        ("pull", f"https://me:{TOKEN}@hub.example/alice/teacher"),
        ("push", "student", f"https://me:{TOKEN}@hub.example/x"),
        ("slice", "recipe.yaml", "--until", "data"),
        ("slice", "recipe.yaml", f"teacher.model=https://me:{TOKEN}@hub.example/x"),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("mode", [(), ("--json",)], ids=["human", "json"])
def test_an_address_with_a_token(
    command: tuple[str, ...], mode: tuple[str, ...], hub: HubServer, student: Path, hubslice: Hubslice
) -> None:
    recipe = RECIPE.replace("./images", f"https://me:{TOKEN}@hub.example/images")
    Path("recipe.yaml").write_text(recipe)
    finished = hubslice(*command, *mode)
    assert finished.code == 2, finished.stderr
    assert "hub.example" in finished.stderr
    assert not leaks(finished.stdout + finished.stderr)
    for path in Path.cwd().rglob("*.yaml"):  # the user's own words
        path.unlink()
