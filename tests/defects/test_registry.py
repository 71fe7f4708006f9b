from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from hubslice.artefacts.report import DefectReport
from hubslice.defects.audited import AuditedModel
from hubslice.defects.evidence import Evidence
from hubslice.defects.registry import DEFECTS, DefectEntry, make_defect
from hubslice.recipe.defects import DefectParams
from tests.defects.handmade import Handmade, PixelFeatures, labelled_by, random_images

ENTRIES = pytest.mark.parametrize("entry", DEFECTS, ids=lambda entry: entry.kind)


def test_every_recipe_defect_has_one_entry() -> None:
    assert {entry.params for entry in DEFECTS} == set(get_args(get_args(DefectParams)[0]))
    assert len({entry.kind for entry in DEFECTS}) == len(DEFECTS)


@ENTRIES
def test_an_entry_names_its_source(entry: DefectEntry) -> None:
    assert entry.title
    assert entry.reference.startswith("https://")


@ENTRIES
def test_every_defect_measures_and_leaves_evidence(entry: DefectEntry, tmp_path: Path) -> None:
    defect = make_defect(TypeAdapter(DefectParams).validate_python({"kind": entry.kind}))
    assert isinstance(defect, entry.defect)
    student = Handmade(PixelFeatures(seed=1))
    audit_set = labelled_by(student, random_images(5))
    report = defect.measure(
        [AuditedModel("student", student), AuditedModel("finetune", Handmade(PixelFeatures(seed=2)))],
        audit_set,
        teacher=Handmade(PixelFeatures()),
        evidence_folder=tmp_path,
        seed=0,
    )
    assert (report.kind, report.title, report.reference) == (entry.kind, entry.title, entry.reference)
    assert sum(variant.headline for variant in report.variants) == 1
    assert report.threat_model
    assert all(sentence.endswith(".") for sentence in (*report.threat_model, *report.notes))
    assert DefectReport.model_validate_json(report.model_dump_json()) == report
    for variant in report.variants:
        evidence = Evidence.load(tmp_path / variant.evidence)
        assert evidence.rows() == variant.rows
        assert len(evidence.images) == min(5, defect.stored_images or 5)
        assert {row.arm for row in variant.rows} == {"student", "finetune", "teacher"}
