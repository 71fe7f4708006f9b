"""Libraries say themselves what cards and `verify` need: a further one is one file and one line of the registry."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from torch import nn

import hubslice
from hubslice.artefacts.report import Report
from hubslice.card.render import render_card
from hubslice.core.errors import ModelError
from hubslice.models import libraries
from hubslice.models.library import Adapter, Library, Lines
from tests.card.examples import PARAMS, RECIPES, REPORTS
from tests.run.quick import quick_run

NAME = "student-without-defects-measured"


class Toys(Library):
    name: ClassVar = "toys"
    entries: ClassVar = frozenset({"toy"})
    files: ClassVar = ("toy.json",)
    lines: ClassVar = Lines(
        setup="import toys\n\nmodel = toys.open({home})\n",
        answer="{read}print(model(image))\n",
        hub="hub:",
        exception="`toys.show` shows them pink",
        remark="Toys are small.",
    )

    def adapter(self) -> Adapter:
        raise NotImplementedError

    def stock(self, folder: Path) -> nn.Module:
        raise NotImplementedError


def of_library(name: str) -> Report:
    report = REPORTS[NAME]
    return report.model_copy(update={"teacher": report.teacher.model_copy(update={"library": name})})


def test_a_card_shows_what_the_library_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "LIBRARIES", (*libraries.LIBRARIES, Toys()))
    card = render_card(of_library("toys"), PARAMS[NAME], RECIPES[NAME], "alice/student")
    assert "It is a plain toys model; hubslice is not needed." in card
    assert 'import toys\n\nmodel = toys.open("hub:alice/student")\nimage = ImageOps' in card
    assert "print(model(image))\n```" in card
    assert "the snippet does it, and `toys.show` shows them pink. Toys are small." in card
    assert "| `model.safetensors`, `config.json`, `toy.json` |" in card
    assert "library_name: toys\n" in card


def test_a_library_that_this_version_does_not_know_is_told() -> None:
    with pytest.raises(ModelError, match="one of toys; this version of hubslice takes models of timm and transformers"):
        render_card(of_library("toys"), PARAMS[NAME], RECIPES[NAME], None)


@pytest.mark.slow
def test_verify_tells_a_library_that_it_does_not_know(tmp_path: Path) -> None:
    student = shutil.copytree(quick_run() / "student", tmp_path / "student")
    report = json.loads((student / "report.json").read_text())
    report["teacher"]["library"] = "toys"
    (student / "report.json").write_text(json.dumps(report))
    told = {finding.part: finding for finding in hubslice.verify(student).findings if finding.name == "cannot be read"}
    assert told.keys() == {"card", "student"}
    assert all(
        "this version of hubslice takes models of timm and transformers" in each.detail for each in told.values()
    )


def test_the_registry_imports_no_library() -> None:
    code = "import hubslice.models.libraries, sys; print({'torch', 'timm', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
