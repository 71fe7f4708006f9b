"""What `hubslice lineage` refuses or does without: told with the cause, and nothing is written or lost."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import save

from hubslice.ancestry.index import KIND, load_index
from hubslice.artefacts.delta import write_delta
from hubslice.artefacts.model import FileFact
from hubslice.artefacts.sealed import read_sealed, write_sealed
from hubslice.artefacts.tensor_parts import Tensors
from hubslice.hub.client import Client
from hubslice.hub.restore import teacher_tensors
from hubslice.pipeline.lineage import open_model
from tests.cli.conftest import Hubslice
from tests.detection.small import clean, write_model
from tests.faults.conftest import Refused
from tests.hub import Fault, HubServer, User, on
from tests.lineage.small import nameless, tuned, weights, write

TOKENS = {"hf_alice": User("alice")}
WIDE = (3, 64, 128, 256)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parent, its child, damaged and strange things; made once and copied."""
    place = tmp_path_factory.mktemp("lineage")
    write(place / "parent", weights(0))
    write(place / "child", nameless(tuned(weights(0), 1), 2))
    write(place / "alien", {"m": np.random.default_rng(0).normal(size=(60, 70)).astype(np.float32)})
    write(place / "vectors", {"bias": np.ones(300, np.float32)})
    write(place / "cut", weights(0))
    weights_file = place / "cut/model.safetensors"
    weights_file.write_bytes(weights_file.read_bytes()[:-40])
    (place / "pickled").mkdir()
    (place / "pickled/config.json").write_text("{}")
    (place / "pickled/pytorch_model.bin").write_bytes(b"\x80\x02")
    (place / "empty").mkdir()
    (place / "busy").mkdir()
    (place / "busy/thesis.tex").write_text("years of work")
    (place / "text.safetensors").write_bytes(b"no index")
    (place / "text.onnx").write_bytes(b"no graph")
    elsewhere = onnx.numpy_helper.from_array(np.ones((8, 16), np.float32), "w")
    onnx.external_data_helper.set_external_data(elsewhere, "gone.bin")
    elsewhere.ClearField("raw_data")
    graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "split", [], [], [elsewhere])
    (place / "split.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "place"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub", TOKENS) as server:
        client = Client(endpoint=server.url, cache_dir=tmp_path / "cache")
        monkeypatch.setattr("hubslice.hub.tensors.Client", lambda: client)
        monkeypatch.setattr("hubslice.pipeline.fingerprints.Client", lambda: client)
        monkeypatch.setattr("hubslice.hub.session._PATIENCE", (0.0, 0.0))
        server.seed("lab/parent", write(tmp_path / "seed", weights(0)))
        server.seed("lab/wide", write(tmp_path / "wide", weights(0, WIDE)))
        server.seed("lab/gated", tmp_path / "seed")
        with server.store.edit("models", "lab/gated") as repo:
            repo.gated = "manual"
        yield server


