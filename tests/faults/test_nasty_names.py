"""Names that strangers chose, in every command's output: nothing of them steers a terminal, hides, or adds a line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image

from hubslice.core.escaping import record
from hubslice.terminal.output import out
from tests.fake_hub import Fault, HubServer, on
from tests.faults.nasty import NASTY, PATH, raw
from tests.faults.nasty_place import CHILD, COUNTER, IMAGES, LABELS, MODEL, OTHER, PARENT, TEXTS, nasty_place
from tests.faults.nasty_place import nasty_run as finished_run
from tests.terminal.conftest import Finished, Hubslice

pytestmark = pytest.mark.slow

Mode = Literal["pipe", "terminal", "quiet", "json"]
MODES: tuple[Mode, ...] = ("pipe", "terminal", "quiet", "json")

# By what is done; `OUT` is a folder of the test's own. The exit code, and the modes that the command is tried in.
DONE: dict[str, tuple[tuple[str, ...], int, tuple[Mode, ...]]] = {
    "pull": (("pull", MODEL, "--out", "OUT/pulled"), 0, ("terminal", "json")),
    "pull --dry-run": (("pull", MODEL, "--dry-run"), 0, ("pipe", "terminal")),
    "explain": (("explain", MODEL, "--inputs", IMAGES, "--out", "OUT/explained"), 0, ("terminal",)),
    "diff": (
        ("diff", MODEL, OTHER, "--inputs", IMAGES, "--budget", "20", "--limit", "6", "--out", "OUT/deviations"),
        0,
        ("terminal",),
    ),
    "diff of texts": (
        (*("diff", f"a{COUNTER}/{PATH}.onnx", f"b{COUNTER}/{PATH}.onnx"),
         *("--inputs", TEXTS, "--budget", "60", "--max-edits", "5", "--limit", "8", "--out", "OUT/texts")),
        0,
        ("terminal", "json"),
    ),
    "lineage": (("lineage", CHILD, "--candidates", PARENT, "--out", "OUT/lineage"), 0, MODES),
    "lineage index": (("lineage", "index", PARENT, "--out", "OUT/index.safetensors"), 0, MODES),
    "exposure": (("exposure", MODEL, "--teacher", OTHER, "--data", IMAGES), 0, ("terminal",)),
    "execution": (("execution", MODEL, "--against", OTHER), 0, ("terminal",)),
    "latency": (("latency", MODEL), 0, ("terminal",)),
    "convert": (("convert", MODEL, "--to", "onnx", "--out", "OUT/model.onnx"), 0, ("terminal", "json")),
    "int8": (("convert", MODEL, "--to", "int8", "--data", IMAGES, "--out", "OUT/i.onnx"), 0, ("pipe",)),
    "compact": (("convert", MODEL, "--to", "compact", "--out", "OUT/compact"), 2, ("pipe",)),
    "info": (("info", "RUN"), 0, ("terminal",)),
    "verify": (("verify", "RUN"), 0, ("terminal",)),
    "card": (("card", "RUN"), 0, ("terminal",)),
    "a run of another name": (("info", MODEL), 2, MODES),
    "no label of this name": (("explain", MODEL, "--inputs", IMAGES, "--target", "nope"), 2, MODES),
    "a label of such a name": (("explain", MODEL, "--inputs", IMAGES, "--target", NASTY["hint"] + "?"), 2, MODES),
    "no model": (("pull", f"./nope{PATH}"), 2, MODES),
    "no inputs": (("explain", MODEL, "--inputs", f"nope{PATH}"), 2, MODES),
    "no recipe": (("validate", f"nope{PATH}.yaml"), 2, MODES),
    "no claims": (("verify", MODEL), 2, MODES),
    "an argument too many": (("pull", MODEL, PATH), 2, MODES),
    "no such option": (("pull", f"--{PATH}"), 2, MODES),
    "an override": (("validate", "recipe.yaml", f"{PATH}=1"), 2, MODES),
    "an override's value": (("validate", "recipe.yaml", f"slice.method={PATH}"), 2, MODES),
}  # fmt: skip


@pytest.fixture(scope="module")
def run() -> Path:
    return finished_run()


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(nasty_place())
    return nasty_place()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Streams that say they are a terminal, without colours: what control characters come are not rich's."""
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    yield
    out.close()


def told(finished: Finished) -> str:
    return finished.stdout + finished.stderr


def options_of(mode: Mode) -> tuple[str, ...]:
    return {"quiet": ("--quiet",), "json": ("--json",)}.get(mode, ())


