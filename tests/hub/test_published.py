from __future__ import annotations

from pathlib import Path

import pytest

from hubslice.core.errors import InputError
from hubslice.hub.published import fetch_recipe
from hubslice.hub.ref import HubRef, parse_ref
from tests.fake_hub import HubServer
from tests.hub.conftest import MakeClient, model, write

STUDENT = HubRef("alice/student", "alice/student")


def test_recipe_of_a_student(hub: HubServer, client_of: MakeClient) -> None:
    first = hub.seed("alice/student", model() | {"recipe.yaml": b"kind: slice\nseed: 1\n"})
    second = hub.seed("alice/student", {"recipe.yaml": b"kind: slice\nseed: 2\n"})
    assert fetch_recipe(STUDENT, client=client_of()) == ("kind: slice\nseed: 2\n", f"alice/student@{second.oid}")
    old = HubRef("", "alice/student", first.oid)
    assert fetch_recipe(old, client=client_of()) == ("kind: slice\nseed: 1\n", f"alice/student@{first.oid}")


def test_local_recipe(tmp_path: Path) -> None:
    write(tmp_path / "run", {"student/config.json": b"{}", "recipe.yaml": b"kind: slice\n"})
    text, origin = fetch_recipe(parse_ref("run", tmp_path))
    assert (text, origin) == ("kind: slice\n", str(tmp_path / "run" / "recipe.yaml"))


def test_no_recipe(hub: HubServer, client_of: MakeClient, tmp_path: Path) -> None:
    commit = hub.seed("alice/student", model())
    with pytest.raises(InputError, match=rf"alice/student@{commit.oid} has no recipe\.yaml"):
        fetch_recipe(STUDENT, client=client_of())
    hub.seed("alice/student", {"recipe.yaml": b"\xff\xfe"})
    with pytest.raises(InputError, match="not UTF-8"):
        fetch_recipe(STUDENT, client=client_of())
    hub.seed("alice/student", {"recipe.yaml": b"#" * (1 << 21)})
    with pytest.raises(InputError, match="no recipe is that long"):
        fetch_recipe(STUDENT, client=client_of())
    write(tmp_path / "model", model())
    with pytest.raises(InputError, match=r"has no recipe\.yaml"):
        fetch_recipe(parse_ref("model", tmp_path))
