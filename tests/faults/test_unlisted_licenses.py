"""Licenses that hubslice does not know and the Hub may: told wherever a card is about to be written, never refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fake_hub import HubServer
from tests.faults.hub_setup import REPO, hub, impatient, never_seen, teacher
from tests.run.tiny import write_job
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow

__all__ = ["hub", "impatient", "never_seen", "teacher"]

RECIPE = """\
kind: slice
name: licensed
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group}
train: {epochs: 0}
"""
GIVEN = "'Apache 2', which is not among the Hub's licenses that hubslice knows (did you mean 'apache-2.0'?)"
STANDS = "'llama9', which is not among the Hub's licenses"


def test_in_a_recipe_and_in_a_readme_on_the_hub(
    hub: HubServer, hubslice: Hubslice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_job(tmp_path, RECIPE)
    monkeypatch.chdir(tmp_path)
    hub.seed(REPO, {"README.md": b"---\r\nlicense: llama9\r\n---\r\n# A student\r\n"})
    for options in (("--dry-run",), ()):
        done = hubslice("slice", "recipe.yaml", "card.license=Apache 2", "--out", "named", *options)
        assert done.code == 0, done.stderr
        assert GIVEN in done.stderr
    assert hubslice("slice", "recipe.yaml", "--out", "run").code == 0
    for folder, told, other in (("named", GIVEN, STANDS), ("run", STANDS, GIVEN)):
        for options in (("--dry-run",), ()):
            done = hubslice("push", folder, REPO, "--json", *options)
            assert done.code == 0, done.stderr
            warnings = " ".join([*json.loads(done.stdout).get("warnings", []), done.stderr])
            assert told in warnings
            assert other not in warnings
        hub.seed(REPO, {"README.md": b"---\nlicense: llama9\n---\n# A student\n"})
    assert hubslice("verify", "run").code == 0
