"""What `hubslice diff` refuses or survives: told with the cause, and what was found is not lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

import hubslice as package
from hubslice.artefacts.deviation import Deviations
from tests.deviation.graphs import ALIKE, GREENER, SIDE, mixed, write_graph
from tests.faults.conftest import Refused


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Graphs that fit together and such that do not, and seeds good and bad; made once and copied."""
    place = tmp_path_factory.mktemp("diff")
    write_graph(place / "a.onnx")
    write_graph(place / "b.onnx", GREENER)
    write_graph(place / "large.onnx", side=2 * SIDE)
    write_graph(place / "grey.onnx", ALIKE[:, :1])
    write_graph(place / "french.onnx", GREENER, labels=("rouge", "vert", "bleu"))
    write_graph(place / "two.onnx", GREENER[:2], labels=("red", "vert"))
    write_graph(place / "nan.onnx", GREENER, fault="nan")
    write_graph(place / "crash.onnx", GREENER, fault="crash")
    write_graph(place / "broken.onnx", np.full_like(ALIKE, np.nan))
    write_graph(place / "mute.onnx", described=False)
    write_graph(place / "short.onnx", GREENER[:2], described=False)
    (place / "cut.onnx").write_bytes((place / "a.onnx").read_bytes()[:100])
    images = mixed(12, seed=2)
    np.save(place / "in.npy", images)
    light = images.copy()
    light[6:, 0] = np.clip(light[6:, 0], 0.77, 0.78)  # mutants may become so light that the faulty graphs fail
    np.save(place / "light.npy", light)
    (place / "graphs").mkdir()
    write_graph(place / "graphs/model.onnx")
    (place / "empty").mkdir()
    (place / "photos").mkdir()
    for at, image in enumerate(images[:3]):
        Image.fromarray((image.transpose(1, 2, 0) * 255).astype(np.uint8)).save(place / f"photos/{at}.png")
    damaged = place / "photos/2.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    (place / "map.json").write_text(json.dumps({"rouge": "red", "vert": "grene"}))
    (place / "list.json").write_text("[1, 2]")
    (place / "torn.json").write_text("{")
    (place / "busy").mkdir()
    (place / "busy/thesis.tex").write_text("years of work")
    return place


SEEDS = ("-i", "in.npy")
FAULTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "budget of zero": (
        ("a.onnx", "b.onnx", *SEEDS, "--budget", "0"),
        ("with a budget of 0 the models are asked nothing", "--budget 2000"),
    ),
    "negative budget": (("a.onnx", "b.onnx", *SEEDS, "--budget", "-3"), ("--budget -3", "greater than or equal to 1")),
    "a bound below one level": (
        ("a.onnx", "b.onnx", *SEEDS, "--max-linf", "0.003"),
        ("max_linf 0.003 is less than one level of 8 bits",),
    ),
    "a bound in words": (("a.onnx", "b.onnx", *SEEDS, "--max-linf", "wee"), ("'wee' is no size", "16/255")),
    "a bound in levels": (
        ("a.onnx", "b.onnx", *SEEDS, "--max-linf", "16"),
        ("--max-linf 16", "less than or equal to 1"),
    ),
    "likeness of one": (("a.onnx", "b.onnx", *SEEDS, "--min-ssim", "1"), ("--min-ssim 1", "less than 1")),
    "other labels": (
        ("a.onnx", "french.onnx", *SEEDS),
        (
            "a.onnx has 3 labels and french.onnx 3, not the same ones",
            "only a.onnx has red, green, blue; only french.onnx has rouge, vert, bleu",
            "--map common",
            "--map order",
            "--map FILE",
        ),
    ),
    "no labels in common": (
        ("a.onnx", "french.onnx", *SEEDS, "--map", "common"),
        ("a.onnx and french.onnx have 0 labels in common", "--map FILE"),
    ),
    "one label in common": (("a.onnx", "two.onnx", *SEEDS, "--map", "common"), ("have 1 labels in common",)),
    "in order, but more": (
        ("a.onnx", "two.onnx", *SEEDS, "--map", "order"),
        ("a.onnx has 3 labels and two.onnx 2: they cannot be compared in order",),
    ),
    "a map of unknown labels": (
        ("a.onnx", "french.onnx", *SEEDS, "--map", "map.json"),
        ("names 'grene', and a.onnx has no such label; did you mean 'green'?", "{label of the second model"),
    ),
    "a map that is a list": (
        ("a.onnx", "french.onnx", *SEEDS, "--map", "list.json"),
        ("list.json is no table of labels", "it is JSON"),
    ),
    "a torn map": (("a.onnx", "french.onnx", *SEEDS, "--map", "torn.json"), ("torn.json cannot be read as a map",)),
    "no map": (("a.onnx", "french.onnx", *SEEDS, "--map", "nowhere.json"), ("no map of labels at nowhere.json",)),
    "other input sizes": (
        ("a.onnx", "large.onnx", *SEEDS),
        ("a.onnx takes images of 3 x 16 x 16, large.onnx of 3 x 32 x 32", "--resize", "--input-size"),
    ),
    "other channels": (
        ("a.onnx", "grey.onnx", *SEEDS, "--resize"),
        ("grey.onnx of 1 x 16 x 16: another number of channels",),
    ),
    "nobody says how": (
        ("mute.onnx", "mute.onnx", *SEEDS),
        ("neither mute.onnx nor mute.onnx says how images are prepared", "hubslice convert"),
    ),
    "fewer outputs than labels": (
        ("a.onnx", "short.onnx", *SEEDS),
        ("short.onnx gives [8, 2] for 8 images, but has 3 labels",),
    ),
    "NaN from the start": (
        ("a.onnx", "broken.onnx", *SEEDS),
        ("broken.onnx gives values that are not finite numbers (NaN or infinity)", "make it again"),
    ),
    "a cut graph": (("a.onnx", "cut.onnx", *SEEDS), ("cut.onnx cannot be opened by ONNX Runtime", "damaged")),
    "no such model": (("a.onnx", "c.onnx", *SEEDS), ("c.onnx is neither a local model nor a Hub id",)),
    "the folder of a graph": (
        ("a.onnx", "./graphs", *SEEDS),
        ("graphs: a folder with neither config.json nor student/; name its graph, model.onnx",),
    ),
    "no seeds": (("a.onnx", "b.onnx", "-i", "empty"), ("empty holds no images",)),
    "nothing there": (("a.onnx", "b.onnx", "-i", "nowhere.npy"), ("there is nothing at nowhere.npy",)),
    "a damaged image": (("a.onnx", "b.onnx", "-i", "photos"), ("photos/2.png cannot be read", "take it away")),
    "somebody's folder": (
        ("a.onnx", "b.onnx", *SEEDS, "--out", "busy"),
        ("busy holds thesis.tex", "nothing there is replaced", "--out"),
    ),
}


