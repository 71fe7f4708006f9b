"""What `hubslice doctor` says of a Hub that does not answer, or of a token that does not do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubslice.verbs.doctor import checks
from tests.fake_hub import Fault, HubServer, on
from tests.faults.hub_faults import TOKEN
from tests.faults.hub_setup import hub, impatient, leaks, never_seen, teacher, use
from tests.terminal.conftest import Hubslice

__all__ = ["hub", "impatient", "never_seen", "teacher"]

READ_ONLY = "logged in as alice, token with read rights: no push"
BAD = "the Hub does not accept it (HTTP 401)"
ODD = "is not what a Hub answers"


@pytest.fixture(autouse=True)
def only_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CHECKS", (checks._hub,))


@pytest.mark.parametrize(
    ("token", "fault", "hub_says", "token_says", "code"),
    [
        (TOKEN, None, ("ok", "answers"), ("ok", "logged in as alice, token with write rights"), 0),
        ("hf_reader", None, ("ok", "answers"), ("warn", READ_ONLY), 0),
        ("hf_unknown", None, ("ok", "answers"), ("fail", BAD), 1),
        ("", None, ("ok", "answers"), ("warn", "not logged in"), 0),
        (TOKEN, {"status": 503}, ("warn", "out of order (HTTP 503"), ("ok", "not checked"), 0),
        (TOKEN, {"status": 429, "retry_after": 999}, ("warn", "too many requests"), ("ok", "not checked"), 0),
        (TOKEN, {"body": b"<html>"}, ("warn", ODD), ("ok", "not checked"), 0),
        (TOKEN, {"body": b"[]"}, ("warn", ODD), ("ok", "not checked"), 0),
        (TOKEN, {"lost": True}, ("warn", "cannot be reached"), ("ok", "not checked"), 0),
    ],
)
def test_doctor(
    token: str,
    fault: dict[str, object] | None,
    hub_says: tuple[str, str],
    token_says: tuple[str, str],
    code: int,
    hub: HubServer,
    hubslice: Hubslice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    if fault:
        hub.faults.append(Fault(on("GET", "/whoami"), times=None, **fault))  # type: ignore[arg-type]
    finished = hubslice("doctor", "--json")
    found = {each["name"]: each for each in json.loads(finished.stdout)}
    assert finished.code == code
    for name, (state, says) in (("hub", hub_says), ("token", token_says)):
        assert found[name]["state"] == state
        assert says in found[name]["detail"]
        assert state == "ok" or found[name]["hint"]
    assert not token or not leaks(finished.stdout + finished.stderr, token)


@pytest.mark.parametrize(
    ("url", "state", "says"),
    [
        ("http://127.0.0.1:9", "warn", "the Hub at http://127.0.0.1:9 cannot be reached"),
        (f"https://user:{TOKEN}@hub.example", "fail", "holds a login (https://***@hub.example)"),
        ("hub.example", "fail", "'hub.example' is not the address of a Hub"),
    ],
    ids=["dead", "login", "no-scheme"],
)
def test_doctor_of_an_address(
    url: str, state: str, says: str, hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, url, tmp_path)
    finished = hubslice("doctor", "--json")
    found = json.loads(finished.stdout)[0]
    assert (found["name"], found["state"]) == ("hub", state)
    assert says in found["detail"]
    assert "HF_ENDPOINT" in found["hint"]
    assert finished.code == (state == "fail")
    assert not leaks(finished.stdout + finished.stderr)