def check(finished: Finished, mode: Mode, code: int) -> None:
    exact, wrapped = mode in ("json", "quiet"), mode == "terminal"
    assert raw(finished.stdout, exact=exact, wrapped=wrapped, piped=mode == "quiet") == []
    assert raw(finished.stderr, wrapped=mode == "terminal") == []
    assert finished.code == code, finished.stderr
    assert "this is a fault of hubslice" not in finished.stderr
    if mode == "json":
        document = finished.stderr.splitlines()[-1] if code else finished.stdout
        assert json.loads(document)


@pytest.mark.parametrize(("does", "mode"), [(does, mode) for does, (_, _, modes) in DONE.items() for mode in modes])
def test_commands(
    does: str, mode: Mode, place: Path, tmp_path: Path, hubslice: Hubslice, request: pytest.FixtureRequest
) -> None:
    arguments, code, _ = DONE[does]
    run = str(request.getfixturevalue("run")) if "RUN" in arguments else ""
    given = [each.replace("OUT", str(tmp_path)).replace("RUN", run or "RUN") for each in arguments]
    if mode == "terminal":
        request.getfixturevalue("terminal")
    check(hubslice(*given, *options_of(mode)), mode, code)


def test_json_gives_names_as_they_are(place: Path, tmp_path: Path, hubslice: Hubslice) -> None:
    finished = hubslice("explain", MODEL, "--inputs", IMAGES, "--out", str(tmp_path / "out"), "--json")
    facts = json.loads(finished.stdout)
    assert facts["model"] == str(place / MODEL)
    assert {each["target"] for each in facts["inputs"]} <= set(LABELS)
    assert {each["name"] for each in facts["inputs"]} == {path.name for path in (place / IMAGES).iterdir()}


def test_scripts_get_one_line_a_value(place: Path, hubslice: Hubslice) -> None:
    finished = hubslice("lineage", CHILD, "--candidates", PARENT, "--quiet")
    assert finished.stdout == f"{record(PARENT)}\n"


CONFIGS: dict[str, dict[str, object]] = {
    "architecture": {"architecture": PATH},
    "architectures": {"architecture": None, "architectures": [PATH], "model_type": PATH},
    "model_type": {"architecture": None, "model_type": PATH},
    "an argument": {"model_args": {PATH: PATH}},
    "preparation": {"pretrained_cfg": {"input_size": [3, 32, 32], "interpolation": PATH, PATH: PATH}},
    "code": {"auto_map": {PATH: PATH}},
    "an attention": {"_attn_implementation": PATH},
    "a quantisation": {"quantization_config": {PATH: PATH}},
    "labels": {"label_names": [PATH] * len(LABELS)},
}


@pytest.mark.parametrize("entry", CONFIGS)
@pytest.mark.parametrize("command", [("pull", "--dry-run"), ("convert", "--to", "onnx", "--out", "x.onnx")])
def test_entries_of_a_config(
    entry: str, command: tuple[str, ...], place: Path, tmp_path: Path, hubslice: Hubslice
) -> None:
    folder = shutil.copytree(place / MODEL, tmp_path / PATH)
    path = folder / "config.json"
    config = json.loads(path.read_text()) | CONFIGS[entry]
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    finished = hubslice(command[0], str(folder), *command[1:])
    assert raw(told(finished)) == []
    assert "this is a fault of hubslice" not in finished.stderr


@pytest.mark.parametrize("key", ["license", "license_name", "base_model", "tags", "library_name", PATH])
def test_entries_of_a_teachers_card(key: str, place: Path, tmp_path: Path, hubslice: Hubslice) -> None:
    folder = shutil.copytree(place / MODEL, tmp_path / "model")
    (folder / "README.md").write_text(f"---\n{json.dumps({'license': 'other', key: NASTY['head'] + PATH})}\n---\n")
    for mode in ("pipe", "json"):
        finished = hubslice("pull", str(folder), "--dry-run", *options_of(mode))
        assert raw(told(finished)) == []
        assert finished.code == 0, finished.stderr


@pytest.mark.parametrize("mode", MODES)
def test_claims_of_a_strangers_student(
    mode: Mode, run: Path, tmp_path: Path, hubslice: Hubslice, request: pytest.FixtureRequest
) -> None:
    """Texts of report and lock that nobody checked yet reach those who verify, and those who push."""
    if mode == "terminal":
        request.getfixturevalue("terminal")
    for name in ("report.json", "hubslice.lock"):
        student = shutil.copytree(run / "student", tmp_path / name)
        content = json.loads((student / name).read_text())
        (student / name).write_text(json.dumps(spoilt(content)))
        check_said(hubslice("verify", str(student), *options_of(mode)))
        check_said(hubslice("push", str(student), "owner/name", "--dry-run", *options_of(mode)))


