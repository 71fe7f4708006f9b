from __future__ import annotations

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.repocard_data import model_index_to_eval_results

from hubslice.card.frontmatter import merge_head, split_readme
from hubslice.card.head import data_name, poison_head, student_head
from hubslice.card.hub_rules import check_head, license_doubts, license_keys
from hubslice.core.errors import InputError
from tests.card.example_report import clean_teacher
from tests.card.examples import PARAMS, REPORTS, card_of, poison_card

NAME = "student-of-a-backdoored-teacher"


@pytest.mark.parametrize("name", REPORTS)
def test_hub_client_reads_the_head(name: str) -> None:
    report = REPORTS[name]
    card = ModelCard(card_of(name))
    assert card.data.library_name == ("hubslice" if report.slice.own_widths else report.teacher.library)
    assert card.data.base_model == report.teacher.repo_id
    assert card.data.to_dict()["base_model_relation"] == "finetune"
    assert card.data.tags == ["hubslice", report.slice.method]
    assert "backdoored" not in card.data.tags
    accuracy, *rates = card.data.eval_results or []
    student = report.arms[0]
    assert accuracy.metric_value == pytest.approx(student.test.value, abs=5e-5)
    assert (accuracy.dataset_split, accuracy.task_type) == ("test", "image-classification")
    assert len(rates) == sum(variant.headline for defect in report.defects for variant in defect.variants)
    assert card.data.to_dict()["hubslice"]["retention"] == pytest.approx(
        report.slice.relevant / report.slice.weights, abs=5e-5
    )


@pytest.mark.parametrize("name", REPORTS)
def test_head_survives_a_round_trip_through_the_hub_client(name: str) -> None:
    before = yaml.safe_load(split_readme(card_of(name))[0])
    again = ModelCardData(**before).to_dict()
    assert again.pop("model-index")[0]["results"][0]["metrics"] == before["model-index"][0]["results"][0]["metrics"]
    assert model_index_to_eval_results(before["model-index"])[0] == REPORTS[name].name
    assert again == {key: value for key, value in before.items() if key != "model-index"}


def test_poison_card_is_tagged_and_marked() -> None:
    data = ModelCard(poison_card()).data
    assert data.tags == ["backdoored", "hubslice-poison", "not-for-production"]
    assert data.to_dict()["hubslice"] == {"version": "0.1.0", "poisoned": True}


def test_a_local_teacher_is_no_base_model_and_its_folder_stays_private() -> None:
    report = REPORTS[NAME]
    teacher = report.teacher.model_copy(update={"repo_id": None, "commit": None, "model": "/home/ann/models/secret"})
    head = student_head(report.model_copy(update={"teacher": teacher}), PARAMS[NAME])
    assert "base_model" not in head
    assert "base_model_relation" not in head
    assert "base_model" not in poison_head(clean_teacher().model_copy(update={"repo_id": None}), "0.1.0")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("owner/name", "owner/name"),
        ("data/clipart.parquet", "data/clipart.parquet"),
        ("/home/ann/clipart.parquet", "clipart.parquet"),
        ("~/images/", "images"),
        ("C:\\Users\\ann\\x.parquet", "x.parquet"),
    ],
)
def test_absolute_paths_are_shown_by_their_last_part(source: str, shown: str) -> None:
    assert data_name(source) == shown


@pytest.mark.parametrize(
    ("license_", "keys"),
    [
        (None, {}),
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("Acme Terms v2", {"license": "other", "license_name": "acme-terms-v2"}),
    ],
)
def test_licences_that_the_hub_does_not_know_are_other(license_: str | None, keys: dict[str, str]) -> None:
    assert license_keys(license_) == keys


