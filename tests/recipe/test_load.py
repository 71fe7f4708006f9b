from __future__ import annotations

import re
from pathlib import Path

import pytest

from hubslice.core.errors import RecipeError
from hubslice.recipe.load import load_recipe, missing_paths, parse_recipe
from hubslice.recipe.schema import PoisonRecipe, SliceRecipe
from hubslice.recipe.slicing import RemosParams

METHODS = "remos, seam, nnslicer, magnitude, random, none"
GOOD = """\
kind: slice
name: student
teacher: {model: timm/resnet18.a1_in1k}
data:
  path: owner/images
slice: {method: remos, ratio: 0.05, layers: [conv]}
train:
  lr: 1e-3
"""

BAD = """\
kind: slice
name: two words
teacher:
  input_size: 1.5
data:
  path: 3
  splits: {train: 1.5}
slice:
  metod: remos
train:
  leraning_rate: 0.1
  lr: "1"
  lr: 2
  optimizer: sgdd
  epochs: 1.0
  scheduler: cosine
  grid: {lr: 1}
  batch-size: 3
audit:
  defects:
    - {kind: backdoor, trigger: {size: 3, colour: 1}}
    - {kind: backdor}
    - {kind: penultimate, eps: [0, a]}
    - {kind: penultimate, eps: []}
    - 3
baselines: [fine]
epochs: 3
gates: {max_dir: !x 3}
"""

PROBLEMS = """\
r.yaml:2: name: must match ^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$, got text 'two words'
r.yaml:3: teacher.model: missing; this key is required
r.yaml:4: teacher.input_size: expected a whole number, got 1.5
r.yaml:6: data.path: expected text, got 3
r.yaml:7: data.splits.train: must be at most 1, got 1.5
r.yaml:9: slice.metod: unknown key; did you mean 'method'?
r.yaml:11: train.leraning_rate: unknown key; did you mean 'lr'?
r.yaml:12: train.lr: expected a number, got text '1'
r.yaml:13: train.lr: given twice; it is already there on line 12
r.yaml:14: train.optimizer: must be one of sgd, adamw, got text 'sgdd'; did you mean 'sgd'?
r.yaml:15: train.epochs: expected a whole number, got 1.0
r.yaml:16: train.scheduler: unknown key; did you mean 'schedule'?
r.yaml:17: train.grid.lr: expected a list, got 1
r.yaml:18: train.batch-size: unknown key; did you mean 'batch_size'?
r.yaml:21: audit.defects.0.trigger.size: must be at most 1, got 3
r.yaml:21: audit.defects.0.trigger.colour: unknown key; known here: {trigger}
r.yaml:22: audit.defects.1.kind: must be one of {defects}, got text 'backdor'; did you mean 'backdoor'?
r.yaml:23: audit.defects.2.eps.0: must be at least 1, got 0
r.yaml:23: audit.defects.2.eps.1: expected a whole number, got text 'a'
r.yaml:24: audit.defects.3.eps: must have 1 or more entries, got an empty list
r.yaml:25: audit.defects.4: expected keys and values, got 3
r.yaml:26: baselines.0: must be one of {baselines}, got text 'fine'; did you mean 'finetune'?
r.yaml:27: epochs: unknown key; did you mean 'train.epochs'?
r.yaml:28: gates.max_dir: the tag !x is not allowed; recipes hold plain values only
"""


def problems(text: str, *overrides: str, base: Path = Path("/nowhere")) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, base, "r.yaml", overrides)
    return list(caught.value.problems)


def test_good_recipe_keeps_its_text(tmp_path: Path) -> None:
    loaded = parse_recipe(GOOD, tmp_path, "r.yaml")
    assert isinstance(loaded.recipe, SliceRecipe)
    assert isinstance(loaded.recipe.slice, RemosParams)
    assert loaded.recipe.slice.layers == ("conv",)
    assert loaded.recipe.train.lr == 0.001
    assert (loaded.text, loaded.base, loaded.origin) == (GOOD, tmp_path, "r.yaml")


def test_all_mistakes_at_once_in_the_order_of_the_file() -> None:
    found = problems(BAD)
    expected = PROBLEMS.splitlines()
    assert len(found) == len(expected)
    for line, pattern in zip(found, expected, strict=True):
        start, end = pattern, ""
        for placeholder in ("{trigger}", "{defects}", "{baselines}"):
            if placeholder in pattern:
                start, _, end = pattern.partition(placeholder)
        assert line.startswith(start)
        assert line.endswith(end)