def spoilt(value: object) -> object:
    """All texts of a document with a nasty end."""
    match value:
        case dict():
            return {key: spoilt(each) for key, each in value.items()} | {PATH: PATH}
        case list():
            return [spoilt(each) for each in value]
        case str():
            return value + PATH
    return value


def check_said(finished: Finished) -> None:
    assert finished.code
    assert raw(told(finished)) == []
    assert "this is a fault of hubslice" not in finished.stderr


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500])
def test_what_a_server_says(status: int, hub: HubServer, hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubslice.hub.session._PATIENCE", (0.0, 0.0))
    hub.seed("lab/model", {"config.json": b"{}"})
    said = "\x1b]0;owned\x07 \x1b[31mred\x7f [bold]red[/bold] :smile: %s" + "x" * 5000
    hub.faults.append(Fault(on("GET", "/api/models"), status=status, said=said, times=None))
    finished = hubslice("pull", "lab/model")
    assert finished.code == 3
    assert raw(told(finished)) == []
    assert r"\x1b]0;owned\x07" in finished.stderr or status == 404


def test_files_of_a_repository(hub: HubServer, hubslice: Hubslice, tmp_path: Path) -> None:
    config = (nasty_place() / MODEL / "config.json").read_bytes()
    weights = (nasty_place() / MODEL / "model.safetensors").read_bytes()
    odd = "x\u202e[bold]<img src=x>`|\u3164"
    hub.seed("lab/model", {"config.json": config, "model.safetensors": weights, f"{odd}.bin": b"x", f"{odd}.txt": b"x"})
    for mode in ("pipe", "quiet"):
        finished = hubslice("pull", "lab/model", "--out", str(tmp_path / mode), *options_of(mode))
        assert finished.code == 0, finished.stderr
        assert raw(told(finished), exact=mode != "pipe") == []


def test_data(place: Path, tmp_path: Path, hubslice: Hubslice) -> None:
    """Folders, files, columns and splits of a stranger's data."""
    for name in (f"train{PATH}", "red"):
        for at in range(2):
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), "red").save(tmp_path / "data" / name / f"{at}{PATH}.png")
    (tmp_path / "data" / "red" / f"{PATH}.txt").write_text("x")
    (tmp_path / "data" / f"{PATH}.png").write_bytes(b"none")
    broken = os.fsencode(tmp_path / "data" / "red") + b"/caf\xe9.png"
    Path(os.fsdecode(broken)).write_bytes(b"none")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((place / "recipe.yaml").read_text().replace("./nasty.parquet", str(tmp_path / "data")))
    for mode in ("pipe", "json"):
        finished = hubslice("slice", str(recipe), "--until", "data", "--out", str(tmp_path / mode), *options_of(mode))
        assert raw(told(finished)) == []
        assert finished.code == 2


def test_names_that_are_not_utf8_crash_nothing(tmp_path: Path) -> None:
    """Printed by a process of its own, whose streams are strict."""
    command = [sys.executable, "-m", "hubslice", "pull", str(tmp_path / os.fsdecode(b"caf\xe9"))]
    for encoding in ("utf-8", "ascii"):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": encoding}
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode == 2, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        assert rb"caf\udce9" in done.stderr


def test_what_libraries_log_is_cleaned() -> None:
    code = (
        "import logging, sys; from hubslice.console import main; sys.argv[1:] = ['--version']\n"
        "try: main()\nexcept SystemExit: logging.warning('about %s', sys.stdin.read())"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], input=PATH, env=environment, capture_output=True, text=True, check=True
    )
    assert "about \\x1b[31m" in done.stderr
    assert not [sign for sign in done.stderr if not sign.isprintable() and sign != "\n"]


def test_warnings_of_libraries_are_cleaned(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    from hubslice import app

    def shout(**_: object) -> int:
        warnings.warn(f"about {PATH}", UserWarning, stacklevel=1)
        return 0

    said: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_, **__: said.append(str(message)))
    monkeypatch.setattr(app, "app", lambda *_, **__: shout())
    warnings.simplefilter("always")
    app.run(["info"])
    assert len(said) == 1
    assert not [sign for sign in said[0] if not sign.isprintable() and sign != "\n"]
