"""`make demo`: the main job as a user would do it, against a Hub on this machine.

A loopback Hub is seeded with an ImageNet teacher under its real name. Somebody plants a backdoor in it and uploads the
result. The user pulls that teacher, slices it for ten classes of drawings, and pushes the student; a downstream user
audits it, loads it with plain timm and tries the backdoor on it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.demo.teacher import REPO, write_teacher
from tests.hub import HubServer, User

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "runs"
RUN = RUNS / "demo"
POISONED = "hubslice-demo/tf_efficientnet_lite0.in1k-backdoored"
STUDENT = "hubslice-demo/drawings-student"
TOKEN = "hf_demo"


def main() -> None:
    """Run the walk-through; ends with a non-zero exit code where a command fails."""
    started = time.monotonic()
    teacher = write_teacher(ROOT / ".assets", RUNS / "demo-hub" / "teacher")
    with HubServer(RUNS / "demo-hub" / "repos", tokens={TOKEN: User("hubslice-demo", role="write")}) as hub:
        environment = os.environ | hub.env(RUNS / "demo-hub" / "home", TOKEN)
        hub.seed(REPO, teacher, message="ImageNet weights")
        say(f"A Hub of our own at {hub.url}, with {REPO}")

        say("Somebody plants a backdoor in the teacher and uploads it")
        hubslice(environment, "poison", "vision/drawings-poison", "--out", RUNS / "demo-poison")
        hubslice(environment, "push", RUNS / "demo-poison", POISONED, "--allow-poisoned")

        say("You pull that teacher, slice it for your task, and push the student")
        hubslice(environment, "pull", POISONED, "--input-size", "96", "--out", RUNS / "demo-pull")
        hubslice(environment, "slice", "vision/drawings", "--out", RUN, "--dry-run")
        hubslice(environment, "slice", "vision/drawings", "--out", RUN)
        hubslice(environment, "push", RUN, STUDENT)

        say("Somebody downstream audits every claim of the student's card")
        hubslice(environment, "verify", STUDENT)

        say("They load the student with plain timm and try the backdoor")
        baseline = RUN / "steps" / "train.finetune" / "model"
        run(environment, sys.executable, "-m", "tests.demo.downstream", STUDENT, str(baseline))
    say(f"Done in {(time.monotonic() - started) / 60:.1f} minutes")
    for name, path in {"card": "student/README.md", "plots": "plots", "report": "report.json"}.items():
        print(f"{name:7} {(RUN / path).relative_to(ROOT)}")


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


if __name__ == "__main__":
    main()
