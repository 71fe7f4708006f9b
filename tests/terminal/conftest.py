"""The command line run in this process, with its two streams kept apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from hubslice.app import run


class Finished(NamedTuple):
    code: int
    stdout: str
    stderr: str


Hubslice = Callable[..., Finished]


@pytest.fixture
def hubslice(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Hubslice:
    monkeypatch.delenv("HUBSLICE_TRACEBACK", raising=False)

    def call(*arguments: str) -> Finished:
        capsys.readouterr()
        code = run(arguments)
        streams = capsys.readouterr()
        return Finished(code, streams.out, streams.err)

    return call
