from __future__ import annotations

import ast
import re

import pytest
import yaml
from markdown_it import MarkdownIt

from hubslice.artefacts.model import FileFact
from hubslice.artefacts.report import DeviationReport, Report
from hubslice.card import formats
from hubslice.card.facts import floor_of
from hubslice.card.frontmatter import split_readme
from hubslice.card.render import SECTIONS, render_card
from hubslice.core.rate import Rate
from hubslice.recipe.schema import CardParams
from tests.card.examples import PARAMS, RECIPES, REPORTS, card_of, poison_card

FULL = "student-of-a-backdoored-teacher"
PARTED = DeviationReport(
    baseline="finetune",
    budget=1500,
    max_linf=16,
    min_ssim=None,
    found=Rate(hits=23, total=91),
    disagreed=Rate(hits=9, total=100),
    median_queries=41.0,
    facts="parted.json",
    evidence="parted.safetensors",
    gallery="parted.png",
)
PLAIN = "student-without-defects-measured"
SMALL = "student-made-smaller"


def section(card: str, name: str) -> str:
    found = re.search(rf"<!-- hubslice:begin {name} -->\n(.*?)<!-- hubslice:end {name} -->", card, re.DOTALL)
    assert found, name
    return found.group(1)


def rendered(report: Report, **card: object) -> str:
    return render_card(report, CardParams.model_validate(card), "kind: slice\n", "owner/student")


@pytest.mark.parametrize("name", REPORTS)
def test_rendering_again_changes_nothing(name: str) -> None:
    once = card_of(name)
    assert card_of(name, once) == once


def test_poison_card_rendered_again_is_the_same() -> None:
    assert poison_card(poison_card()) == poison_card()


def test_sections_come_in_order_and_gates_only_if_there_are_any() -> None:
    names = re.findall(r"hubslice:begin ([a-z]+)", rendered(REPORTS[FULL].model_copy(update={"deviations": PARTED})))
    assert tuple(names) == SECTIONS
    assert "hubslice:begin deviations" not in card_of(FULL)
    assert "hubslice:begin exposure" not in card_of(PLAIN)
    bare = rendered(REPORTS[FULL].model_copy(update={"gates": ()}))
    assert "hubslice:begin gates" not in bare


def test_where_it_deviates_is_told_as_it_was_measured() -> None:
    report = REPORTS[FULL].model_copy(update={"deviations": PARTED})
    text = section(rendered(report), "deviations")
    for words in (
        "no value by more than 16 of 255 levels",
        "for at most 1,500 tries an image",
        formats.rate(PARTED.disagreed),
        formats.rate(PARTED.found),
        "took 41 tries in the median",
        "](evidence/parted.png)",
        "`evidence/parted.safetensors`",
    ):
        assert words in text
    assert "similarity" not in text
    alike = PARTED.model_copy(update={"min_ssim": 0.9, "max_linf": None, "median_queries": None})
    text = section(rendered(report.model_copy(update={"deviations": alike})), "deviations")
    assert "structural similarity at least 0.9)" in text
    assert "levels" not in text
    assert "median" not in text


def test_what_the_teacher_gives_away_is_told_as_it_was_measured() -> None:
    report = REPORTS[FULL]
    found = report.exposure
    assert found is not None
    text = section(card_of(FULL), "exposure")
    for arm in found.arms:
        for share in (arm.exposure, arm.bits_needed, arm.bits_alone, arm.weights_needed, arm.start):
            assert formats.percent(share) in text
    for words in (
        "**descendant** (score 0.87; descendant from 0.15 on",
        "0 of 124 descendants",
        "0 of 1,048 strangers",
    ):
        assert words in text
    assert "layers that the teacher lacks" in text
    lineage = found.lineage.model_copy(update={"verdict": "not comparable", "score": None, "threshold": None})
    other = found.model_copy(update={"lineage": lineage, "arms": found.arms[:1], "shared": 1.0, "least_changed": ()})
    text = section(rendered(report.model_copy(update={"exposure": other})), "exposure")
    assert "**not comparable**. Too few of its layers can be set beside the teacher's." in text
    assert "by the teacher as it is" in text
    assert "changed least" not in text
    assert "Fine-tuned" not in text


def test_every_accuracy_comes_from_the_report() -> None:
    report = REPORTS[FULL]
    before = section(rendered(report), "accuracy")
    for index, arm in enumerate(report.arms):
        for split in ("validation", "test"):
            other = arm.model_copy(update={split: Rate(hits=17, total=97)})
            arms = (*report.arms[:index], other, *report.arms[index + 1 :])
            table = section(rendered(report.model_copy(update={"arms": arms})), "accuracy")
            assert formats.rate(getattr(arm, split)) in before
            assert "17.5 % [11.2, 26.3], n = 97" in table