def test_message_counts_and_hints() -> None:
    with pytest.raises(RecipeError, match=r"r\.yaml has 24 mistakes") as caught:
        parse_recipe(BAD, Path(), "r.yaml")
    assert caught.value.exit_code == 2
    assert "hubslice recipes schema" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", ["r.yaml:1: expected keys and values, got 3"]),
        (
            "kind: sliced\nname: x",
            ["r.yaml:1: kind: must be one of slice, poison, got text 'sliced'; did you mean 'slice'?"],
        ),
        ("name: x\nnmae: y", ["r.yaml:1: kind: missing; this key is required (one of slice, poison)"]),
        ("kind: slice\nslice: 3", ["r.yaml:2: slice: expected keys and values, got 3"]),
        *(
            (f"kind: slice\nslice: {{{given}}}", [f"r.yaml:2: slice.{says}"])
            for given, says in {
                "method: remoss, foo: 1": f"method: must be one of {METHODS}, got text",
                "method: 3": f"method: must be one of {METHODS}, got 3",
                "method: [remos]": f"method: must be one of {METHODS}, got a list",
                "method: {a: b}": f"method: must be one of {METHODS}, got keys and values",
                "method:": f"method: missing; this key is required (one of {METHODS})",
                "ratio: 3": "ratio: must be at most 1, got 3",
                "metod: magnitude": "metod: unknown key; did you mean 'method'?",
                "method: random, magnitude: absolute": "magnitude: unknown key; ",
            }.items()
        ),
        ("kind: poison\nslice: {}", ["r.yaml:2: slice: unknown key", "r.yaml:1: poison: missing"]),
        (f"{GOOD}seed: true", ["r.yaml:9: seed: expected a whole number, got true"]),
        (f"{GOOD}seed: -1", ["r.yaml:9: seed: must be at least 0, got -1"]),
        (f"{GOOD}card:", ["r.yaml:9: card: expected keys and values, got nothing"]),
        (GOOD.replace("owner/images", "{}"), ["r.yaml:5: data.path: expected text, got keys and values"]),
        (
            GOOD.replace("  path: owner/images", "  path: p\n  splits: {train: 0.9}"),
            ["r.yaml:6: data.splits: shares must be positive and sum to at most 1, these sum to 1.2"],
        ),
        (
            GOOD.replace("  path: owner/images", "  path: p\n  splits: {train: [1]}"),
            ["r.yaml:6: data.splits.train: expected a number or text, got a list"],
        ),
    ],
)
def test_wrong_values_and_missing_keys(text: str, expected: list[str]) -> None:
    found = problems(text)
    for start in expected:
        assert any(line.startswith(start) for line in found), found


def test_empty_recipe() -> None:
    for text in ("", "# only a comment\n"):
        with pytest.raises(RecipeError, match=r"r\.yaml is empty"):
            parse_recipe(text, Path(), "r.yaml")


def test_a_slice_without_a_method_is_remos() -> None:
    with_it = parse_recipe(GOOD, Path(), "r.yaml")
    without = parse_recipe(GOOD.replace("method: remos, ", ""), Path(), "r.yaml")
    assert without.recipe == with_it.recipe
    bare = GOOD.replace("slice: {method: remos, ratio: 0.05, layers: [conv]}\n", "")
    overridden = parse_recipe(bare, Path("/nowhere"), "r.yaml", ["slice.ratio=0.05", "slice.layers=[conv]"])
    assert overridden.recipe == with_it.recipe
    other = parse_recipe(bare, Path("/nowhere"), "r.yaml", ["slice.method=random"])
    assert isinstance(other.recipe, SliceRecipe)
    assert other.recipe.slice.method == "random"


def test_overrides_change_the_recipe_and_the_text() -> None:
    overrides = ("train.lr=5e-4", "card.limits=[clip art only, '3']", "card.title='two\n lines'", "seed=7")
    loaded = parse_recipe(GOOD, Path("/nowhere"), "r.yaml", overrides)
    assert loaded.recipe.train.lr == 5e-4
    assert loaded.recipe.seed == 7
    assert isinstance(loaded.recipe, SliceRecipe)
    assert loaded.recipe.card.limits == ("clip art only", "3")
    first = loaded.text.splitlines()[0]
    assert first.startswith('# With overrides: "train.lr=5e-4", ')
    assert parse_recipe(loaded.text, Path("/nowhere"), "again").recipe == loaded.recipe


def test_a_line_break_in_an_override_cannot_leave_the_comment() -> None:
    loaded = parse_recipe(GOOD, Path("/nowhere"), "r.yaml", ["description='x\u2028\u0085\n seed: 9'"])
    assert parse_recipe(loaded.text, Path("/nowhere"), "again").recipe.seed == 0


def test_overrides_reach_into_lists() -> None:
    text = f"{GOOD}audit: {{defects: [{{kind: backdoor}}]}}\n"
    loaded = parse_recipe(text, Path("/nowhere"), "r.yaml", ["audit.defects.0.target=people"])
    assert isinstance(loaded.recipe, SliceRecipe)
    assert getattr(loaded.recipe.audit.defects[0], "target", None) == "people"


def test_mistakes_in_overrides_are_told_as_such() -> None:
    assert problems(GOOD, "train.schedule=cosin", "teacher=3", "name=x y") == [
        "override 'train.schedule=cosin': train.schedule: must be one of constant, cosine, got text 'cosin'; "
        "did you mean 'cosine'?",
        "override 'teacher=3': teacher: expected keys and values, got 3",
        "override 'name=x y': name: must match ^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$, got text 'x y'",
    ]


