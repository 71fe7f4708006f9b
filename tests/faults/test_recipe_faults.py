"""Bad recipes: every mistake is told with its line, and nothing is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubslice.hub.client import Client
from hubslice.recipe.paths import is_hub_id
from hubslice.run.run import open_run
from tests.fake_hub import HubServer
from tests.faults.conftest import Refused
from tests.images import write_parquet
from tests.terminal.conftest import Hubslice

GOOD = """\
kind: slice
name: student
teacher: {model: timm/resnet18.a1_in1k}
data: {path: owner/images}
train:
  lr: 1e-3
"""
TENFOLD = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
BOMB = "\n".join(["a0: &a0 [x]", *TENFOLD])


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


FAULTS = {
    "unknown key": (
        GOOD.replace("lr:", "leraning_rate:"),
        ("r.yaml:6: train.leraning_rate: unknown", "did you mean 'lr'?"),
    ),
    "key elsewhere": (GOOD + "epochs: 3\n", ("r.yaml:7: epochs: unknown key; did you mean 'train.epochs'?",)),
    "wrong type": (GOOD.replace("1e-3", "fast"), ("r.yaml:6: train.lr: expected a number, got text 'fast'",)),
    "nnslicer's ratio": (
        GOOD + "slice: {method: nnslicer, ratio: 1.5}\n",
        ("slice.ratio: must be at most 1, got 1.5",),
    ),
    "nnslicer's rule": (
        GOOD + "slice: {method: nnslicer, rule: fast, samples: 0}\n",
        ("slice.rule: must be one of threshold, released", "slice.samples: must be at least 1, got 0"),
    ),
    "compact weights": (
        GOOD + "slice: {method: nnslicer, irrelevant: compact}\n",
        ("irrelevant: compact takes whole channels out", "granularity: channel"),
    ),
    "kind missing": (
        GOOD.replace("kind: slice\n", ""),
        ("kind: missing; this key is required", "slice, poison"),
    ),
    "empty": ("", ("r.yaml is empty", "hubslice recipes show general/minimal")),
    "comment only": ("# later\n", ("r.yaml is empty",)),
    "a list": ("- slice\n", ("r.yaml:1: expected keys and values, got a list",)),
    "twice": (GOOD + "name: other\n", ("r.yaml:7: name: given twice; it is already there on line 2",)),
    "tab": (GOOD + "\tseed: 1\n", ("r.yaml:7: ", "indent with spaces, YAML takes no tabs")),
    "open bracket": (GOOD + "baselines: [finetune\n", ("the recipe is not valid YAML", "r.yaml:8: ")),
    "colon": (GOOD + "description: a: b\n", ("r.yaml:7: ", "put text that holds `: ` in quotes")),
    "python object": (
        GOOD + "description: !!python/object/apply:os.system [touch hacked]\n",
        ("r.yaml:7: description: the tag !!python/object/apply:os.system is not allowed",),
    ),
    "custom tag": (GOOD + "card: !mine {title: x}\n", ("r.yaml:7: card: the tag !mine is not allowed",)),
    "merge key": (GOOD.replace("  lr", "  <<: {lr: 1}\n  lr"), ("r.yaml:6: train: merge keys (<<) are not taken",)),
    "alias bomb": (BOMB, ("grows beyond 10,000 values when its aliases are written out", "counts with all")),
    "alias to itself": ("a: &a [*a]", ("grows beyond 32 levels",)),
    "deep": ("[" * 100_000, ("r.yaml is no recipe: nested too deeply",)),
    "deep blocks": ("- " * 100_000, ("r.yaml is no recipe: nested too deeply",)),
    "long": (f"name: {'x' * 300_000}", ("r.yaml is no recipe: longer than 256 KiB",)),
    "not UTF-8": (GOOD.encode("utf-16"), ("r.yaml is no recipe: not UTF-8 text", "save it as UTF-8")),
    "Latin-1": ("description: Bär\n".encode("latin-1"), ("not UTF-8 text",)),
    "binary": (bytes(range(128)) * 20, ("the recipe is not valid YAML", "r.yaml:1: character U+0000 is not allowed")),
    "escape sequence in a key": (GOOD + '"\\e[2J": 1\n', ("r.yaml:7: keys must be one line of at most 100 printable",)),
    "escape sequence in a value": (
        GOOD.replace("timm/resnet18.a1_in1k", '"\\e]0;x\\a"'),
        ("r.yaml:3: teacher.model: character U+001B is not allowed",),
    ),
    "contradiction": (
        GOOD + "gates: {max_dir: 0.1}\n",
        ("gates.max_dir judges audited defects, and audit.defects names none",),
    ),
    "a class twice": (
        GOOD.replace("images}", "images, classes: [cat, dog, cat]}"),
        ("r.yaml:4: data: classes names 'cat' twice",),
    ),
    "one class": (
        GOOD.replace("images}", "images, classes: [cat]}"),
        ("data: a task needs two classes or more", "add against_rest: true"),
    ),
    "the rest of nothing": (
        GOOD.replace("images}", "images, against_rest: true}"),
        ("data: against_rest needs classes",),
    ),
    "the rest is called rest": (
        GOOD.replace("images}", "images, classes: [rest], against_rest: true}"),
        ("data: against_rest calls all others 'rest', which is the name of the class itself",),
    ),
    "arguments of a given model": (
        GOOD.replace("a1_in1k}", "a1_in1k, arguments: {depth: 3}}"),
        ("r.yaml:3: teacher: arguments describe a model with weights: random",),
    ),
    "an argument that is no value": (
        GOOD.replace("a1_in1k}", "a1_in1k, weights: random, arguments: {depth: {a: 1}}}"),
        ("r.yaml:3: teacher.arguments.depth: expected", "got keys and values"),
    ),
    "defects of random weights": (
        GOOD.replace("a1_in1k}", "a1_in1k, weights: random}") + "audit: {defects: [{kind: penultimate}]}\n",
        ("audit.defects measures what a teacher passes on, and random weights hold nothing",),
    ),
    "a slice beside none": (
        GOOD + "slice: {method: none}\nbaselines: [magnitude]\n",
        ("baselines: magnitude slices as much as the student, and slice.method none slices nothing",),
    ),
    "from scratch twice": (
        GOOD.replace("a1_in1k}", "a1_in1k, weights: random}") + "slice: {method: none}\nbaselines: [retrain]\n",
        ("baselines: retrain starts from random weights, as this student does",),
    ),
    "a drop below itself": (
        GOOD + "slice: {method: none}\ngates: {max_accuracy_drop: 0.1}\n",
        ("gates.max_accuracy_drop compares with plain fine-tuning, which slice.method none is itself",),
    ),
    "a ratio of nothing": (GOOD + "slice: {method: none, ratio: 0.1}\n", ("slice.ratio: unknown key",)),
    "limits": (
        GOOD + "slice: {method: remos, ratio: 1.5}\nprofile: {samples: 0}\n",
        (
            "r.yaml has 2 mistakes",
            "slice.ratio: must be at most 1, got 1.5",
            "profile.samples: must be at least 1, got 0",
        ),
    ),
}


@pytest.mark.parametrize("command", ["validate", "slice"])
@pytest.mark.parametrize(("text", "says"), FAULTS.values(), ids=FAULTS)
def test_bad_recipes(job: Path, refused: Refused, command: str, text: str | bytes, says: tuple[str, ...]) -> None:
    (job / "r.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    told = refused(command, "r.yaml", code=2, says=says).stderr
    assert all(sign.isprintable() or sign == "\n" for sign in told)
    assert sorted(path.name for path in job.iterdir()) == ["r.yaml"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("vision/drawing", ("there is no recipe 'vision/drawing'", "did you mean 'vision/drawings'?", "recipes ls")),
        ("minimal.yaml", ("neither a file nor a built-in recipe", "did you mean 'general/minimal'?")),
        ("nothing-like-it.yaml", ("there is no recipe 'nothing-like-it.yaml'", "hubslice recipes ls")),
        ("folder", ("folder is a folder, not a recipe file", "name the YAML file inside it")),
        ("~nobody-here/recipe.yaml", ("there is no recipe '~nobody-here/recipe.yaml'",)),
    ],
)
@pytest.mark.parametrize("command", ["validate", "slice"])
def test_missing_recipes(job: Path, refused: Refused, command: str, name: str, says: tuple[str, ...]) -> None:
    (job / "folder").mkdir()
    refused(command, name, code=2, says=says)


def test_a_huge_file_is_not_read_whole(job: Path, refused: Refused) -> None:
    with (job / "r.yaml").open("wb") as file:
        file.truncate(2**40)  # 1 TiB without content
    refused("validate", "r.yaml", code=2, says=("r.yaml is no recipe: longer than 256 KiB",))


def test_missing_files_are_told_with_their_line(job: Path, refused: Refused) -> None:
    text = GOOD.replace("timm/resnet18.a1_in1k", "./teacher").replace("owner/images", "~nobody-here/there.parquet")
    (job / "r.yaml").write_text(text)
    says = ("r.yaml is well-formed, but files are missing", "r.yaml:3: teacher.model: no such file or folder")
    refused("validate", "r.yaml", code=2, says=(*says, "r.yaml:4: data.path: no such file", f"start from {job}"))
    says = ("there is no data at '~nobody-here/there.parquet'", "set data.path to a parquet file")
    refused("slice", "r.yaml", "--until", "data", code=2, says=says)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.lr", ("override 'train.lr': is not of the form key.path=value", "e.g. train.lr=0.01")),
        ("train.lr=fast", ("override 'train.lr=fast': train.lr: expected a number, got text 'fast'",)),
        ("train.rate=1", ("override 'train.rate=1': train.rate: unknown key",)),
        ("name.x=1", ("'name' holds a value, not keys",)),
        ("seed=!!python/object:x 1", ("the tag !!python/object:x is not allowed",)),
        ('card.title="\\e[31m"', ("character U+001B is not allowed",)),
    ],
)
@pytest.mark.parametrize("command", ["validate", "slice"])
def test_bad_overrides(job: Path, refused: Refused, command: str, override: str, says: tuple[str, ...]) -> None:
    (job / "r.yaml").write_text(GOOD)
    refused(command, "r.yaml", override, code=2, says=says)


def test_an_alias_that_stays_small_is_taken(job: Path, hubslice: Hubslice) -> None:
    (job / "r.yaml").write_text(GOOD + "slice: {method: remos, ratio: &r 0.2}\nprofile: {threshold: *r}\n")
    assert hubslice("validate", "r.yaml").code == 0


def test_names_of_classes_are_checked_before_any_training(job: Path, refused: Refused) -> None:
    write_parquet(job / "shapes.parquet", 30)
    (job / "r.yaml").write_text(
        GOOD.replace("owner/images", "shapes.parquet") + "audit: {defects: [{kind: backdoor, target: gren}]}\n"
    )
    says = ("the recipe names the class 'gren', which shapes.parquet does not have", "did you mean 'green'?")
    refused("slice", "r.yaml", "--until", "data", code=2, says=says)
    assert not (job / "runs/student/steps/data").exists()


def test_chosen_classes_are_checked_before_any_training(job: Path, refused: Refused) -> None:
    write_parquet(job / "shapes.parquet", 30)
    (job / "r.yaml").write_text(GOOD.replace("owner/images", "shapes.parquet, classes: [red, gren]"))
    says = ("data.classes names 'gren', which shapes.parquet does not have; did you mean 'green'?", "blue, green, red")
    refused("slice", "r.yaml", "--until", "data", code=2, says=says)
    assert not (job / "runs/student/steps/data").exists()


ANEW = {
    "no architecture": ("model=resnt18", ("timm has no architecture 'resnt18'; did you mean 'resnet18'?", "resnet18")),
    "trained weights": ("model=resnet18.a1_in1k", ("timm has no architecture", "trained weights come with weights")),
    "no model type": (
        "model=transformers:resnt",
        ("no image classifier of model type 'resnt'; did you mean 'resnet'?",),
    ),
    "no such argument": ("arguments={widht: 3}", ("test_resnet cannot be made with these arguments", "'widht'")),
    "files": ("arguments={checkpoint_path: x}", ("takes none that decides what is loaded", "widths and depths")),
    "pretrained": ("arguments={pretrained: true}", ("teacher.arguments gives 'pretrained'",)),
    "classes": ("arguments={num_classes: 3}", ("teacher.arguments gives 'num_classes', which the task decides",)),
    "too large": ("arguments={stem_width: 16000000}", ("test_resnet describes a model of more than", "free memory")),
    "absurd": ("arguments={stem_width: 16000000000}", ("test_resnet has stem_width: 16000000000, which no model",)),
}


@pytest.mark.parametrize("mode", ["--dry-run", "--quiet"])
@pytest.mark.parametrize(("override", "says"), ANEW.values(), ids=ANEW)
def test_models_that_cannot_be_made(
    job: Path, refused: Refused, mode: str, override: str, says: tuple[str, ...]
) -> None:
    write_parquet(job / "shapes.parquet", 30)
    model = "test_resnet, weights: random"
    (job / "r.yaml").write_text(
        GOOD.replace("timm/resnet18.a1_in1k", model).replace("owner/images", "shapes.parquet") + "slice: {method: none}"
    )
    refused("slice", "r.yaml", f"teacher.{override}", "--until", "pull", mode, code=2, says=says)
    assert not (job / "runs/student/steps/pull").exists()


POISON = """\
kind: poison
name: teacher
teacher: {model: timm/resnet18.a1_in1k}
data: {path: ./mine}
poison: {target: cat}
"""
PUBLISHED = {
    "an absolute path": (GOOD.replace("owner/images", "/etc/images"), "data.path: only Hub ids", "data.path=PATH"),
    "out of the folder": (GOOD.replace("owner/images", "../../mine"), "data.path: only Hub ids", "data.path=PATH"),
    "home": (GOOD.replace("owner/images", "~/mine"), "data.path: only Hub ids", "data.path=PATH"),
    "a file's address": (GOOD.replace("owner/images", "file:///etc/images"), "got file:///etc", "data.path=PATH"),
    "an address": (GOOD.replace("owner/images", "https://e.example/x.zip"), "got https://e.ex", "data.path=PATH"),
    "another file system": (GOOD.replace("owner/images", "hf://datasets/a/b"), "got hf://dat", "data.path=PATH"),
    "within an archive": (GOOD.replace("owner/images", "zip://a::/etc/x"), "data.path: only Hub", "data.path=PATH"),
    "a file of other places": (GOOD.replace("owner/images", "file:etc/x"), "data.path: only Hub", "data.path=PATH"),
    "a teacher's address": (
        GOOD.replace("timm/resnet18.a1_in1k", "file:///etc/model"),
        "teacher.model: only Hub ids",
        "teacher.model=PATH",
    ),
    "a table": (GOOD.replace("owner/images", "mine.parquet"), "data.path: only Hub ids", "data.path=PATH"),
    "what is called like a Hub id": (GOOD.replace("owner/images", "here/mine"), "got here/mine", "data.path=PATH"),
    "the teacher": (
        GOOD.replace("timm/resnet18.a1_in1k", "./here"),
        "teacher.model: only Hub ids",
        "teacher.model=PATH",
    ),
    "another's teacher": (
        GOOD + "audit: {defects: [{kind: backdoor, clean_teacher: ./here}]}\n",
        "audit.defects.0.clean_teacher: only Hub ids",
        "audit.defects.0.clean_teacher=PATH",
    ),
    "both": (
        GOOD.replace("owner/images", "./mine").replace("timm/resnet18.a1_in1k", "./here"),
        "teacher.model: only Hub ids",
        "give your own: teacher.model=PATH data.path=PATH",
    ),
    "data that are poisoned": (POISON, "data.path: only Hub ids", "data.path=PATH"),
}


@pytest.fixture
def published(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    client = Client(endpoint=hub.url, cache_dir=tmp_path / "cache")
    monkeypatch.setattr("hubslice.hub.default.connect", lambda: client)
    return hub


@pytest.mark.parametrize(("text", "says", "hint"), PUBLISHED.values(), ids=PUBLISHED)
def test_a_published_recipe_leads_to_no_file_here(
    text: str, says: str, hint: str, published: HubServer, job: Path, refused: Refused
) -> None:
    write_parquet(job / "here" / "mine" / "train.parquet", 12)
    published.seed("alice/student", {"recipe.yaml": text.encode()})
    refused("slice", "alice/student", "--dry-run", code=2, says=("names files or folders of a machine", says, hint))
    assert not (job / "runs").exists()


def test_what_the_user_puts_over_a_published_recipe_may_be_a_path(published: HubServer, job: Path) -> None:
    write_parquet(job / "mine" / "train.parquet", 12)
    published.seed("alice/student", {"recipe.yaml": GOOD.replace("owner/images", "/etc/images").encode()})
    recipe = open_run("alice/student", ("data.path=./mine",)).recipe
    assert (recipe.data.path, recipe.teacher.model) in {("./mine", "timm/resnet18.a1_in1k")}


@pytest.mark.parametrize("name", ["owner/name", "owner/name@v1", "owner/name@refs/pr/1", "mnist", "a-b/c.d_e"])
def test_hub_ids_are_no_paths(name: str) -> None:
    assert is_hub_id(name)
