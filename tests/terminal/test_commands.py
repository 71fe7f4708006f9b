from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.terminal.conftest import Hubslice

GOOD = "kind: slice\nname: student\nteacher: {model: a/b}\ndata: {path: a/c}\ntrain: {lr: 1e-3}\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(GOOD)
    return path


def test_validate_tells_people(hubslice: Hubslice, recipe: Path) -> None:
    code, stdout, stderr = hubslice("validate", str(recipe), "slice={method: remos, ratio: 0.25}")
    assert code == 0
    assert "recipe     student (slice)\n" in stdout
    assert "slice      remos, 0.25 of conv" in stdout
    assert stderr == f"{recipe} is valid\n"


@pytest.mark.parametrize("place", ["before", "after"])
def test_validate_tells_machines(hubslice: Hubslice, recipe: Path, place: str) -> None:
    command = ["validate", str(recipe), "train.epochs=3"]
    code, stdout, stderr = hubslice(*(["--json", *command] if place == "before" else [*command, "--json"]))
    answer = json.loads(stdout)
    assert (code, stderr) == (0, "")
    assert answer["valid"] is True
    assert answer["recipe"]["train"]["epochs"] == 3


@pytest.mark.parametrize("command", [("-q", "validate"), ("validate", "--quiet")])
def test_validate_can_be_quiet(hubslice: Hubslice, recipe: Path, command: tuple[str, ...]) -> None:
    assert hubslice(*command, str(recipe)) == (0, "", "")


def test_validate_tells_every_mistake(hubslice: Hubslice, recipe: Path) -> None:
    recipe.write_text(GOOD.replace("lr: 1e-3", "leraning_rate: 1, epochs: x"))
    code, stdout, stderr = hubslice("validate", str(recipe))
    assert (code, stdout) == (2, "")
    assert stderr.splitlines()[:3] == [
        f"error: {recipe} has 2 mistakes",
        f"  {recipe}:5: train.leraning_rate: unknown key; did you mean 'lr'?",
        f"  {recipe}:5: train.epochs: expected a whole number, got text 'x'",
    ]
    assert stderr.splitlines()[3].startswith("hint: ")


def test_validate_tells_missing_files(hubslice: Hubslice, recipe: Path) -> None:
    code, _, stderr = hubslice("validate", str(recipe), "data.path=./none.parquet")
    assert code == 2
    assert f"override 'data.path=./none.parquet': data.path: no such file or folder: {recipe.parent}" in stderr
    assert f"hint: relative paths start from {recipe.parent}\n" in stderr


def test_errors_as_json(hubslice: Hubslice) -> None:
    code, stdout, stderr = hubslice("validate", "vision/drawing", "--json")
    assert (code, stdout) == (2, "")
    assert json.loads(stderr) == {
        "error": "there is no recipe 'vision/drawing': neither a file nor a built-in recipe; "
        "did you mean 'vision/drawings'?",
        "hint": "`hubslice recipes ls` lists the built-in recipes",
        "exit_code": 2,
    }


@pytest.mark.parametrize("command", [["validate"], ["bogus"], ["recipes", "ls", "--nonsense"]])
def test_usage_errors(hubslice: Hubslice, command: list[str]) -> None:
    code, stdout, stderr = hubslice(*command)
    assert (code, stdout) == (2, "")
    assert "Usage: hubslice" in stderr
    code, stdout, stderr = hubslice(*command, "--json")
    assert (code, stdout) == (2, "")
    assert json.loads(stderr)["exit_code"] == 2


def test_recipes_ls(hubslice: Hubslice) -> None:
    head, *rows = (line.split("\t") for line in hubslice("recipes", "ls").stdout.splitlines())
    assert head == ["NAME", "KIND", "TITLE", "NOTE"]
    assert ["vision/remos-vit", "slice", "ReMoS on a vision transformer and bean leaves", "not run here"] in rows
    names = hubslice("recipes", "ls", "--quiet").stdout.splitlines()
    assert names == [row[0] for row in rows]
    answer = json.loads(hubslice("recipes", "ls", "--json").stdout)
    assert [row["name"] for row in answer] == names
    assert answer[0] | {"title": ""} == {
        "name": "general/minimal", "kind": "slice", "title": "", "tested": True, "note": "",
    }  # fmt: skip