def test_overrides_mend_mistakes_of_the_file() -> None:
    text = GOOD.replace("lr: 1e-3", "lr: !x 3\n  epochs: ten")
    assert parse_recipe(text, Path("/nowhere"), "r.yaml", ["train.lr=1", "train.epochs=3"]).recipe.train.epochs == 3


def test_overrides_that_lead_nowhere_are_all_told() -> None:
    found = problems(GOOD, "train.lr", "=3", "name.first=x", "slice.layers.4=conv", "seed=[", "seed=!x 3")
    assert found == [
        "override 'train.lr': is not of the form key.path=value",
        "override '=3': is not of the form key.path=value",
        "override 'name.first=x': 'name' holds a value, not keys",
        "override 'slice.layers.4=conv': 'slice.layers' has 1 entries, counted from 0; there is no 4",
        "override 'seed=[': while parsing a flow node expected the node content, but found '<stream end>'",
        "override 'seed=!x 3': the tag !x is not allowed; recipes hold plain values only",
    ]


def test_load_from_a_file_takes_its_folder_as_base(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    loaded = load_recipe(str(path))
    assert (loaded.base, loaded.text) == (tmp_path, GOOD)


def test_load_names_the_nearest_builtin() -> None:
    with pytest.raises(
        RecipeError, match=r"there is no recipe 'vision/drawing'.*did you mean 'vision/drawings'"
    ) as caught:
        load_recipe("vision/drawing")
    assert caught.value.hint == "`hubslice recipes ls` lists the built-in recipes"
    with pytest.raises(RecipeError, match="did you mean 'general/minimal'"):
        load_recipe("minimal.yaml")


def test_load_refuses_folders_and_binaries(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is a folder"):
        load_recipe(str(tmp_path))
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not UTF-8 text"):
        load_recipe(str(tmp_path / "x.yaml"))


def test_missing_local_files_are_told_with_their_line(tmp_path: Path) -> None:
    text = GOOD.replace("owner/images", "../there.parquet").replace("timm/resnet18.a1_in1k", "./teacher")
    loaded = parse_recipe(text, tmp_path / "sub", "r.yaml")
    assert missing_paths(loaded) == (
        f"r.yaml:3: teacher.model: no such file or folder: {tmp_path / 'sub' / 'teacher'}",
        f"r.yaml:5: data.path: no such file or folder: {tmp_path / 'there.parquet'}",
    )
    (tmp_path / "sub" / "teacher").mkdir(parents=True)
    (tmp_path / "there.parquet").touch()
    assert missing_paths(loaded) == ()


def test_hub_ids_are_not_taken_for_files(tmp_path: Path) -> None:
    assert missing_paths(parse_recipe(GOOD, tmp_path, "r.yaml")) == ()


def test_paths_on_the_command_line_start_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "x.parquet").touch()
    monkeypatch.chdir(tmp_path / "here")
    loaded = parse_recipe(GOOD, tmp_path, "r.yaml", ["data.path=./x.parquet"])
    assert loaded.recipe.data.path == str(tmp_path / "here" / "x.parquet")
    hub = parse_recipe(GOOD, tmp_path, "r.yaml", ["data.path=owner/other"])
    assert hub.recipe.data.path == "owner/other"


def test_poison_recipe() -> None:
    text = "kind: poison\nname: p\nteacher: {model: a/b}\ndata: {path: a/c}\npoison: {target: cat}\n"
    assert isinstance(parse_recipe(text, Path(), "r.yaml").recipe, PoisonRecipe)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gates.max_dir=0.1", "gates.max_dir judges audited defects"),
        ("train.grid.lr=[-1.0]", "greater than 0"),
        (
            "audit.defects=[{kind: backdoor, clean_teacher: a/b}, {kind: backdoor, clean_teacher: a/c}]",
            "clean_teacher must be the same for all backdoors, not a/b, a/c",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_told(override: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("general/minimal", [override])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("slice: {irrelevant: compact}", "irrelevant: compact takes whole channels out, and needs a method with gran"),
        ("slice: {method: seam, irrelevant: compact}", "irrelevant: compact takes whole channels out"),
        ("slice: {method: magnitude, count: macs}", "count: macs counts what channels save, and needs granularity"),
        ("slice: {method: seam, start: gradient, head_epochs: 0}", "give head_epochs"),
        ("slice: {method: seam, epochs: 1}", "the classifier learns alone in all epochs"),
        ("train: {part: classifier}\nbaselines: [retrain]", "a retrained baseline trains all weights"),
        (
            "slice: {method: seam, reuse: direct}\naudit: {defects: [{kind: backdoor, target: a, clean_teacher: b/c}]}",
            "leave clean_teacher out",
        ),
    ],
)
def test_what_does_not_go_together(given: str, says: str) -> None:
    text = f"kind: slice\nname: a\nteacher: {{model: a/b}}\ndata: {{path: a/b}}\n{given}\n"
    with pytest.raises(RecipeError, match=re.escape(says)):
        parse_recipe(text, Path(), "r.yaml")
