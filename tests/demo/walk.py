"""What walks through a job share: a Hub on this machine with a real teacher, and commands as a user gives them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.demo.teacher import REPO, write_teacher
from tests.fake_hub import HubServer, User

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "runs"
TOKEN = "hf_demo"


@contextmanager
def demo_hub() -> Iterator[dict[str, str]]:
    """A loopback Hub seeded with an ImageNet teacher under its real name; the environment in which commands use it."""
    teacher = write_teacher(ROOT / ".assets", RUNS / "demo-hub" / "teacher")
    with HubServer(RUNS / "demo-hub" / "repos", tokens={TOKEN: User("hubslice-demo", role="write")}) as hub:
        hub.seed(REPO, teacher, message="ImageNet weights")
        say(f"A Hub of our own at {hub.url}, with {REPO}")
        yield os.environ | hub.env(RUNS / "demo-hub" / "home", TOKEN)


def say(line: str) -> None:
    """Print a heading."""
    print(f"\n== {line}", flush=True)


def hubslice(environment: dict[str, str], *arguments: str | Path) -> None:
    """Run a command of hubslice as a user would."""
    shown = [str(a.relative_to(ROOT)) if isinstance(a, Path) else a for a in arguments]
    print(f"$ hubslice {' '.join(shown)}", flush=True)
    run(environment, sys.executable, "-m", "hubslice", *shown)


def run(environment: dict[str, str], *command: str) -> None:
    """Run a command in the repository; its failure ends the demo."""
    code = subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode
    if code:
        sys.exit(code)