def test_recipes_show(hubslice: Hubslice) -> None:
    text = hubslice("recipes", "show", "general/minimal").stdout
    assert text.startswith("# The smallest useful recipe")
    answer = json.loads(hubslice("recipes", "show", "general/minimal", "--json").stdout)
    assert answer["text"] == text
    code, stdout, stderr = hubslice("recipes", "show", "general/minimul")
    assert (code, stdout) == (2, "")
    assert "did you mean 'general/minimal'?" in stderr


def test_recipes_copy(hubslice: Hubslice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, stdout, stderr = hubslice("recipes", "copy", "general/minimal")
    assert (code, stdout) == (0, "minimal.yaml\n")
    assert f"warning: minimal.yaml:11: data.path: no such file or folder: {tmp_path / 'images'}" in stderr
    assert "hint: edit it, then check it: hubslice validate minimal.yaml\n" in stderr
    code, stdout, stderr = hubslice("recipes", "copy", "vision/drawings", "minimal.yaml")
    assert (code, stdout) == (2, "")
    assert stderr.startswith("error: minimal.yaml is already there\nhint: give --force")
    assert hubslice("recipes", "copy", "vision/remos-vit", "minimal.yaml", "--force", "-q") == (0, "minimal.yaml\n", "")
    assert "ViT" in Path("minimal.yaml").read_text()


def test_a_path_in_a_pipe_is_that_of_the_file(
    hubslice: Hubslice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where signs in it, such as joiners of Persian and of emoji, cannot be seen."""
    monkeypatch.chdir(tmp_path)
    name = "rec\u200cipe \u200d\u00ad\u2800.yaml"
    code, stdout, _ = hubslice("recipes", "copy", "general/minimal", name, "-q")
    assert (code, stdout) == (0, f"{name}\n")
    assert Path(stdout[:-1]).is_file()


def test_recipes_schema(hubslice: Hubslice) -> None:
    for extra in ([], ["--quiet"], ["--json"]):
        assert "$defs" in json.loads(hubslice("recipes", "schema", *extra).stdout)


@pytest.mark.parametrize(
    "command",
    [
        [],
        *(
            [name]
            for name in (
                "pull",
                "slice",
                "push",
                "validate",
                "profile",
                "audit",
                "card",
                "info",
                "latency",
                "explain",
                "poison",
                "doctor",
            )
        ),
        *(["recipes", name] for name in ("ls", "show", "copy", "schema")),
        *(["detect", name] for name in ("fit", "check")),
    ],
)
def test_help_has_examples(hubslice: Hubslice, command: list[str]) -> None:
    code, stdout, stderr = hubslice(*command, "--help")
    assert (code, stderr) == (0, "")
    shown = [line.strip() for line in stdout.partition("Examples")[2].splitlines() if line.strip()]
    assert len(shown) >= 3
    assert all(line.startswith("$ ") and "hubslice" in line for line in shown)
    assert "--json" in stdout


@pytest.mark.parametrize("command", [["push"], ["explain"], ["latency"], ["detect", "fit"]])
def test_help_flows(hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    """Lines break where the terminal ends, not where the source does."""
    monkeypatch.setenv("COLUMNS", "80")
    told = hubslice(*command, "--help").stdout.partition("╭")[0]
    lines = [line.strip() for line in told.splitlines()[4:]]
    assert sum(map(bool, lines)) > 3
    for line, following in pairwise(lines):
        if line and following:
            assert len(line) + 1 + len(following.split()[0]) > 78, line


def test_version(hubslice: Hubslice) -> None:
    code, stdout, _ = hubslice("--version")
    assert code == 0
    assert stdout.startswith("hubslice ")


def test_traceback_on_demand(hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" not in hubslice("validate", "none").stderr
    assert "Traceback (most recent call last)" in hubslice("--traceback", "validate", "none").stderr
    monkeypatch.setenv("HUBSLICE_TRACEBACK", "1")
    assert "Traceback (most recent call last)" in hubslice("validate", "none").stderr
