"""Process samples in batches, and halve the batch size when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from hubslice.core.errors import MemoryShortError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory

Result = TypeVar("Result")


class Batches:
    """Batches of at most `size` samples. If a batch does not fit into memory, the size is halved permanently.

    Only for work whose result for a sample does not depend on its batch (except for the last digits: kernels may round
    differently at another size). Training is not such work.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def over(self, start: int, end: int, work: Callable[[int, int], Result]) -> Iterator[Result]:
        """Yield `work(start, stop)` for consecutive ranges of samples up to `end`.

        A call to `work` that runs out of memory must not have changed anything.

        Raises:
            MemoryShortError: a single sample does not fit.
        """
        while start < end:
            stop = min(start + self.size, end)
            try:
                result = work(start, stop)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                if stop - start == 1:
                    raise MemoryShortError(
                        f"out of memory with a single sample ({first_line(error)})",
                        hint="set a smaller teacher.input_size, or use --device cpu on a machine with more memory",
                    ) from error
                self.size = (stop - start) // 2
            else:
                yield result
                start = stop
                continue
            # Memory can only be released here, after the error and the tensors referenced by its traceback are gone.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
