"""`make demo-compact`: a teacher of the Hub becomes a small, fast student, against a Hub on this machine.

The user searches for the channels that ten classes of drawings need, has the others taken out, and pushes what is left;
a downstream user audits it, loads it, and runs it with plain ONNX Runtime beside the teacher.
"""

from __future__ import annotations

import sys
import time

from tests.demo.teacher import REPO
from tests.demo.walk import ROOT, RUNS, demo_hub, hubslice, run, say

RUN = RUNS / "demo-compact"
GRAPH = RUNS / "demo-compact-onnx"
STUDENT = "hubslice-demo/drawings-compact"


def main() -> None:
    """Run the walk-through; ends with a non-zero exit code where a command fails."""
    started = time.monotonic()
    with demo_hub() as environment:
        say("You search for the channels that your task needs, and push what is left")
        hubslice(environment, "slice", "vision/drawings-compact", "--out", RUN)
        hubslice(environment, "push", RUN, STUDENT)

        say("Somebody downstream audits every claim of its card, and exports it")
        hubslice(environment, "verify", STUDENT)
        if not GRAPH.exists():
            hubslice(environment, "convert", STUDENT, "--to", "onnx", "--out", GRAPH)
        hubslice(environment, "latency", REPO, STUDENT, GRAPH / "model.onnx", "--input-size", "96")

        say("They load it, and run the graph without hubslice")
        run(environment, sys.executable, "-m", "tests.demo.compact_downstream", STUDENT, str(GRAPH / "model.onnx"))
    say(f"Done in {(time.monotonic() - started) / 60:.1f} minutes")
    for name, path in {"card": "student/README.md", "report": "report.json"}.items():
        print(f"{name:7} {(RUN / path).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
