"""`make demo`: the main job as a user would do it, against a Hub on this machine.

A loopback Hub is seeded with an ImageNet teacher under its real name. Somebody plants a backdoor in it and uploads the
result. The user pulls that teacher, slices it for ten classes of drawings, and pushes the student; a downstream user
audits it, finds its teacher among others by its weights, loads it with plain timm and tries the backdoor on it.
"""

from __future__ import annotations

import sys
import time

from tests.demo.lineage import STRANGERS, check_parent, write_strangers
from tests.demo.teacher import ARCHITECTURE, REPO
from tests.demo.walk import ROOT, RUNS, demo_hub, hubslice, run, say

RUN = RUNS / "demo"
POISONED = "hubslice-demo/tf_efficientnet_lite0.in1k-backdoored"
CLEAN = REPO
STUDENT = "hubslice-demo/drawings-student"
PARENTS = RUNS / "demo-parents.safetensors"
DRAWINGS = ROOT / "recipes" / "data" / "drawings" / "drawings.parquet"
SEARCH = ("--inputs", DRAWINGS, "--limit", "16", "--max-linf", "16/255", "--budget", "150")


def main() -> None:
    """Run the walk-through; ends with a non-zero exit code where a command fails."""
    started = time.monotonic()
    with demo_hub() as environment:
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

        say("They ask whose child it is, by its weights alone")
        strangers = write_strangers(ARCHITECTURE, RUNS / "demo-strangers")
        hubslice(environment, "lineage", "index", CLEAN, POISONED, strangers, "--out", PARENTS)
        hubslice(environment, "lineage", STUDENT, "--index", PARENTS, "--out", RUNS / "demo-lineage")
        check_parent(RUNS / "demo-lineage", POISONED, 2 + STRANGERS)

        say("You quantise it, and search for images that this changes the answer to")
        hubslice(environment, "convert", RUN, "--to", "int8")
        hubslice(environment, "diff", RUN, RUN / "int8" / "model.onnx", *SEARCH, "--out", RUNS / "demo-diff")

        say("They load the student with plain timm and try the backdoor")
        baseline = RUN / "steps" / "train.finetune" / "model"
        run(environment, sys.executable, "-m", "tests.demo.downstream", STUDENT, str(baseline))
    say(f"Done in {(time.monotonic() - started) / 60:.1f} minutes")
    for name, path in {"card": "student/README.md", "plots": "plots", "report": "report.json"}.items():
        print(f"{name:7} {(RUN / path).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
