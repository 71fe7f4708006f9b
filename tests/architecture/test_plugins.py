"""A method, a defect and a verb of another package, each in one file, go through the chain and the command line."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import hubslice
from tests import warm
from tests.run.tiny import write_job

pytestmark = pytest.mark.slow

METHOD = """
from typing import ClassVar, Literal
import numpy as np
from hubslice.core.cost import Cost
from hubslice.recipe.section import Ratio
from hubslice.recipe.slicing import Slicing

class FirstParams(Slicing):
    \"\"\"The first weights of the network are irrelevant.\"\"\"

    title: ClassVar[str] = "First weights"
    reference: ClassVar[str] = "https://example.org/first"
    method: Literal["first"] = "first"
    ratio: Ratio = 0.25

    @staticmethod
    def rank(candidates, known, params, seed):
        size = sum(candidate.weight.size for candidate in candidates)
        return np.arange(size) >= params.ratio * size

    def told(self):
        return "The first weights <fell>."

    def cost(self, work):
        return Cost(1000 * self.ratio, kept=12345)
"""
DEFECT = """
from typing import ClassVar, Literal
from hubslice.core.cost import Cost
from hubslice.recipe.defects import Defect

class DarkParams(Defect):
    \"\"\"Images in the dark.\"\"\"

    attack: ClassVar[str] = "the light off"
    kind: Literal["dark"]
    share: float = 0.5

    def cost(self, work, *, models, images):
        return Cost(1000.0 * models, kept=images)

    def make(self):
        from hubslice.defects.attack import Variant
        from hubslice.defects.base import Defect as Measured

        class Dark(Measured):
            kind = "dark"
            title = "Darkness"
            reference = "https://example.org/dark"
            rebuild = "Multiply the test images by the share."

            def __init__(self, params):
                self.params = params

            def variants(self):
                share = self.params.share
                def craft(source, batch):
                    return (batch.pixels.float() * share).round().to(batch.pixels.dtype)
                return (Variant(name="dark", title="darker", headline=True, settings={"share": share}, craft=craft),)

            def threat_model(self):
                return ("The attacker turns off the light.",)

        return Dark(self)
"""
VERB = """
from hubslice.terminal.output import out

def register(app):
    app.command("greet")(greet)

def greet():
    \"\"\"Say a word.\"\"\"
    out.line("hello")
"""
RECIPE = """\
kind: slice
name: plugged
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group}
slice: {method: first, ratio: 0.2}
train: {epochs: 1, batch_size: 32}
audit: {defects: [{kind: dark, share: 0.4}]}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    about = folder / "toys-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[hubslice.methods]\nfirst = toy_method:FirstParams\n"
        "[hubslice.defects]\ndark = toy_defect:DarkParams\n"
        "[hubslice.verbs]\ngreet = toy_verb\n"
    )
    (folder / "toy_method.py").write_text(METHOD)
    (folder / "toy_defect.py").write_text(DEFECT)
    (folder / "toy_verb.py").write_text(VERB)
    return folder


def ended(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(hubslice.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{root}", "HF_HUB_OFFLINE": "1"}
    return warm.run("-m", "hubslice", *arguments, cwd=site.parent, env=environment)


def test_they_go_through_the_chain(site: Path, tmp_path: Path) -> None:
    write_job(tmp_path, RECIPE)
    made = ended(site, "slice", "recipe.yaml", "--out", "run", "--json")
    assert made.returncode == 0, made.stderr
    report = json.loads(made.stdout)["report"]
    assert (report["slice"]["method"], report["slice"]["title"]) == ("first", "First weights")
    assert abs(report["slice"]["relevant"] / report["slice"]["weights"] - 0.8) < 0.01
    assert [defect["title"] for defect in report["defects"]] == ["Darkness"]
    card = (tmp_path / "run/student/README.md").read_text()
    assert "First weights" in card
    assert r"The first weights \<fell\>." in card
    assert "The attacker turns off the light." in card
    assert "| the light off |" in card
    checked = ended(site, "verify", "run", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert json.loads(checked.stdout)["verified"] is True


def test_a_method_can_rank_by_what_was_traced(site: Path, tmp_path: Path) -> None:
    traced = METHOD.replace("Slicing", "Traced").replace("params.ratio * size", "len(known.weights)")
    (site / "toy_method.py").write_text(traced)
    write_job(tmp_path, RECIPE)
    done = ended(site, "slice", "recipe.yaml", "slice.samples=2", "--until", "slice", "--out", "run", "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/steps/trace").is_dir()


def test_a_dry_run_tells_what_they_say_they_cost(site: Path, tmp_path: Path) -> None:
    write_job(tmp_path, RECIPE)
    told = ended(site, "slice", "recipe.yaml", "--dry-run", "--json")
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    steps = {step["name"]: step for step in found["steps"]}
    assert (steps["slice"]["seconds"], steps["slice"]["bytes"]) == (200.0, 12345)
    assert (steps["audit.dark"]["seconds"], steps["audit.dark"]["bytes"]) == (2000.0, found["samples"]["test"])


def test_they_are_on_the_command_line(site: Path, tmp_path: Path) -> None:
    write_job(tmp_path, RECIPE)
    assert "greet" in ended(site, "--help").stdout
    assert ended(site, "greet").stdout == "hello\n"
    schema = ended(site, "recipes", "schema").stdout
    assert "FirstParams" in schema
    assert "DarkParams" in schema
    told = ended(site, "validate", "recipe.yaml", "slice.method=frist")
    assert (told.returncode, "did you mean" in told.stderr, "'first'" in told.stderr) == (2, True, True)


def test_a_recipe_without_the_package_is_refused(site: Path, tmp_path: Path) -> None:
    write_job(tmp_path, RECIPE)
    for about in site.rglob("entry_points.txt"):
        about.unlink()
    done = ended(site, "validate", "recipe.yaml")
    assert done.returncode == 2
    assert "slice.method" in done.stderr
    assert "Traceback" not in done.stderr


BROKEN = {
    "a method that cannot be loaded": ("toy_method.py", "raise RuntimeError('no')", "cannot be loaded: no"),
    "a method that is none": ("toy_method.py", "FirstParams = 3", "is no method"),
    "a method that needs a trace and is not traced": (
        "toy_method.py",
        METHOD.replace("    title:", '    needs: ClassVar[str] = "trace"\n    title:'),
        "is no subclass of hubslice.recipe.slicing.Traced",
    ),
    "a method with a name that is taken": ("toy_method.py", METHOD.replace('"first"', '"remos"'), "is called remos"),
    "a method that does not rank": ("toy_method.py", METHOD.replace("def rank(", "def order("), "has neither rank()"),
    "a defect that nothing measures": ("toy_defect.py", DEFECT.replace("def make(", "def mak("), "has no make()"),
    "a defect that is none": ("toy_defect.py", "class DarkParams: pass", "is no defect"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_cannot_be_used_is_told(site: Path, tmp_path: Path, what: str) -> None:
    name, code, says = BROKEN[what]
    (site / name).write_text(code)
    write_job(tmp_path, RECIPE)
    done = ended(site, "validate", "recipe.yaml")
    assert done.returncode == 2
    assert says in done.stderr
    assert "update that package, or uninstall it" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_verb_that_cannot_be_loaded_leaves_the_others(site: Path) -> None:
    (site / "toy_verb.py").write_text("raise RuntimeError('no')")
    done = ended(site, "recipes", "ls", "-q")
    assert done.returncode == 0
    assert "cannot be loaded: no" in done.stderr
    assert "general/minimal" in done.stdout
