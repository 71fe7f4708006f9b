"""A data set of the Hub, fetched once: offline the same rows at the same commit, in processes of their own."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.fake_hub import HubServer
from tests.images import write_parquet
from tests.task.fetched import hub, opened, place, python, seed

__all__ = ["hub", "place"]


pytestmark = pytest.mark.slow


STOCK = "import datasets; print(datasets.load_dataset('alice/pets', revision=%r)['train'].num_rows)"


def test_offline_is_as_online_was(hub: HubServer, place: Path) -> None:
    home = place / "home"
    first = seed(hub, place / "source", 30)
    (online,) = opened(hub, home, ("alice/pets", None))
    assert online["commit"] == first
    assert online["fingerprint"] == f"alice/pets@{first}"
    assert len(online["rows"]["train"][0]) == 30
    asked = len(hub.log)
    pets = [("alice/pets", revision) for revision in (None, first, first[:8], "v2")]
    known, pinned, short, other, unknown = opened(hub, home, *pets, ("alice/none", None), HF_HUB_OFFLINE="1")
    assert known == pinned == short == online
    for missing, command in (
        (unknown, "datasets.load_dataset('\"'\"'alice/none'\"'\"')"),
        (other, "revision='\"'\"'v2'\"'\"'"),
    ):
        assert (missing["error"], missing["code"]) == ("FetchError", 3)
        assert "HF_HUB_OFFLINE" in missing["says"]
        assert "fetch it once while online" in missing["says"]
        assert command in missing["says"]
    assert f"it holds default at {first}" in other["says"]
    assert len(hub.log) == asked

    second = seed(hub, place / "source", 36)  # the branch moves; nobody has fetched it
    assert opened(hub, home, ("alice/pets", None), HF_HUB_OFFLINE="1") == [online]
    (dead,) = opened(hub, home, ("alice/pets", None), HF_ENDPOINT="http://127.0.0.1:9")
    assert (dead["error"], dead["code"]) == ("FetchError", 3)
    assert "cannot be reached" in dead["says"]
    assert f"HF_HUB_OFFLINE=1 works with the cached commit {first}" in dead["says"]

    (moved,) = opened(hub, home, ("alice/pets", None))
    assert moved["commit"] == second
    latest, before = opened(hub, home, ("alice/pets", None), ("alice/pets", first), HF_HUB_OFFLINE="1")
    assert (latest, before) == (moved, online)


def test_what_the_stock_library_fetched_is_served(hub: HubServer, place: Path) -> None:
    home = place / "stock"
    commit = seed(hub, place / "source", 36)
    for revision in (None, commit):  # the second leaves no note of what the branch meant
        cache = home / str(revision)
        assert python(hub, cache, "-c", STOCK % revision).strip() == "36"
        (found,) = opened(hub, cache, ("alice/pets", None), HF_HUB_OFFLINE="1")
        assert (found["commit"], len(found["rows"]["train"][0])) == (commit, 36)


def test_what_cannot_be_used_of_it(hub: HubServer, place: Path) -> None:
    hub.seed("alice/two", {"README.md": b"---\nconfigs:\n- {config_name: a, data_files: a.csv}\n"
                           b"- {config_name: b, data_files: b.csv}\n---\n", "a.csv": b"x\n1\n", "b.csv": b"x\n1\n"},
             kind="datasets")  # fmt: skip
    two, none, revision = opened(hub, place / "odd", ("alice/two", None), ("nobody/none", None), ("alice/two", "v9"))
    assert (two["error"], two["code"]) == ("DataError", 2)
    assert "Config name is missing" in two["says"]
    assert "is not what a Hub answers" not in two["says"]
    assert (none["error"], none["code"]) == ("FetchError", 3)
    assert "the Hub has no readable data set of this id" in none["says"]
    assert (revision["error"], revision["code"]) == ("FetchError", 3)
    assert "has no such revision" in revision["says"]


def two(hub: HubServer, place: Path, name: str, *, default: bool) -> None:
    """A data set with the configurations a, of 30 rows, and b, of 12."""
    folder = place / name
    for config, samples in (("a", 30), ("b", 12)):
        write_parquet(folder / config / "train.parquet", samples)
    configs = [f"{{config_name: {each}, data_files: {each}/*.parquet}}" for each in "ab"]
    if default:
        configs[0] = configs[0].replace("}", ", default: true}")
    (folder / "README.md").write_text(f"---\nconfigs: [{', '.join(configs)}]\n---\n")
    hub.seed(f"alice/{name}", folder, kind="datasets")


@pytest.mark.parametrize("others", [("b",), ("a",), ("b", "a")], ids="".join)
def test_offline_it_is_the_configuration_that_it_is_online(
    others: tuple[str, ...], hub: HubServer, place: Path
) -> None:
    home = place / f"two-{''.join(others)}"
    two(hub, place, "ab", default=True)
    for config in others:
        python(hub, home, "-c", f"import datasets; datasets.load_dataset('alice/ab', '{config}')")
    (before,) = opened(hub, home, ("alice/ab", None), HF_HUB_OFFLINE="1")
    (online,) = opened(hub, home, ("alice/ab", None))
    assert len(online["rows"]["train"][0]) == 30
    if "a" in others:
        assert before == online
    else:
        assert (before["error"], before["code"]) == ("FetchError", 3)
        assert "does not hold its default configuration a" in before["says"]
        assert "the cache holds b" in before["says"]
    assert opened(hub, home, ("alice/ab", None), HF_HUB_OFFLINE="1") == [online]


def test_offline_without_a_default_configuration(hub: HubServer, place: Path) -> None:
    home = place / "none"
    two(hub, place, "none", default=False)
    python(hub, home, "-c", "import datasets; datasets.load_dataset('alice/none', 'b')")
    (online,) = opened(hub, home, ("alice/none", None))
    assert "Config name is missing" in online["says"]
    (offline,) = opened(hub, home, ("alice/none", None), HF_HUB_OFFLINE="1")
    assert "names no default configuration" in offline["says"]
    command = shlex.split(offline["says"].rpartition("after ")[2])
    python(hub, home, *command[1:], HF_HUB_OFFLINE="1")
    (saved,) = opened(hub, home, ("none-b", None), HF_HUB_OFFLINE="1")  # as the hint says
    assert len(saved["rows"]["train"][0]) == 12


def test_a_cache_in_the_home_folder(hub: HubServer, place: Path) -> None:
    seed(hub, place / "source", 30)
    home = {"HOME": str(place / "user"), "HF_DATASETS_CACHE": "~/rows"}
    online = opened(hub, place / "tilde", ("alice/pets", None), **home)
    assert (place / "user/rows").is_dir()
    assert opened(hub, place / "tilde", ("alice/pets", None), HF_HUB_OFFLINE="1", **home) == online
