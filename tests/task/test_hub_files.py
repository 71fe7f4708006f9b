"""Files of a data set of the Hub: what came wrong is fetched again, and what would harm is refused."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fake_hub import Fault, HubServer, User, on
from tests.images import write_parquet
from tests.task.fetched import hub, opened, place, python
from tests.task.photos import PNG, several, write

__all__ = ["hub", "place"]


pytestmark = pytest.mark.slow


XORBS = ("GET", "^/cas/.*/xorbs/")


def lay_wrong_bytes(hub: HubServer, *, where: str, times: int | None) -> None:
    """Xet gives the data with one bit changed: within an image, which can be read all the same, or in the footer."""
    hub.faults.clear()
    xorb = max((hub.xet.cas.root / "xorbs").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(xorb.read_bytes())
    content[len(content) // 2 if where == "image" else -900] ^= 1
    hub.faults.append(Fault(on(*XORBS), body=bytes(content), times=times))


@pytest.fixture(scope="module")
def alone(place: Path) -> Iterator[HubServer]:
    """A Hub with one data set, so that one xorb has its data."""
    with HubServer(place / "alone", {"hf_alice": User("alice")}) as server:
        yield server


@pytest.fixture(scope="module")
def large(alone: HubServer, place: Path) -> dict[str, Any]:
    """What the data set `alice/large` is, when all goes well."""
    write_parquet(place / "large/data/train-00000-of-00001.parquet", 60)
    alone.seed("alice/large", place / "large", kind="datasets")
    return opened(alone, place / "well", ("alice/large", None))[0]


def downloads(hub: HubServer) -> int:
    return sum(line.startswith("GET /cas/") and "/xorbs/" in line for line in hub.log)


@pytest.mark.parametrize("links", ["", "1"], ids=["links", "copies"])
@pytest.mark.parametrize("where", ["image", "footer"])
def test_files_that_came_wrong_once(
    where: str, links: str, alone: HubServer, place: Path, large: dict[str, Any]
) -> None:
    home, extra = place / f"wrong-{where}-{links}", {"HF_HUB_DISABLE_SYMLINKS": links}
    lay_wrong_bytes(alone, where=where, times=1)
    before = downloads(alone)
    assert opened(alone, home, ("alice/large", None), **extra) == [large]
    assert downloads(alone) == before + 2
    assert opened(alone, home, ("alice/large", None), HF_HUB_OFFLINE="1", **extra) == [large]


@pytest.mark.parametrize("where", ["image", "footer"])
def test_what_stays_wrong_breaks_nothing_for_good(
    where: str, alone: HubServer, place: Path, large: dict[str, Any]
) -> None:
    home = place / f"twice-{where}"
    lay_wrong_bytes(alone, where=where, times=None)
    (told,) = opened(alone, home, ("alice/large", None))
    assert (told["error"], told["code"]) == ("IntegrityError", 3)
    assert "hf cache rm hf://datasets/alice/large/data/train-00000-of-00001.parquet" in told["says"]
    alone.faults.clear()
    assert opened(alone, home, ("alice/large", None)) == [large]


def test_rows_that_others_made_of_wrong_files(alone: HubServer, place: Path, large: dict[str, Any]) -> None:
    home = place / "others"
    lay_wrong_bytes(alone, where="image", times=1)
    python(alone, home, "-c", "import datasets; datasets.load_dataset('alice/large')")
    assert alone.faults[0].hits == 1
    assert opened(alone, home, ("alice/large", None)) == [large]


def test_files_are_checked_once(alone: HubServer, place: Path, large: dict[str, Any]) -> None:
    home = place / "once"
    alone.faults.clear()
    start = len(alone.log)
    assert opened(alone, home, ("alice/large", None)) == [large]
    before = len(alone.log)
    assert opened(alone, home, ("alice/large", None)) == [large]
    first, second = (sum("/tree/" in line for line in log) for log in (alone.log[start:before], alone.log[before:]))
    assert second == first - 1  # `datasets` looks for data files each time


def test_a_storage_out_of_order_and_an_older_commit_in_the_cache(alone: HubServer, place: Path) -> None:
    home = place / "older"
    alone.faults.clear()
    write_parquet(place / "moving/data/train-00000-of-00001.parquet", 48)
    first = alone.seed("alice/moving", place / "moving", kind="datasets").oid
    (online,) = opened(alone, home, ("alice/moving", None))
    write_parquet(place / "moving/data/train-00000-of-00001.parquet", 54)
    alone.seed("alice/moving", place / "moving", kind="datasets")
    alone.faults.append(Fault(on(*XORBS), status=500, times=None))
    (told,) = opened(alone, home, ("alice/moving", None))
    assert "the storage of large files (Xet) does not give them" in told["says"]
    assert f"HF_HUB_OFFLINE=1 works with the cached commit {first}" in told["says"]
    assert opened(alone, home, ("alice/moving", None), HF_HUB_OFFLINE="1") == [online]


NAMING = """
import json, sys
from pathlib import Path
from hubslice.task.opening import open_tables
from hubslice.core.errors import HubsliceError
from hubslice.recipe.schema import DataParams

def tried(read):
    try:
        read(0)
    except HubsliceError as error:
        return [error.exit_code, f"{error.message} hint: {error.hint}"]
    return [0, ""]

found = []
for path in sys.argv[1:]:
    table = open_tables(DataParams(path=path), Path())[0]["train"]
    found += [[len(table), *tried(read)] for read in (table.item, table.stored)]
