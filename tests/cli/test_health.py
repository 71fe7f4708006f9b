from __future__ import annotations

from collections.abc import Iterable

import pytest

from hubslice.cli import health
from hubslice.cli.health import Finding
from tests.cli.conftest import Hubslice


def _broken() -> Iterable[Finding]:
    raise OSError("libcudart.so: cannot open\nmore")


def _fine() -> Iterable[Finding]:
    yield Finding("fine", "ok", "all well")


def test_a_check_that_breaks_is_a_finding(hubslice: Hubslice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECKS", (_fine, _broken))
    code, stdout, stderr = hubslice("doctor")
    assert code == 1
    assert stdout == "fine\tok\tall well\nbroken\tfail\tOSError: libcudart.so: cannot open\n"
    assert stderr == "hint: broken: reinstall hubslice\n"
    assert hubslice("doctor", "--quiet") == (1, "broken\n", "")


def test_two_runtimes_are_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "version", lambda _: "1.0")
    states = {finding.name: finding.state for finding in health._packages()}
    assert states == {"packages": "ok", "onnxruntime": "warn"}


@pytest.mark.parametrize(("role", "state"), [("read", "warn"), ("write", "ok"), ("fineGrained", "ok")])
def test_rights_of_a_token(role: str, state: str) -> None:
    finding = health._rights({"name": "alice", "auth": {"accessToken": {"role": role}}})
    assert (finding.state, role in finding.detail) == (state, True)
