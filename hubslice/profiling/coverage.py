"""Coverage profiling: one pass over the task's samples, with memory independent of their number.

ReMoS (ICSE'22, section 4) counts, for each channel on either side of a layer, the samples that activate it. Its code
hooks PyTorch modules and reduces in NumPy, sample by sample, for convolutions only; the counts here are the same,
include linear layers, and are computed inside the graph by ONNX Runtime.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import TensorProto

from hubslice.artefacts.profile import Criterion, Profile
from hubslice.core.batching import Batches
from hubslice.core.errors import ProfileError
from hubslice.graph.neuron_map import NeuronMap
from hubslice.graph.session import open_session
from hubslice.profiling.accumulator import Accumulator
from hubslice.profiling.checkpoint import Checkpoint, load_checkpoint
from hubslice.profiling.instrument import instrument

CHECKPOINT_EVERY = 50  # batches


class ProfileData(Protocol):
    """Samples in a fixed order. `fingerprint` changes with their content, order or preprocessing."""

    @property
    def fingerprint(self) -> str:
        """Identity of the samples."""

    def __len__(self) -> int: ...

    def batch(self, start: int, stop: int) -> Mapping[str, np.ndarray]:
        """Return samples `start` to `stop` as arrays [stop - start, ...] by graph input name."""


def profile(
    model: Path,
    neurons: NeuronMap,
    data: ProfileData,
    criterion: Criterion,
    *,
    device: str = "cpu",
    batch_size: int = 8,
    threads: int | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
    progress: Callable[[int, int], None] | None = None,
) -> Profile:
    """Count on how many samples each channel of the map's tensors is active.

    Peak memory grows with `batch_size`, not with the data. A batch that does not fit is halved for the rest of the run;
    the counts do not depend on it. With `checkpoint`, the totals are saved there every `checkpoint_every` batches, a
    run that finds them resumes, and the file is removed at the end. `progress(done, total)` is called after each batch.

    Raises:
        ProfileError: there are no samples, or a sample does not fit the graph.
        MemoryShortError: a single sample does not fit into memory.
        ProviderError: `device` cannot be used.
    """
    total = len(data)
    if total == 0:
        raise ProfileError("there are no samples to profile")
    proto = onnx.load(model, load_external_data=False)
    counted = instrument(proto, neurons.tensors, criterion)
    files = _weight_files(proto)
    session = open_session(
        counted.model.SerializeToString(),
        device,
        threads=threads,
        external_data=model.parent if files else None,
    )
    digest = _digest(model, *(model.parent / name for name in files))
    key = _key(digest, data.fingerprint, total, criterion, counted.places)
    found = load_checkpoint(checkpoint, key) if checkpoint else None
    resumed = found.done if found else 0
    totals = Accumulator(session, found.state if found else np.zeros(counted.size, np.int64))

    def count(start: int, stop: int) -> int:
        totals.add(_checked(data.batch(start, stop), session.input_names[:-1], stop - start))
        return stop

    for batches, done in enumerate(Batches(batch_size).over(resumed, total, count), 1):
        if checkpoint and done < total and batches % checkpoint_every == 0:
            Checkpoint(key, done, totals.state()).save(checkpoint)
        if progress:
            progress(done, total)
    state = totals.state()
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    counts = {name: state[start:stop].copy() for name, (start, stop) in counted.places.items()}
    return Profile(counts, total, criterion, session.provider, digest, data.fingerprint)


def _checked(batch: Mapping[str, np.ndarray], names: tuple[str, ...], samples: int) -> Mapping[str, np.ndarray]:
    if set(batch) != set(names):
        raise ProfileError(f"the data gives {', '.join(sorted(batch))}; the graph takes {', '.join(sorted(names))}")
    for name, array in batch.items():
        if array.shape[:1] != (samples,):
            raise ProfileError(f"asked for {samples} samples, the data gave {name} of shape {list(array.shape)}")
    return batch


def _weight_files(proto: Any) -> list[str]:
    """Return the names of the graph's external weight files; empty below 2 GB."""
    return sorted(
        {
            entry.value
            for tensor in proto.graph.initializer
            if tensor.data_location == TensorProto.EXTERNAL
            for entry in tensor.external_data
            if entry.key == "location"
        }
    )


def _digest(*paths: Path) -> str:
    """Return the SHA-256 of all the files together."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: total)  # updates the same digest
    return total.hexdigest()


def _key(digest: str, data: str, total: int, criterion: Criterion, places: Mapping[str, Any]) -> str:
    about = [digest, data, total, criterion.model_dump(), places]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
