"""The rules behind the protocol: cards, merges, large and ignored files."""

from __future__ import annotations

import pytest

from tests.fake_hub import cards, changes, upload_rules
from tests.fake_hub.records import File

GOOD = """---
license: apache-2.0
language: en
tags: [pruned, hubslice]
base_model: timm/teacher
base_model_relation: finetune
datasets:
- alice/pets
model-index:
- name: student
  results:
  - task: {type: image-classification}
    dataset: {type: alice/pets, name: Pets}
    metrics:
    - {type: accuracy, value: 0.9}
---
# Student
"""


@pytest.mark.parametrize("content", [GOOD, "", "# No head", "---\nnever closed", "---\n\n---\n"])
def test_good_cards(content: str) -> None:
    assert cards.faults(content) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("language: en", "language: [en", "Invalid YAML metadata"),
        ("language: en", "license: mit", "duplicated mapping key 'license'"),
        ("language: en", "language: no", '"language" must be a string'),
        ("license: apache-2.0", "license: 2.0", '"license" must be a string'),
        ("license: apache-2.0", "license: Apache 2.0", '"license" must be a string'),
        ("license: apache-2.0", "license: [mit]", '"license" must be a string'),
        ("[pruned, hubslice]", "pruned", '"tags" must be an array of strings'),
        ("relation: finetune", "relation: pruned", '"base_model_relation" must be one of adapter, merge'),
        ("- name: student", "- label: student", '"model-index[0].name" is required'),
        ("task: {type:", "task: {kind:", '"model-index[0].results[0].task.type" is required'),
        (", name: Pets", "", '"model-index[0].results[0].dataset.name" is required'),
        ("value: 0.9", "score: 0.9", '"model-index[0].results[0].metrics[0].value" is required'),
        ("license: apache-2.0", "- license", "Invalid YAML metadata"),
    ],
)
def test_bad_cards(old: str, new: str, fault: str) -> None:
    assert old in GOOD
    (found,) = cards.faults(GOOD.replace(old, new))
    assert fault in found


def test_a_data_set_may_have_several_licences() -> None:
    assert cards.faults(GOOD.replace("apache-2.0", "[mit, cc-by-4.0]"), "datasets") == []


def test_merge_by_path() -> None:
    one, two, three = (File(str(n), n, str(n), lfs=False) for n in (1, 2, 3))
    base = {"kept": one, "ours": one, "theirs": one, "gone": one, "both": one}
    ours = base | {"ours": two, "both": two, "added": two}
    theirs = {path: file for path, file in base.items() if path != "gone"} | {"theirs": three, "both": two}
    merged, conflicts = changes.merge(base, ours, theirs)
    assert conflicts == []
    assert merged == {"kept": one, "ours": two, "theirs": three, "both": two, "added": two}
    assert changes.merge(base, ours, theirs | {"both": three})[1] == ["both"]


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("a.log", True),
        ("deep/a.log", True),
        ("keep.log", False),
        ("build/x", True),
        ("sub/build/x", True),
        ("build", False),
        ("docs/private.txt", True),
        ("other/docs/private.txt", False),
    ],
)
def test_ignored_files(path: str, ignored: bool) -> None:
    rules = "# comment\n\n*.log\n!keep.log\nbuild/\n/docs/private.txt\n"
    assert upload_rules.is_ignored(path, rules) is ignored


@pytest.mark.parametrize(
    ("path", "size", "large"),
    [
        ("model.safetensors", 1, True),
        ("a/b.pt", 1, True),
        ("a.json", 1, False),
        ("a.json", 2**24, True),
        ("a.pt", 0, False),
    ],
)
def test_large_files(path: str, size: int, large: bool) -> None:
    patterns = upload_rules.large_file_patterns(upload_rules.DEFAULT_ATTRIBUTES)
    assert upload_rules.is_large(path, size, patterns) is large