def test_every_defect_rate_of_the_report_is_on_the_card() -> None:
    report = REPORTS[FULL]
    text = section(card_of(FULL), "defects")
    for defect in report.defects:
        for variant in defect.variants:
            for row in variant.rows:
                assert formats.rate(row.dir) in text
                assert formats.rate(row.collapse) in text
                assert row.asr is None or formats.rate(row.asr) in text


def test_a_persons_text_and_keys_stay() -> None:
    theirs = "---\nlanguage: no\nlicense: cc-by-4.0\ntags:\n- art\n---\n\n# My own title\n\nMy own words.\n"
    card = card_of(FULL, theirs)
    head, body = split_readme(card)
    assert head.startswith("language: no\nlicense: cc-by-4.0\ntags:\n- art\n- hubslice\n- remos\n")
    assert body.startswith("\n# My own title\n\nMy own words.\n\n<!-- hubslice:begin summary -->")
    assert card_of(FULL, card) == card


def test_a_licence_in_the_recipe_is_a_persons_word_too() -> None:
    theirs = "---\nlicense: cc-by-4.0\n---\n"
    params = PARAMS[FULL].model_copy(update={"license": "mit"})
    card = render_card(REPORTS[FULL], params, "", None, theirs)
    assert yaml.safe_load(split_readme(card)[0])["license"] == "mit"


def test_windows_line_ends_and_a_byte_order_mark_are_survived() -> None:
    card = card_of(FULL, "\ufeff---\r\nlanguage: en\r\n---\r\nMine.\r\n")
    assert card.startswith("---\r\nlanguage: en\r\n")
    assert card.count("\n") == card.count("\r\n")
    assert card_of(FULL, card) == card


def test_a_new_number_replaces_the_old_section_and_leaves_the_text_around_it() -> None:
    card = card_of(FULL).replace("<!-- hubslice:end gates -->", "<!-- hubslice:end gates -->\n\nA remark.")
    updated = render_card(REPORTS[PLAIN], PARAMS[PLAIN], RECIPES[PLAIN], None, card)
    assert "A remark." in updated
    assert "### Backdoor trigger" not in updated


def test_recipe_is_shown_verbatim() -> None:
    recipe = "name: x  # ```\ndescription: '<!-- hubslice:end reproduce -->'\n"
    card = render_card(REPORTS[PLAIN], PARAMS[PLAIN], recipe, None)
    assert f"````yaml\n{recipe}````" in card
    assert render_card(REPORTS[PLAIN], PARAMS[PLAIN], recipe, None, card) == card