AGAIN = "make it again with `hubslice lineage index MODEL ... --out FILE`"
FAULTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "nothing to compare with": (
        ("child",),
        ("give either candidates or an index of them", "--candidates MODEL ..., or --index FILE"),
    ),
    "candidates and an index": (
        ("child", "--candidates", "parent", "--index", "text.safetensors"),
        ("give either candidates or an index of them",),
    ),
    "no such model": (("nobody", "--candidates", "parent"), ("nobody is neither a local model nor a Hub id",)),
    "no such candidate": (("child", "--candidates", "./nobody"), ("./nobody is neither a local model",)),
    "a folder without models": (
        ("child", "--candidates", "empty"),
        ("empty holds no models", "name a model, or a folder whose folders are models"),
    ),
    "no model before the candidates": (
        ("--candidates", "parent", "child"),
        ("no MODEL is named", "it comes first: hubslice lineage MODEL --candidates ID ..."),
    ),
    "no candidate but the model": (
        ("child", "--candidates", "./child"),
        ("./child is the model itself", "name models that it could come from"),
    ),
    "a damaged model": (("cut", "--candidates", "parent"), ("damaged or not safetensors", "save or download")),
    "a damaged candidate alone": (("child", "--candidates", "cut"), ("damaged or not safetensors",)),
    "a damaged graph": (
        ("text.onnx", "--candidates", "parent"),
        ("text.onnx is damaged or not ONNX", "convert or export it again"),
    ),
    "a graph whose weights lie elsewhere": (
        ("split.onnx", "--candidates", "parent"),
        ("the weights of split.onnx cannot be read", "gone.bin", "export or convert it again"),
    ),
    "a pickled candidate alone": (("child", "--candidates", "pickled"), ("has its weights only as pickle",)),
    "somebody's folder": (
        ("child", "--candidates", "parent", "--out", "busy"),
        ("busy holds thesis.tex", "nothing there is replaced", "--out"),
    ),
    "no index": (("child", "--index", "nowhere.safetensors"), ("cannot be read as a fingerprint index", AGAIN)),
    "text as index": (("child", "--index", "text.safetensors"), ("cannot be read as a fingerprint index", AGAIN)),
    "weights as index": (
        ("child", "--index", "parent/model.safetensors"),
        ("is a safetensors file but not a fingerprint index of this version", AGAIN),
    ),
    "exposure without a teacher": (
        ("child", "--exposure", "--data", "text.safetensors"),
        (
            "no teacher is named, and child is not a run that holds its own",
            "hubslice lineage MODEL --exposure --teacher TEACHER --data PICTURES",
        ),
    ),
    "exposure without pictures": (
        ("child", "--exposure", "--teacher", "parent"),
        (
            "--exposure takes a teacher and pictures",
            "hubslice lineage MODEL --exposure --teacher TEACHER --data PICTURES",
        ),
    ),
    "a device where no model runs": (
        ("child", "--candidates", "parent", "--device", "cpu"),
        ("--input-size and --device belong to --exposure and --execution; otherwise no model runs",),
    ),
    "a size where no model runs": (
        ("child", "--index", "text.safetensors", "--input-size", "64"),
        ("--input-size and --device belong to --exposure and --execution; otherwise no model runs",),
    ),
    "a teacher without exposure": (
        ("child", "--teacher", "parent", "--candidates", "parent"),
        ("--teacher and --data belong to --exposure",),
    ),
    "an index of a model without layers": (
        ("index", "vectors", "--out", "new.safetensors"),
        ("vectors has no layer that could be compared", "leave it out"),
    ),
    "an index over a folder": (
        ("index", "parent", "--out", "busy"),
        ("busy is a folder; a fingerprint index is a file", "name one with --out"),
    ),
    "an index over a model's weights": (
        ("index", "parent", "--out", "child/model.safetensors"),
        ("child/model.safetensors is there and is not a fingerprint index; it is not replaced", "choose another file"),
    ),
    "an index over a text": (
        ("index", "parent", "--out", "busy/thesis.tex"),
        ("busy/thesis.tex is there and is not a fingerprint index",),
    ),
    "patterns over a model's weights": (
        ("patterns", "parent", "--out", "child/model.safetensors"),
        ("child/model.safetensors is there and is not a pattern store; it is not replaced", "choose another file"),
    ),
}


def held(place: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in place.rglob("*")}


