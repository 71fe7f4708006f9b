"""The unmodified clients against the loopback Hub: a process for each client, a test for each scenario."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fake_hub import HubServer
from tests.fake_hub.conftest import TOKENS

ROOT = Path(__file__).parents[2]
API = ("repos", "tokens", "gate", "push_and_pull", "tree", "commits", "cards", "refs", "pull_requests", "speed")
TIMM = ("round_trip", "from_revision")
TRANSFORMERS = ("round_trip", "own_push")

Run = Callable[[str, tuple[str, ...]], dict[str, str | None]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run all scenarios of a client in one process (importing it is the slow part), once."""

    @functools.cache
    def outcomes(module: str, names: tuple[str, ...]) -> dict[str, str | None]:
        folder = tmp_path_factory.mktemp(module)
        with HubServer(folder / "hub", TOKENS) as hub:
            process = subprocess.run(
                [sys.executable, "-m", "tests.fake_hub.clients", module, *names],
                env=os.environ | hub.env(folder / "home", "hf_alice"),
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        assert process.returncode == 0, process.stderr
        assert not [line for line in hub.log if line.endswith(" 500")]
        found: dict[str, str | None] = json.loads(process.stdout.splitlines()[-1])
        return found

    return outcomes


@pytest.mark.parametrize("name", API)
def test_huggingface_hub(name: str, run: Run) -> None:
    failure = run("api", API)[name]
    assert failure is None, failure


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMM)
def test_timm(name: str, run: Run) -> None:
    failure = run("timm_models", TIMM)[name]
    assert failure is None, failure


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers(name: str, run: Run) -> None:
    failure = run("transformers_models", TRANSFORMERS)[name]
    assert failure is None, failure


@pytest.mark.slow
def test_datasets(run: Run) -> None:
    failure = run("tables", ("round_trip",))["round_trip"]
    assert failure is None, failure


@pytest.mark.slow
def test_hf_command(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "weights.bin").write_bytes(b"w" * 100)
    hf = Path(sys.executable).with_name("hf")

    def call(*arguments: str) -> str:
        env = os.environ | hub.env(tmp_path / "home", "hf_alice")
        return subprocess.run([hf, *arguments], env=env, capture_output=True, text=True, check=True).stdout

    assert "alice" in call("auth", "whoami")
    call("upload", "alice/by-command", str(tmp_path / "source"))
    assert hub.files("alice/by-command")["weights.bin"] == b"w" * 100
    call("download", "alice/by-command", "--local-dir", str(tmp_path / "target"))
    assert (tmp_path / "target" / "weights.bin").read_bytes() == b"w" * 100