@pytest.mark.parametrize(("name", "repo_id"), [(FULL, "owner/student"), (PLAIN, "owner/student"), (FULL, None)])
def test_snippets_are_python_and_name_the_repository(name: str, repo_id: str | None) -> None:
    card = render_card(REPORTS[name], PARAMS[name], "", repo_id)
    (snippet,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    ast.parse(snippet)
    assert (repo_id or "local-dir:student") in snippet


def test_without_defects_nothing_is_claimed() -> None:
    card = card_of(PLAIN)
    assert "No defect was measured." in section(card, "defects")
    assert "defect_inheritance_rate" not in card
    assert "DIR" not in section(card, "summary")


def test_broken_gates_are_told_at_the_top_in_the_table_and_in_the_limits() -> None:
    card = card_of(PLAIN)
    assert "broke 1 of the 2 limits" in section(card, "summary")
    assert "| at most 2.0 % | 4.2 % | **broken** |" in section(card, "gates")
    assert "`max_accuracy_drop`" in section(card, "limits")


def test_the_accuracy_gate_names_what_it_compares_with() -> None:
    report = REPORTS[PLAIN]
    assert "Accuracy lost against the fine-tuned baseline, test split" in section(rendered(report), "gates")
    held = report.arms[1].model_copy(update={"title": "Whole teacher"})
    shown = section(rendered(report.model_copy(update={"arms": (report.arms[0], held)})), "gates")
    assert "Accuracy lost against the whole teacher baseline, test split" in shown
    assert "fine-tuned" not in shown


@pytest.mark.parametrize(
    ("asked", "floor", "chosen", "says"),
    [
        (
            (0.4, 0.05),
            0.86,
            9,
            "wanted were at most 40.0 % of the weights at a validation accuracy of at least 86.0 % (5.0 points below",
        ),
        (
            (0.4, None),
            0.91,
            9,
            "wanted were at most 40.0 % of the weights. The first epoch with no more, 10 of 10, kept 39.7 % of",
        ),
        (
            (None, 0.02),
            0.89,
            6,
            "which kept the fewest, 7 of 10, kept 60.3 % of the weights of the layers that may be sliced (62.7 % of "
            "the whole network's) with a validation accuracy of 89.6 %",
        ),
        (
            (None, None),
            0.90,
            4,
            "as few as possible at a validation accuracy of at least 90.0 % (what all of them reach)",
        ),
        ((None, None), 0.95, 9, "No epoch reached that. The one with the largest accuracy minus retention, 10 of 10"),
    ],
)
def test_how_a_slice_was_found_is_told(
    asked: tuple[float | None, float | None], floor: float, chosen: int, says: str
) -> None:
    report = REPORTS[SMALL]
    assert report.search is not None
    parameters = report.slice.parameters | dict(zip(("retention", "max_accuracy_drop"), asked, strict=True))
    search = report.search.model_copy(update={"floor": floor, "chosen": chosen})
    changed = {"search": search, "slice": report.slice.model_copy(update={"parameters": parameters})}
    told = report.model_copy(update=changed)
    card = rendered(told)
    assert says in section(card, "weights")
    assert "](plots/search.png)" in section(card, "weights")
    assert "evidence/search.json" in section(card, "files")
    assert floor_of(told) == (None if asked == (0.4, None) else floor)


def test_an_older_search_did_not_note_what_it_left_of_the_whole_network() -> None:
    report = REPORTS[SMALL]
    assert report.search is not None
    epochs = tuple(epoch.model_copy(update={"network": None}) for epoch in report.search.epochs)
    older = report.model_copy(update={"search": report.search.model_copy(update={"epochs": epochs})})
    assert "whole network's" in section(rendered(report), "weights")
    told = section(rendered(older), "weights")
    assert "whole network's" not in told
    assert "% of the weights with a validation accuracy of" in told


def test_without_a_search_none_is_told() -> None:
    assert not re.search(r"search(ed|\.png|\.json)", card_of(FULL))


def test_layers_that_stay_whole_are_told_by_reason() -> None:
    shown = section(card_of(SMALL), "weights")
    assert "<summary>3 layers stay whole: no channels can be taken out</summary>" in shown
    assert "reads them: `conv_stem`, `blocks.0.0.conv_pw`" in shown
    assert "stay whole" not in card_of(FULL)


def test_a_poisoned_teacher_is_told_at_the_top_and_in_the_limits() -> None:
    card = card_of(FULL)
    assert "planted on purpose" in section(card, "summary")
    assert "A backdoor was planted in the teacher on purpose" in section(card, "limits")
    assert "planted on purpose" not in section(card_of(PLAIN), "summary")
    unmeasured = rendered(REPORTS[FULL].model_copy(update={"defects": ()}))
    assert "was **not** measured" in section(unmeasured, "summary")


def test_limits_name_thin_evidence_and_a_missing_licence() -> None:
    report = REPORTS[FULL]
    arms = tuple(
        arm.model_copy(update={"role": "student" if arm.name == "retrain" else "control"}) for arm in report.arms
    )
    teacher = report.teacher.model_copy(update={"license": None})
    card = rendered(report.model_copy(update={"arms": arms, "teacher": teacher}))
    assert "Backdoor trigger: the student's rate is based on 161 images" in section(card, "limits")
    assert "No license is stated" in section(card, "limits")
    assert not card.split("---\n")[1].startswith("license")


def test_a_pickle_behind_the_teacher_is_told() -> None:
    report = REPORTS[FULL]
    assert "pickle" not in section(rendered(report), "reproduce")
    pickle = FileFact(path="pytorch_model.bin", size=10, sha256="ab" * 32)
    teacher = report.teacher.model_copy(update={"pickles": (pickle,)})
    shown = section(rendered(report.model_copy(update={"teacher": teacher})), "reproduce")
    row = f"| Teacher's weights | converted from the pickle `pytorch_model.bin`, SHA-256 `{pickle.sha256}` |"
    assert row in shown.splitlines()
    assert shown.count("| --- |") == 1  # the table stays one


def test_hostile_labels_cannot_write_markup() -> None:
    report = REPORTS[FULL]
    labels = ("a`|b", "<script>alert(1)</script>", "c\n\n# d")
    task = report.task.model_copy(update={"labels": labels})
    shown = section(rendered(report.model_copy(update={"task": task})), "load")
    html = MarkdownIt("commonmark").render(shown)
    assert "<script>" not in html
    assert html.count("<h1>") == 0


@pytest.mark.parametrize("name", REPORTS)
def test_tables_and_folds_are_well_formed(name: str) -> None:
    body = split_readme(card_of(name))[1]
    html = MarkdownIt("commonmark").enable("table").render(body)
    tables = re.findall(r"^\| .*\n\| ---", body, re.MULTILINE)
    assert html.count("<table>") == len(tables)
    assert "<p>|" not in html
    assert html.count("<details>") == html.count("</details>") == body.count("<details>")
    assert not re.search(r"\n{4,}", body)
    assert "{{" not in body
    assert "None" not in body
