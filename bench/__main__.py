"""python -m bench: do what is missing of every experiment and render all tables. Hours on two cores; it resumes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXPERIMENTS = (
    ("bench.commands",),
    ("bench.profiling",),
    ("bench.masks",),
    ("bench.explaining",),
    ("bench.reuse",),
    ("bench.faithfulness",),
    ("bench.simplification", "--trained"),
    ("bench.protection",),
    ("bench.widths",),
    ("bench.compaction",),
    *(("bench.inheritance", "--seed", str(seed)) for seed in range(3)),
    ("bench.detection",),
    ("bench.deviation",),
    ("bench.lineage",),
    ("bench.execution",),
    ("bench.breadth",),
    ("bench.faults",),
)


def main() -> None:
    """Run them in turn; the first that fails ends it."""
    for module, *arguments in EXPERIMENTS:
        print(f"== {module} {' '.join(arguments)}", flush=True)
        code = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=False).returncode
        if code:
            sys.exit(code)


if __name__ == "__main__":
    main()