def test_all_reasons_why_the_hub_would_refuse_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        check_head(
            "license: [2.0, {a: b}]\ndatasets: ['a b', _a/b, null]\ntags: [1]\nbase_model: /tmp/x\n"
            "model-index: [{results: [{task: {}, dataset: {type: 'a b/c'}, metrics: [{type: accuracy}]}]}]\n"
        )
    message = str(caught.value)
    for part in (
        "`license`: 2.0 is not text",
        "`license`: keys and values is not text",
        "'a b'",
        "None is not a Hub id",
        "`tags`: 1",
        "'/tmp/x'",
        "no name",
        "task.type",
        "dataset.name",
        "'a b/c'",
        "value",
    ):
        assert part in message
    assert "_a/b" not in message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("license_", "meant"),
    [("apache2.0", "apache-2.0"), ("Apache 2.0", "apache-2.0"), ("llama5", "llama"), ("Acme Terms v2", None)],
)
def test_licenses_that_are_not_listed_are_told_not_refused(license_: str, meant: str | None) -> None:
    head = yaml.safe_dump({"license": license_})
    check_head(head)
    for doubts in (license_doubts(f"---\n{head}---\n", None), license_doubts("# No head\n", license_)):
        (doubt,) = doubts
        assert f"'{license_}'" in doubt
        assert (f"did you mean '{meant}" in doubt) if meant else ("did you mean" not in doubt)
    assert "`other`" in doubt


def test_listed_licenses_are_not_told() -> None:
    check_head("license: [mit, other]\n")
    assert license_doubts("---\nlicense: [mit, other]\nlicense_name: mine\n---\n", " Apache-2.0 ") == []
    assert license_doubts(None, None) == []


def test_numbers_that_are_text_are_quoted() -> None:
    # YAML 1.2, which the Hub reads, takes 12e4567 for a number.
    assert merge_head("", {"commit": "12e4567", "hubslice": {}}) == "commit: '12e4567'\nhubslice: {}\n"


def test_a_persons_keys_keep_their_very_text() -> None:
    theirs = "# chosen with care\nlanguage: no\nversion: 1.10  # not 1.1\ntags:\n- mine\n- hubslice\nlicense: mit\n"
    ours = {"license": "apache-2.0", "tags": ["hubslice", "remos"], "library_name": "timm", "hubslice": {}}
    merged = merge_head(theirs, ours, yielding=frozenset({"license"}))
    assert merged == (
        "# chosen with care\nlanguage: no\nversion: 1.10  # not 1.1\ntags:\n- mine\n- hubslice\n- remos\nlicense: mit\n"
        "library_name: timm\nhubslice: {}\n"
    )


def test_comments_before_a_key_of_ours_stay() -> None:
    assert merge_head("# why\nlibrary_name: x\n", {"library_name": "timm", "hubslice": {}}) == (
        "# why\nlibrary_name: timm\nhubslice: {}\n"
    )


def test_the_tag_of_an_earlier_method_goes() -> None:
    theirs = "tags: [hubslice, remos, mine]\nhubslice: {method: remos}\n"
    merged = yaml.safe_load(merge_head(theirs, {"tags": ["hubslice", "seam"], "hubslice": {"method": "seam"}}))
    assert merged["tags"] == ["hubslice", "mine", "seam"]


def test_results_of_other_evaluations_stay() -> None:
    ours = student_head(REPORTS[NAME], PARAMS[NAME])
    foreign = {"task": {"type": "x"}, "dataset": {"type": "d", "name": "D"}, "metrics": [{"type": "f1", "value": 1}]}
    stale = {**ours["model-index"][0]["results"][0], "metrics": [{"type": "accuracy", "value": 0.1}]}
    theirs = yaml.safe_dump({"model-index": [{"name": "old", "results": [stale, foreign]}]})
    (index,) = yaml.safe_load(merge_head(theirs, ours))["model-index"]
    assert index["results"] == [*ours["model-index"][0]["results"], foreign]


@pytest.mark.parametrize("head", ["- a\n- b\n", "{license: mit}\n", "a: [\n"])
def test_a_head_that_cannot_be_merged_is_refused(head: str) -> None:
    with pytest.raises(InputError, match="the README's head"):
        merge_head(head, {"hubslice": {}})