@pytest.mark.parametrize(("arguments", "says"), FAULTS.values(), ids=FAULTS)
def test_what_is_refused(place: Path, refused: Refused, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:
    before = sorted(place.rglob("*"))
    refused("diff", *arguments, code=2, says=says)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("graph", "says"),
    [("nan.onnx", "gives values that are not finite"), ("crash.onnx", "crash.onnx failed on images of 3 x 16 x 16")],
)
def test_a_model_that_fails_midway(place: Path, refused: Refused, graph: str, says: str) -> None:
    """What was found is in the folder, and true; the same command goes on with the rest."""
    search = ("diff", "a.onnx", graph, "-i", "light.npy", "--budget", "90", "--batch", "2", "--out", "found")
    search += ("--max-linf", "32/255")
    refused(
        *search, code=2, says=(says, "of 12 seeds were done, with", "they are kept in found", "same command goes on")
    )
    facts = Deviations.load(place / "found/deviations.json")
    assert facts.stopped is not None
    assert says in facts.stopped
    assert 0 < len(facts.results) < 12 == facts.seeds
    stored = load_file(place / "found/triggers.safetensors")
    assert len(stored["triggers"]) == facts.found.hits > 0
    assert (stored["a"].argmax(1) != stored["b"].argmax(1)).all()
    kept = {path.name: path.read_bytes() for path in place.glob(".found.unfinished/*.safetensors")}
    assert len(kept) == len(facts.results)
    refused(*search, code=2, says=(f"{len(facts.results)} of 12 seeds were done",))
    assert {path.name: path.read_bytes() for path in place.glob(".found.unfinished/*.safetensors")} == kept


def test_a_search_under_way_is_not_disturbed(place: Path, refused: Refused) -> None:
    from hubslice.engine.folder_lock import alone_in

    (place / ".o.unfinished").mkdir()
    with alone_in(place / ".o.unfinished"):
        refused("diff", "a.onnx", "b.onnx", *SEEDS, "--out", "o", code=2, says=(".o.unfinished is in use by process",))
    assert not (place / "o").exists()


def test_a_result_is_replaced_whole(place: Path, refused: Refused) -> None:
    """A search that finds its second model broken leaves the result of an earlier one as it was."""
    package.diff("a.onnx", "b.onnx", "in.npy", budget=5, out=Path("o"))
    before = {path.name: path.read_bytes() for path in (place / "o").iterdir()}
    refused("diff", "a.onnx", "broken.onnx", *SEEDS, "--out", "o", code=2, says=("not finite",))
    assert {path.name: path.read_bytes() for path in (place / "o").iterdir()} == before


RECIPE = "kind: slice\nname: quick\nteacher: {model: ./teacher}\ndata: {path: ./shapes.parquet}\n"
IN_RECIPES = {
    "gate without a search": (
        "gates: {max_deviation_rate: 0.1}",
        "gates.max_deviation_rate judges what diff finds, and the recipe has no diff section",
    ),
    "budget of zero": ("diff: {budget: 0}", "diff.budget"),
    "a bound below one level": ("diff: {max_linf: 0.001}", "max_linf 0.001 is less than one level of 8 bits"),
    "a word mistyped": ("diff: {budgte: 10}", "budget"),
    "nothing sliced": (
        "diff: {}\nslice: {method: none}",
        "diff compares with plain fine-tuning, which slice.method none is itself",
    ),
}


@pytest.mark.parametrize(("line", "says"), IN_RECIPES.values(), ids=IN_RECIPES)
def test_recipes_that_cannot_be_searched(tmp_path: Path, refused: Refused, line: str, says: str) -> None:
    (tmp_path / "recipe.yaml").write_text(f"{RECIPE}{line}\n")
    refused("validate", str(tmp_path / "recipe.yaml"), code=2, says=(says,))