@pytest.mark.parametrize(("arguments", "says"), FAULTS.values(), ids=FAULTS)
def test_what_is_refused(place: Path, refused: Refused, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:
    before = held(place)
    refused("lineage", *arguments, code=2, says=says)
    assert held(place) == before


def test_no_common_layer_is_a_verdict_and_no_error(place: Path, hubslice: Hubslice) -> None:
    done = hubslice("lineage", "child", "--candidates", "alien", "vectors", "--json", "--out", "told")
    assert (done.code, done.stderr) == (0, "")
    found = json.loads(done.stdout)["candidates"]
    assert [(each["verdict"], each["score"], each["layers"]) for each in found] == [("not comparable", None, [])] * 2
    assert json.loads((place / "told/lineage.json").read_text())["candidates"] == found
    shown = hubslice("lineage", "child", "--candidates", "alien")
    assert "alien\tnot comparable" in shown.stdout


def test_an_index_of_another_version(place: Path, hubslice: Hubslice, refused: Refused) -> None:
    """It is not searched, nor added to, but may be replaced."""
    path = place / "old.safetensors"
    write_sealed(path, KIND, {"version": 0, "models": [], "shapes": []}, {"values": np.zeros(3, np.int8)})
    kept = path.read_bytes()
    says = ("old.safetensors holds fingerprints of version 0; this hubslice reads version 2", AGAIN)
    refused("lineage", "child", "--index", "old.safetensors", code=2, says=says)
    refused("lineage", "index", "child", "--add", "--out", "old.safetensors", code=2, says=says)
    assert path.read_bytes() == kept
    assert hubslice("lineage", "index", "child", "--out", "old.safetensors").code == 0
    assert [each.model for each in load_index(path)] == ["child"]


def test_a_bent_index(place: Path, hubslice: Hubslice, refused: Refused) -> None:
    assert hubslice("lineage", "index", "parent", "--out", "index.safetensors").code == 0
    data = bytearray((place / "index.safetensors").read_bytes())
    data[-40] ^= 1
    (place / "index.safetensors").write_bytes(data)
    says = ("its content is not that of its checksum", AGAIN)
    refused("lineage", "child", "--index", "index.safetensors", code=2, says=says)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("lab/gone", ("there is no public repository lab/gone", "check the spelling")),
        ("lab/gated", ("lab/gated is gated and this login is not on its list", "accept the conditions at")),
    ],
)
def test_a_candidate_that_the_hub_does_not_give(
    place: Path, hub: HubServer, hubslice: Hubslice, refused: Refused, name: str, says: tuple[str, ...]
) -> None:
    """Alone it is an error; among others it is left out and named."""
    refused("lineage", "child", "--candidates", name, code=3, says=says)
    done = hubslice("lineage", "child", "--candidates", name, "cut", "lab/parent", "--out", "told")
    assert done.code == 0
    told = " ".join(done.stderr.split())
    assert f"warning: {name} was left out: " in told
    assert says[0] in told
    assert "warning: cut was left out: " in told
    assert "lab/parent\tdescendant" in done.stdout
    assert set(json.loads((place / "told/lineage.json").read_text())["skipped"]) == {name, "cut"}


def test_a_broken_difference_among_candidates(student: Path, hubslice: Hubslice) -> None:
    """And so is a file that is no difference at all; what is mistyped here ends the command before any work."""
    bend(student / "delta.safetensors")
    shutil.copytree(student, "other")
    Path("other/delta.safetensors").write_bytes(b"nothing of the kind")
    done = hubslice("lineage", "child", "--candidates", "./student", "other", "lab/parent", "--json")
    assert done.code == 0
    assert "./student was left out" in done.stderr
    assert "other was left out" in done.stderr
    told = json.loads(done.stdout)
    assert [each["candidate"] for each in told["candidates"]] == ["lab/parent"]
    assert "its content is not that of its checksum" in told["skipped"]["./student"]


def test_what_is_mistyped_here_ends_the_command_before_any_work(place: Path, hub: HubServer, refused: Refused) -> None:
    says = ("./typo is neither a local model nor a Hub id", "does not exist")
    refused("lineage", "lab/wide", "--candidates", "lab/parent", "./typo", code=2, says=says)
    refused("lineage", "index", "lab/parent", "./typo", "--out", "index.safetensors", code=2, says=says)
    assert hub.log == []


def test_a_server_without_ranges_is_read_whole(place: Path, hub: HubServer, hubslice: Hubslice, tmp_path: Path) -> None:
    write(place / "wide", nameless(tuned(weights(0, WIDE), 1), 2))

    def ignore(request: object) -> bool:
        headers = request.headers  # type: ignore[attr-defined]
        for name in [name for name in headers if name.lower() == "range"]:
            del headers[name]
        return False

    (part,) = json.loads(hubslice("lineage", "wide", "--candidates", "lab/wide", "--json").stdout)["candidates"]
    hub.faults.append(Fault(ignore))
    (whole,) = json.loads(hubslice("lineage", "wide", "--candidates", "lab/wide", "--json").stdout)["candidates"]
    assert part["bytes_read"] < part["bytes_whole"] / 2 < whole["bytes_read"]
    assert (whole["verdict"], whole["score"]) == (part["verdict"], part["score"]) == ("descendant", part["score"])
    assert len(list((tmp_path / "cache").rglob("model.safetensors"))) == 1


