"""python -m bench.faults: every part and group of the fault matrix as far as it was not tried; it resumes.

`--part NAME` and `--group NAME` try those whose name holds it, `--again failed` those once more in which something
did not end well, `--again all` all. `--only N --keep DIR` makes one trial and leaves its folder there.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hubslice.core.errors import RunError

from .groups import Group, groups
from .life import SECRET
from .outcome import Outcome, versions
from .render import render

HERE = Path(__file__).parent
OUTCOMES = HERE / "outcomes"
ROOT = HERE.parents[1]


def main() -> None:
    """Parse the arguments, do what is missing, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("--part", default="", metavar="NAME", help="parts whose name holds this")
    parser.add_argument("--group", default="", metavar="NAME", help="groups whose name holds this")
    parser.add_argument("--again", choices=("failed", "all"), help="try again what was tried with the same versions")
    parser.add_argument("--workers", type=int, default=1, help="groups at a time")
    parser.add_argument("--only", metavar="TRIAL", help="this trial alone, and note nothing")
    parser.add_argument("--keep", type=Path, help="a folder for the files of trials that did not end well")
    parser.add_argument("--render", action="store_true", help="render what is there")
    given = parser.parse_args()
    chosen = [each for each in groups() if given.part in each.part and given.group in each.name]
    if not given.render:
        missing = [each for each in chosen if given.only is not None or _missing(each, given.again)]
        print(f"{len(missing)} of {len(chosen)} groups to try", flush=True)
        options = [] if given.only is None else ["--only", given.only]
        options += [] if given.keep is None else ["--keep", str(given.keep.resolve())]
        _try(missing, given.workers, options)
        if given.again == "failed":
            _try(missing, given.workers, [*options, "--failed"])
    if given.only is None:
        render(OUTCOMES, HERE, ROOT / "SECURITY.md")


def _missing(group: Group, again: str | None) -> bool:
    path = OUTCOMES / f"{group.key}.json"
    try:
        found = Outcome.load(path)
    except RunError:
        return True
    wanted = found.tried if group.wanted is None else group.wanted
    if found.versions != versions() or found.tried > wanted or again == "all":
        path.unlink()
        return True
    return found.tried < wanted or (again == "failed" and bool(found.failures))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _try(missing: Sequence[Group], workers: int, options: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="hubslice-faults-") as name:
        folder = Path(name)
        environment = os.environ | {
            "HF_HOME": str(folder / "hf"),
            "HF_TOKEN": SECRET,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HUBSLICE_CACHE": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
            "TMPDIR": name,
        }
        place = folder / "place"
        subprocess.run([sys.executable, "-m", "bench.faults.place", str(place)], cwd=ROOT, env=environment, check=True)

        def work(group: Group) -> None:
            command = [sys.executable, "-m", "bench.faults.worker", group.part, group.name, str(place)]
            command += [str(OUTCOMES / f"{group.key}.json"), *options]
            own = environment | {"HF_HOME": str(folder / group.key), "HF_ENDPOINT": f"http://127.0.0.1:{_free_port()}"}
            done = subprocess.run(command, cwd=ROOT, env=own, check=False).returncode
            print(f"{group.part}: {group.name}{f' failed with {done}' if done else ''}", flush=True)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, missing))


if __name__ == "__main__":
    main()