print(json.dumps(found))
"""


@pytest.mark.parametrize("named", ["absolute", "~", "relative", "through the cache"])
def test_a_table_of_the_hub_names_no_file_of_this_machine(hub: HubServer, place: Path, named: str) -> None:
    mine = place / "home-of" / "mine.png"
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(PNG)
    home = place / f"naming-{named.split()[0]}" / "home"
    written = {
        "absolute": str(mine),
        "~": "~/mine.png",
        "relative": "../home-of/mine.png",
        "through the cache": f"{home}/hub/datasets--alice--naming/../../../../home-of/mine.png",
    }[named]
    rows = [{"image": {"bytes": None, "path": written}, "label": label} for label in "aba"]
    features = datasets.Features(image=datasets.Image(decode=False), label=datasets.Value("string"))
    folder = place / f"source-{named.split()[0]}"
    (folder / "data").mkdir(parents=True)
    table = pa.Table.from_pylist(rows, schema=features.arrow_schema)
    pq.write_table(table, folder / "data/train-00000-of-00001.parquet")  # `datasets` would put the files in
    hub.seed("alice/naming", folder, kind="datasets")
    for found in json.loads(python(hub, home, "-c", NAMING, "alice/naming", HOME=str(mine.parent))):
        assert found[:2] == [3, 2]
        assert "of alice/naming, which is from the Hub, names a file of this machine" in found[2]


def test_images_that_the_hub_gave_as_files_are_read(hub: HubServer, place: Path) -> None:
    hub.seed("alice/files", write(place / "files", [*several("cat", 3), *several("dog", 3)]), kind="datasets")
    found = json.loads(python(hub, place / "files-home", "-c", NAMING, "alice/files"))
    assert found == [[6, 0, ""]] * 2


def test_a_table_that_unpacks_to_far_more_is_not_unpacked(hub: HubServer, place: Path) -> None:
    """Some kB that stand for more than a gibibyte."""
    table = place / "bomb.parquet"
    one = pa.array([PNG + bytes(4 << 20)], pa.binary())
    every = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), one)
    rows = pa.table({"image": every, "label": ["a"] * 300})
    pq.write_table(rows, table, compression="zstd", dictionary_pagesize_limit=1 << 30, store_schema=False)
    hub.seed("alice/bomb", {"data/train-00000-of-00001.parquet": table.read_bytes()}, kind="datasets")
    home = place / "bombed"
    (found,) = opened(hub, home, ("alice/bomb", None))
    assert (found["error"], found["code"]) == ("DataError", 2)
    assert "would unpack to more than 1.0 GiB: 300 values of its column image" in found["says"]
    assert not list(home.rglob("*.arrow"))


GROWING = "a0: &a0 {k: 1}\n" + "".join(f"a{n + 1}: &a{n + 1} {{<<: [*a{n}, *a{n}]}}\n" for n in range(40))


ELSEWHERE = "configs:\n- config_name: default\n  data_files: %s\n"


def test_a_card_that_would_not_end_is_not_read(hub: HubServer, place: Path) -> None:
    """Nor one that names files of this computer, or addresses elsewhere."""
    write_parquet(place / "hostile" / "data" / "train.parquet", 12)
    hostile = {
        "card": ("README.md", f"---\n{GROWING}---\n", "its README.md has YAML that cannot be read"),
        "settings": (".huggingface.yaml", GROWING, ".huggingface.yaml has YAML that cannot be read"),
        "passwords": ("README.md", f"---\n{ELSEWHERE % '/etc/passwd'}---\n", "alice/passwords names '/etc/passwd'"),
        "address": (".huggingface.yaml", ELSEWHERE % "http://127.0.0.1:9/a.csv", "names 'http://127.0.0.1:9/a.csv'"),
    }
    for name, (file, text, _) in hostile.items():
        folder = place / "sources" / name
        shutil.copytree(place / "hostile", folder)
        (folder / file).write_text(text)
        hub.seed(f"alice/{name}", folder, kind="datasets")
    found = opened(hub, place / "hostile-home", *((f"alice/{name}", None) for name in hostile))
    for each, (_, _, says) in zip(found, hostile.values(), strict=True):
        assert (each["error"], each["code"]) == ("DataError", 2)
        assert says in each["says"]


def test_nor_is_one_from_the_cache(hub: HubServer, place: Path) -> None:
    home = place / "grown"
    folder = place / "sources" / "grown"
    write_parquet(folder / "data" / "train.parquet", 12)
    commit = hub.seed("alice/grown", folder, kind="datasets").oid
    (online,) = opened(hub, home, ("alice/grown", None))
    assert len(online["rows"]["train"][0]) == 12
    for note in (home / "datasets").rglob("checked-by-hubslice"):  # as where the stock library made the rows
        note.unlink()
    (snapshot,) = (home / "hub").rglob(f"snapshots/{commit}")
    (snapshot / "README.md").unlink(missing_ok=True)
    (snapshot / "README.md").write_text(f"---\n{GROWING}---\n")
    (found,) = opened(hub, home, ("alice/grown", None), HF_HUB_OFFLINE="1")
    assert (found["error"], found["code"]) == ("DataError", 2)
    assert "its README.md has YAML that cannot be read" in found["says"]


def test_a_packed_file_that_unpacks_to_far_more(hub: HubServer, place: Path) -> None:
    part = gzip.compress((b"x" * 999 + b"\n") * 12_000)
    folder = place / "sources" / "packed"
    folder.mkdir(parents=True)
    (folder / "train.csv.gz").write_bytes(gzip.compress(b"text\n") + part * 100)
    (folder / "README.md").write_text(f"---\n{ELSEWHERE % 'train.csv.gz'}---\n")
    hub.seed("alice/packed", folder, kind="datasets")
    (found,) = opened(hub, place / "packed-home", ("alice/packed", None))
    assert (found["error"], found["code"]) == ("DataError", 2)
    assert "would unpack to more than 1.0 GiB" in found["says"]