def test_a_connection_that_breaks(place: Path, hub: HubServer, refused: Refused) -> None:
    hub.faults.append(Fault(lambda request: "safetensors" in request.path, status=500, times=None))
    before = sorted(place.rglob("*"))
    says = ("cannot read the header of model.safetensors of lab/parent", "the Hub is out of order")
    refused("lineage", "child", "--candidates", "lab/parent", "--out", "told", code=3, says=says)
    assert sorted(place.rglob("*")) == before


def test_a_server_that_gives_other_bytes(place: Path, hub: HubServer, refused: Refused) -> None:
    """Taken for those asked for they would make a parent a stranger."""
    told = {"Content-Range": "bytes 4096-104095/*"}
    hub.faults.append(Fault(lambda request: "safetensors" in request.path, headers=told, times=None))
    before = sorted(place.rglob("*"))
    says = (
        "asked for the bytes from 0 of model.safetensors of lab/parent",
        "the server gives others, which it calls 'bytes 4096-104095/*'",
        "run it again",
    )
    refused("lineage", "child", "--candidates", "lab/parent", "--out", "told", code=3, says=says)
    assert sorted(place.rglob("*")) == before


@pytest.fixture
def student(place: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a difference to lab/parent, and a Hub that all commands ask."""
    monkeypatch.setenv("HUBSLICE_CACHE", str(tmp_path / "made"))
    client = Client(endpoint=hub.url, cache_dir=tmp_path / "cache")
    monkeypatch.setattr("hubslice.hub.pull.Client", lambda: client)
    teacher = place / "parent"
    pinned = (_fact(teacher / "model.safetensors"),)
    content = save(tuned(weights(0), 1, classes=10))
    folder = place / "student"
    folder.mkdir()
    (folder / "config.json").write_text('{"architecture": "hubslice_vgg"}')
    whole = FileFact(path="model.safetensors", size=len(content), sha256=hashlib.sha256(content).hexdigest())
    commit = hub.commits("lab/parent")[0].oid
    get = teacher_tensors(teacher, pinned)
    write_delta(folder / "delta.safetensors", content, whole, get, model="lab/parent", commit=commit, files=pinned)
    return folder


def bend(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)


def _fact(path: Path) -> FileFact:
    data = path.read_bytes()
    return FileFact(path=path.name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def test_a_difference_is_a_model_like_any_other(student: Path, hubslice: Hubslice) -> None:
    done = hubslice("lineage", "./student", "--candidates", "lab/parent", "--quiet")
    assert (done.code, done.stdout) == (0, "lab/parent\n"), done.stderr


def test_a_corrupt_difference(student: Path, refused: Refused, tmp_path: Path) -> None:
    bend(student / "delta.safetensors")
    says = (
        "delta.safetensors cannot be read as a delta: its content is not that of its checksum",
        "fetch the file again",
    )
    refused("lineage", "./student", "--candidates", "lab/parent", code=2, says=says)
    refused("pull", "./student", "--out", "pulled", code=2, says=says)
    assert not list((tmp_path / "made").rglob("*.safetensors"))


def test_a_well_sealed_difference_of_what_cannot_be_decompressed(
    student: Path, refused: Refused, tmp_path: Path
) -> None:
    about, streams = read_sealed(student / "delta.safetensors", "delta", lambda about, streams: (about, streams))
    bent = {name: stream.copy() for name, stream in streams.items()}
    part = next(name for name, stream in bent.items() if name != "header" and stream[0] == 1)
    bent[part][3:] ^= 255
    write_sealed(student / "delta.safetensors", "delta", about, bent)
    says = ("delta.safetensors cannot be put together: ", "a part cannot be decompressed", "fetch the file again")
    refused("lineage", "./student", "--candidates", "lab/parent", code=2, says=says)
    refused("pull", "./student", "--out", "pulled", code=2, says=says)
    assert not list((tmp_path / "made").rglob("*.safetensors"))


def test_a_difference_whose_teacher_changed(student: Path, hub: HubServer, refused: Refused, tmp_path: Path) -> None:
    """The commit that is pinned now gives other weights: refused by checksum, whatever the Hub says."""
    about, streams = read_sealed(student / "delta.safetensors", "delta", lambda about, streams: (about, streams))
    about["facts"]["files"][0]["sha256"] = "0" * 64
    write_sealed(student / "delta.safetensors", "delta", about, streams)
    says = (
        "the teacher lab/parent@",
        "has changed: model.safetensors now has sha256",
        "ask the publisher for the weights themselves",
    )
    refused("pull", "./student", "--out", "pulled", code=3, says=says)
    assert not list((tmp_path / "made").rglob("*.safetensors"))


def test_a_difference_whose_teacher_is_gone(student: Path, hub: HubServer, refused: Refused) -> None:
    hub.faults.append(Fault(lambda request: "lab/parent" in request.path, status=404, times=None))
    says = ("the model is a difference to its teacher lab/parent@", "without that there are no weights")
    refused("pull", "./student", "--out", "pulled", code=3, says=says)


def test_only_a_run_is_pushed_as_a_difference(place: Path, refused: Refused) -> None:
    says = ("parent is not a run; only a run knows which teacher", "leave out --delta, or name a run folder")
    refused("push", "parent", "alice/student", "--delta", code=2, says=says)


def test_exposure_to_somebody_elses_teacher(place: Path, refused: Refused) -> None:
    write_model(place / "small")
    np.save(place / "clean.npy", clean(4))
    before = sorted(place.rglob("*"))
    says = ("small has no layer whose name and shape alien has, too", "name its teacher")
    arguments = ("small", "--exposure", "--teacher", "alien", "--data", "clean.npy", "--out", "told")
    refused("lineage", *arguments, code=2, says=says)
    alone = ("small", "--exposure", "--teacher", "alien/model.safetensors", "--data", "clean.npy")
    says = ("small has no layer whose name and shape", "its names are those in its file: a file does not say how")
    refused("lineage", *alone, code=2, says=says)
    refused("lineage", *arguments[:-3], "nowhere.npy", code=2, says=("there is nothing at nowhere.npy",))
    assert sorted(place.rglob("*")) == before


RECIPE = "kind: slice\nname: quick\nteacher: {model: ./teacher}\ndata: {path: ./shapes.parquet}\n"
IN_RECIPES = {
    "a gate without a measurement": (
        "gates: {max_exposure: 0.5}",
        "gates.max_exposure judges what exposure measures, and the recipe has no such section",
    ),
    "a goal of nothing": ("exposure: {goal: 0}", "exposure.goal"),
    "no pictures": ("exposure: {samples: 0}", "exposure.samples"),
    "a word mistyped": ("exposure: {sample: 3}", "sample"),
}


@pytest.mark.parametrize(("line", "says"), IN_RECIPES.values(), ids=IN_RECIPES)
def test_recipes_whose_exposure_cannot_be_measured(tmp_path: Path, refused: Refused, line: str, says: str) -> None:
    (tmp_path / "recipe.yaml").write_text(f"{RECIPE}{line}\n")
    refused("validate", str(tmp_path / "recipe.yaml"), code=2, says=(says,))


def test_random_weights_are_nobodys_teacher(tmp_path: Path, refused: Refused) -> None:
    scratch = RECIPE.replace("{model: ./teacher}", "{model: resnet18, weights: random}")
    (tmp_path / "recipe.yaml").write_text(f"{scratch}exposure: {{}}\n")
    says = ("exposure measures what a teacher gives away, and random weights are nobody's teacher",)
    refused("validate", str(tmp_path / "recipe.yaml"), code=2, says=says)


MANY = tuple(f"lab/m{number}" for number in range(5))
INDEX = ("lineage", "index", *MANY, "--out", "index.safetensors")


@pytest.fixture
def many(place: Path, hub: HubServer, hubslice: Hubslice, tmp_path: Path) -> HubServer:
    """Five models on the Hub, and an index of another one where theirs shall be."""
    for number, name in enumerate(MANY):
        hub.seed(name, write(tmp_path / name, weights(number)))
    assert hubslice("lineage", "index", "parent", "--out", "index.safetensors").code == 0
    hub.log.clear()
    return hub


def asked(hub: HubServer) -> dict[str, int]:
    """How often each model was asked for, beyond what its branch means."""
    return {name: sum(f"/{name}/" in line and "/resolve/" in line for line in hub.log) for name in MANY}


def breaks_off(many: HubServer, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    many.faults.append(Fault(on("*", "lab/m[234]"), status=502, times=None))
    says = ("the Hub failed for 3 models in a row", "out of order (HTTP 502", "give the same command again: it goes on")
    refused(*INDEX, code=3, says=says)
    refused("lineage", "child", "--candidates", "parent", *MANY[2:], code=3, says=says[:2])
    many.faults.clear()


def test_failures_here_and_there_are_left_out(many: HubServer, hubslice: Hubslice) -> None:
    many.faults += [
        Fault(on("*", "lab/m[024]"), status=502, times=None),
        Fault(on("*", "lab/m[13]"), status=403, times=None),
    ]
    done = hubslice("lineage", "child", "--candidates", "parent", *MANY, "--json")
    assert done.code == 0, done.stderr
    assert list(json.loads(done.stdout)["skipped"]) == list(MANY)


def is_interrupted(many: HubServer, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(name: str) -> Tensors:
        if name == MANY[2]:
            raise KeyboardInterrupt
        return open_model(name)

    monkeypatch.setattr("hubslice.pipeline.fingerprints.open_model", opened)
    refused(*INDEX, code=130, says=("interrupted", "it goes on where it stopped"))
    monkeypatch.setattr("hubslice.pipeline.fingerprints.open_model", open_model)


@pytest.mark.parametrize("stops", [breaks_off, is_interrupted])
def test_an_index_goes_on_where_it_stopped(
    place: Path,
    many: HubServer,
    hubslice: Hubslice,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    stops: Callable[[HubServer, Refused, pytest.MonkeyPatch], None],
) -> None:
    old = (place / "index.safetensors").read_bytes()
    stops(many, refused, monkeypatch)
    assert (place / "index.safetensors").read_bytes() == old
    assert all(asked(many)[name] for name in MANY[:2])
    many.log.clear()
    done = hubslice(*INDEX, "--json")
    assert json.loads(done.stdout)["models"] == list(MANY)
    assert [count > 0 for count in asked(many).values()] == [False, False, True, True, True]
    assert not list(place.glob(".*"))
    many.log.clear()
    assert hubslice(*INDEX).code == 0
    assert set(asked(many).values()) == {0}


def test_an_index_that_one_model_could_not_be_reached_for(
    place: Path, many: HubServer, hubslice: Hubslice, refused: Refused
) -> None:
    old = (place / "index.safetensors").read_bytes()
    many.faults.append(Fault(on("*", "lab/m1"), status=500, times=None))
    says = ("the Hub failed for 1 of 5 models", "it goes on where it stopped; or leave those models out")
    refused(*INDEX, code=3, says=says)
    assert (place / "index.safetensors").read_bytes() == old
    assert hubslice("lineage", "index", *MANY[2:], "--out", "index.safetensors").code == 0
    assert [each.model for each in load_index(place / "index.safetensors")] == list(MANY[2:])


def test_adding_to_an_index(
    place: Path, many: HubServer, hubslice: Hubslice, refused: Refused, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (place / "ids.txt").write_text("lab/m0\n\n  lab/m1\n")
    add = ("lineage", "index", "--add", "--out", "index.safetensors", "--from")
    assert json.loads(hubslice(*add, "ids.txt", "--json").stdout)["models"] == ["parent", *MANY[:2]]
    changed = many.seed("lab/m1", write(tmp_path / "changed", weights(7))).oid
    many.log.clear()
    monkeypatch.setattr("sys.stdin", StringIO("lab/m1\nlab/m2\n"))
    assert json.loads(hubslice(*add, "-", "--json").stdout)["models"] == ["parent", *MANY[:3]]
    assert [count > 0 for count in asked(many).values()] == [False, True, True, False, False]
    assert [each.commit for each in load_index(place / "index.safetensors")][2] == changed
    refused(*add, "nowhere.txt", code=2, says=("nowhere.txt cannot be read as a list of models", "--from: one a line"))
    (place / "none.txt").write_text("\n")
    refused(*add, "none.txt", code=2, says=("no model is named", "hubslice lineage index ID ... --out FILE"))
    bend(place / "index.safetensors")
    refused(*add, "ids.txt", code=2, says=("its content is not that of its checksum", AGAIN))
