"""A run whose disk is full, again and again, until it is finished nevertheless. Prints what came of it as JSON.

    unshare -Urm python -m tests.faults.full_disk FOLDER

In two ways. writes: every file, folder and link that Python makes for the run fails once. tmpfs, where this process may
mount one: the run is on a file system of a few kilobytes that grows a little whenever it is full; here the native
libraries' writes fail, too, and in their middle.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hubslice.app import run as hubslice
from hubslice.training import loop
from tests.run.lives import SMALL, result, strays
from tests.run.tiny import write_job

# One grid point and one defect: no write of another kind goes missing.
SHORT = re.sub(r", grid: .*|\n    - {kind: penultimate.*", "", SMALL).replace("lr: 0.02", "lr: 0.02}")
MAKES = {"os.mkdir": 0, "os.link": 1}  # which argument is the path that is made


class FailingWrites:
    """Python's own hook on files: the first making of each file, folder and link under `folder` fails."""

    def __init__(self, folder: Path) -> None:
        self.prefix = f"{folder}/"
        self.failed = set[tuple[str, str]]()
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            made = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        else:
            path, made = arguments[MAKES[event]] if event in MAKES else None, True
        if made and path is not None and str(path).startswith(self.prefix):
            # Once for all arms, and whatever the random part of a draft's name.
            name = re.sub(r"\.finetune|\.[a-z0-9_]{8}(?=\.draft)", "", str(path))
            if (event, name) not in self.failed:
                self.failed.add((event, name))
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def finish(recipe: Path, out: Path, after: Callable[[], object] = lambda: None) -> list[str]:
    """Give the same command until it succeeds; what it said each time that it did not. `after` is done then."""
    said = []
    while True:
        with contextlib.redirect_stderr(io.StringIO()) as told, contextlib.redirect_stdout(io.StringIO()):
            code = hubslice(["slice", str(recipe), "--out", str(out), "--device", "cpu", "--quiet"])
        if code == 0:
            return said
        said.append(f"{code} {' '.join(told.getvalue().split())}")
        left = [name for name in strays(out) if ".draft" in name or name == ".running.json"] if out.exists() else []
        if code != 2 or left or len(said) > 300:
            return [*said, f"left: {left}"]
        after()


def main(folder: Path) -> None:
    loop.CHECKPOINT_SECONDS = 0
    recipe = write_job(folder, SHORT)
    finish(recipe, folder / "whole")
    run, disk, size = folder / "run", folder / "disk", 1200  # KiB: less than the teacher

    def grow() -> None:
        nonlocal size
        size = size * 6 // 5
        subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)

    FailingWrites(run)
    told = {"writes": (run, finish(recipe, run))}
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode == 0:
        told["tmpfs"] = (disk / "run", finish(recipe, disk / "run", grow))
    whole = result(folder / "whole")
    found = {
        way: {"said": said, "same": result(out) == whole, "left": strays(out)} for way, (out, said) in told.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
