"""Steps and defects by name: `--until` lists what there is, and two defects of a kind are told apart everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubslice.artefacts.report import ArmReport, DefectReport, DefectRow, DefectVariant
from hubslice.core.rate import Rate
from hubslice.defects.attack import Variant
from hubslice.recipe.defects import defect_names
from hubslice.recipe.load import parse_recipe
from hubslice.recipe.schema import Gates, SliceRecipe
from hubslice.run.kinds import KINDS
from hubslice.run.plan import plan
from hubslice.run.report import judge_gates
from hubslice.run.steps.audit import audit_names
from tests.card.examples import REPORTS, card_of
from tests.terminal.conftest import Hubslice, hubslice

__all__ = ["hubslice"]

RECIPE = """\
kind: slice
name: beans
teacher: {model: timm/resnet18.a1_in1k}
data: {path: ./images}
slice: {method: METHOD}
audit:
  defects:
    - {kind: backdoor}
    - {kind: penultimate, unrelated: timm/one}
    - {kind: backdoor, trigger: {seed: 3}}
    - {kind: penultimate, eps: [8], unrelated: timm/two}
    - {kind: backdoor, trigger: {size: 0.5}}
diff: {}
exposure: {}
"""
NAMES = ("backdoor", "penultimate", "backdoor-2", "penultimate-2", "backdoor-3")


def recipe(method: str = "remos") -> SliceRecipe:
    found = parse_recipe(RECIPE.replace("METHOD", method), Path(), "here").recipe
    assert isinstance(found, SliceRecipe)
    return found


def test_the_kinds_are_those_of_all_plans_in_their_order() -> None:
    planned = {method: [step.kind for step in plan(recipe(method), "", Path())] for method in ("remos", "nnslicer")}
    assert {kind for kinds in planned.values() for kind in kinds} == set(KINDS)
    for kinds in planned.values():
        first = list(dict.fromkeys(kinds))
        assert first == [kind for kind in KINDS if kind in first]


def test_the_help_of_until_names_every_kind(hubslice: Hubslice) -> None:
    told = " ".join(hubslice("slice", "--help").stdout.replace("│", " ").split())
    assert f"Stop after {', '.join(KINDS[:-1])} or {KINDS[-1]}" in told


def test_two_defects_of_a_kind_have_steps_of_their_own() -> None:
    assert defect_names(recipe().audit.defects) == NAMES
    assert audit_names(recipe()) == tuple(f"audit.{name}" for name in NAMES)
    steps = [step.name for step in plan(recipe(), "", Path())]
    assert len(set(steps)) == len(steps)
    assert {"pull.penultimate", "pull.penultimate-2"} <= set(steps)
    titles = [step.title for step in plan(recipe(), "", Path()) if step.kind == "audit"]
    assert len(set(titles)) == len(NAMES)


def defect(name: str | None, hits: int) -> DefectReport:
    row = DefectRow(
        arm="student", source="teacher", dir=Rate(hits=hits, total=10), collapse=Rate(hits=0, total=10), asr=None
    )
    variant = DefectVariant(name="v", title="v", headline=True, rows=(row,), reduction=None, evidence="e")
    return DefectReport(
        kind="backdoor",
        name=name,
        title="Backdoor",
        reference="",
        threat_model=(),
        samples=10,
        notes=(),
        variants=(variant,),
    )


def test_each_has_a_gate_of_its_own() -> None:
    arm = ArmReport(
        name="student",
        title="",
        role="student",
        description="",
        candidates=(),
        chosen=0,
        validation=Rate(hits=1, total=1),
        test=Rate(hits=1, total=1),
    )
    defects = [defect("backdoor", 1), defect("backdoor-2", 9)]
    gates = judge_gates(Gates(max_dir=0.5), [arm], defects)
    assert [(gate.name, gate.passed) for gate in gates] == [
        ("max_dir (backdoor)", True),
        ("max_dir (backdoor-2)", False),
    ]
    older = judge_gates(Gates(max_dir=0.5), [arm], [defect(None, 1)])
    assert [gate.name for gate in older] == ["max_dir (backdoor)"]


@pytest.mark.parametrize(("name", "title"), [(None, "T"), ("hand", "T"), ("hand-2", "T (2)"), ("hand-12", "T (12)")])
def test_the_measured_defect_tells_its_name_and_its_number(name: str | None, title: str, tmp_path: Path) -> None:
    from hubslice.defects.audited import AuditedModel
    from hubslice.defects.base import Defect
    from tests.defects.handmade import Handmade, PixelFeatures, random_images

    class ByHand(Defect):
        kind, reference, rebuild = "hand", "", ""

        def threat_model(self) -> tuple[str, ...]:
            return ()

        def variants(self) -> tuple[Variant, ...]:
            return (Variant("v", "v", headline=True, settings={}, craft=lambda _, batch: batch.pixels),)

    ByHand.title = "T"
    found = ByHand().measure(
        [AuditedModel("student", Handmade(PixelFeatures(seed=1)))],
        random_images(4),
        teacher=Handmade(PixelFeatures(seed=1)),
        evidence_folder=tmp_path,
        seed=0,
        name=name,
    )
    assert (found.called, found.title) == (name or "hand", title)
    assert [path.name for path in tmp_path.iterdir()] == [f"{name or 'hand'}-v.safetensors"]


def test_the_card_tells_them_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "student-of-a-backdoored-teacher"
    report = REPORTS[name]
    first = report.defects[0]
    second = first.model_copy(update={"name": "backdoor-2", "title": f"{first.title} (2)"})
    monkeypatch.setitem(REPORTS, name, report.model_copy(update={"defects": (first, second)}))
    card = card_of(name)
    headings = [line for line in card.splitlines() if line.startswith("### ")]
    assert len(set(headings)) == len(headings)
    assert sum(first.title in line for line in headings) == 2
