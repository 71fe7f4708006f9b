"""Running totals that stay on the device for the whole pass over the data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime as ort

from hubslice.core.errors import ProfileError
from hubslice.core.foreign_errors import message_of
from hubslice.core.machine import out_of_memory
from hubslice.graph.session import Session
from hubslice.profiling.instrument import STATE_IN, STATE_OUT


class Accumulator:
    """Runs an instrumented graph batch by batch. Its int64 state [size] alternates between two device buffers.

    The same code runs on the CPU, where the buffers are plain memory and nothing is copied.
    """

    def __init__(self, session: Session, state: np.ndarray) -> None:
        self._session = session
        self._state = self._buffer(state)
        self._next = self._buffer(np.zeros_like(state))

    def add(self, batch: Mapping[str, np.ndarray]) -> None:
        """Add the counts of one batch, arrays [N, ...] by graph input name.

        Errors that mean that the batch does not fit into memory are raised unchanged. The state is then unchanged too,
        so a part of the batch can be tried.

        Raises:
            ProfileError: the graph cannot run on such a batch.
        """
        binding = self._session.runtime.io_binding()
        arrays = {name: np.ascontiguousarray(array) for name, array in batch.items()}  # a binding may not own them
        try:
            for name, array in arrays.items():
                binding.bind_cpu_input(name, array)
            binding.bind_ortvalue_input(STATE_IN, self._state)
            binding.bind_ortvalue_output(STATE_OUT, self._next)
            self._session.runtime.run_with_iobinding(binding)
            binding.synchronize_outputs()
        except Exception as error:  # ONNX Runtime's exceptions have no common base class
            if out_of_memory(error):
                raise
            raise ProfileError(f"the graph cannot run on this batch: {message_of(error)}") from error
        # Swapped only after success. There are two because ONNX Runtime does not let an output overwrite its input.
        self._state, self._next = self._next, self._state

    def state(self) -> np.ndarray:
        """Return a copy of the totals, int64 [size]."""
        return np.array(self._state.numpy())

    def _buffer(self, array: np.ndarray) -> ort.OrtValue:
        return ort.OrtValue.ortvalue_from_numpy(array, self._session.device_type, self._session.device_id)
