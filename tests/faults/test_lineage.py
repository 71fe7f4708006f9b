"""What `hubslice lineage` refuses or does without: told with the cause, and nothing is written or lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ancestry.small import nameless, tuned, weights, write
from tests.fake_hub import Fault, HubServer
from tests.faults.conftest import Refused
from tests.faults.lineage_setup import AGAIN, WIDE, hub, made
from tests.terminal.conftest import Hubslice

__all__ = ["hub", "made"]


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
}


ELSEWHERE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "exposure without a teacher": (
        ("exposure", "child", "--data", "text.safetensors"),
        (
            "no teacher is named, and child is not a run that holds its own",
            "hubslice exposure MODEL --teacher TEACHER --data IMAGES",
        ),
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


@pytest.mark.parametrize(("arguments", "says"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_commands_beside_it_refuse(
    place: Path, refused: Refused, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    before = held(place)
    refused(*arguments, code=2, says=says)
    assert held(place) == before


FORMER = {
    ("lineage", "child", "--exposure", "--teacher", "parent", "--data", "text.safetensors"): "exposure",
    ("lineage", "child", "--execution", "--store", "text.safetensors"): "execution",
    ("lineage", "execution", "child", "--store", "text.safetensors"): "execution",
    ("lineage", "patterns", "parent", "--out", "busy"): "patterns",
}


@pytest.mark.parametrize(("former", "verb"), FORMER.items(), ids=[" ".join(former[1:3]) for former in FORMER])
def test_former_spellings_do_the_same_and_say_so(
    place: Path, hubslice: Hubslice, former: tuple[str, ...], verb: str
) -> None:
    """They end as the commands do that they became."""
    now = (verb, *(argument for argument in former[1:] if argument not in (verb, f"--{verb}")))
    done, expected = hubslice(*former), hubslice(*now)
    told, rest = done.stderr.split("\n", 1)
    assert told == f"warning: what was a part of `hubslice lineage` is now `hubslice {verb}`"
    assert (done.code, done.stdout, rest) == (expected.code, expected.stdout, expected.stderr)
    assert done.code == 2


def test_no_common_layer_is_a_verdict_and_no_error(place: Path, hubslice: Hubslice) -> None:
    done = hubslice("lineage", "child", "--candidates", "alien", "vectors", "--json", "--out", "told")
    assert (done.code, done.stderr) == (0, "")
    found = json.loads(done.stdout)["candidates"]
    assert [(each["verdict"], each["score"], each["layers"]) for each in found] == [("not comparable", None, [])] * 2
    assert json.loads((place / "told/lineage.json").read_text())["candidates"] == found
    shown = hubslice("lineage", "child", "--candidates", "alien")
    assert "alien\tnot comparable" in shown.stdout


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
