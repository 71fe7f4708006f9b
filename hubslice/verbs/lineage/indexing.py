"""Write fingerprints of many models to one file, losing little work if interrupted.

Each fingerprint is stored in a folder beside the output as soon as it is computed. The index replaces an older one when
all models were read, or left out because of their own errors; until then the same command resumes.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from hubslice.ancestry.candidates import each, expand
from hubslice.ancestry.compare import sample
from hubslice.ancestry.fingerprint import Fingerprint, fingerprint
from hubslice.ancestry.index import KIND, load_index, save_index
from hubslice.ancestry.opening import is_file, open_model
from hubslice.artefacts.lineage import Indexed
from hubslice.core.artefact import DRAFT
from hubslice.core.errors import LineageError, RunError
from hubslice.core.machine import AGAIN, faults_told
from hubslice.core.paths import as_path, as_text
from hubslice.core.progress import Reporter
from hubslice.files.sealed import check_replaceable
from hubslice.hub.default import default_hub
from hubslice.hub.listing import list_files
from hubslice.hub.ref import HubRef, parse_ref
from hubslice.verbs.lineage.params import IndexParams


def lineage_index(params: IndexParams, reporter: Reporter) -> Indexed:
    """Compute the fingerprints of models and write them."""
    started = time.perf_counter()
    out, add = as_path(params.out), params.add
    check_replaceable(out, KIND)
    names = expand([as_text(each) for each in params.models])
    if not names:
        raise LineageError("no model is named", hint="hubslice lineage index ID ... --out FILE, or --from FILE")
    held = (load_index(out) if add else list(_readable([out]))) if out.is_file() else []
    kept = _Kept(out, held)
    read = 0

    def take(name: str) -> Fingerprint:
        nonlocal read
        if found := kept.find(name):
            return found
        tensors = open_model(name)
        found = fingerprint(sample(tensors))
        read += tensors.bytes_read
        if not found.layers:
            raise LineageError(f"{name} has no layer that could be compared", hint="leave it out")
        kept.put(found)
        return found

    prints, skipped = each(names, take, reporter, label="Read", again=AGAIN)
    if add:
        fresh = {found.model for found in prints}
        prints = [found for found in held if found.model not in fresh] + prints
    with faults_told(f"writing {out}", out.parent):
        save_index(out, prints)
    kept.drop()
    return Indexed(
        file=str(out),
        models=tuple(found.model for found in prints),
        skipped=skipped,
        bytes=out.stat().st_size,
        bytes_read=read,
        seconds=round(time.perf_counter() - started, 3),
    )


class _Kept:
    """Fingerprints of models on the Hub that need not be computed again: from an older index, or an interrupted call.

    Local models have no commit that would show whether they changed.
    """

    def __init__(self, out: Path, held: Iterable[Fingerprint]) -> None:
        self._folder = out.with_name(f".{out.name}{DRAFT}")
        drafts = _readable(sorted(self._folder.glob("*.safetensors")))
        self._prints = {(found.model, found.commit): found for found in (*held, *drafts) if found.commit is not None}
        self._names = {name for name, _ in self._prints}

    def find(self, name: str) -> Fingerprint | None:
        """Return the fingerprint for the commit that the name currently resolves to; only asks the Hub for that."""
        ref = None if is_file(name) else parse_ref(name, Path.cwd())
        if not isinstance(ref, HubRef) or str(ref) not in self._names:
            return None
        return self._prints.get((str(ref), list_files(ref, default_hub()).commit))

    def put(self, found: Fingerprint) -> None:
        """Store it for resuming."""
        if found.commit is not None:
            name = hashlib.sha256(f"{found.model} {found.commit}".encode()).hexdigest()
            with faults_told(f"writing {self._folder}", self._folder.parent):
                save_index(self._folder / f"{name[:32]}.safetensors", [found])

    def drop(self) -> None:
        """Delete what was stored for resuming."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _readable(paths: Iterable[Path]) -> Iterator[Fingerprint]:
    """Return the contents of intact files of this version; others are recomputed."""
    for path in paths:
        try:
            yield from load_index(path)
        except (LineageError, RunError):
            continue
