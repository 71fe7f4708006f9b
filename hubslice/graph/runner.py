"""Run a graph with one image input at any batch size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubslice.core.errors import HubsliceError, ModelError
from hubslice.core.foreign_errors import message_of
from hubslice.graph.classifier import arranged, channels_first, channels_last, check_sides
from hubslice.graph.session import Session, open_session

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


@dataclass(frozen=True)
class Runner:
    """`name` is the user's name for the model; `shape` is the input's shape in the graph, None where it is dynamic."""

    name: str
    session: Session
    input: str
    given: tuple[int | None, ...]  # as in the graph
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The input's shape as [N, C, H, W] whatever the graph's layout; None: any size."""
        return channels_first(self.given)

    def own_order(self, size: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return a size [C, H, W] in the graph's layout."""
        return (size[1], size[2], size[0]) if channels_last(self.given) else size

    def call(self, batch: int, size: tuple[int, int, int]) -> Callable[[], object]:
        """Return a function that runs the graph on fixed seeded images [batch, *size].

        Raises:
            ModelError: the graph has another fixed batch size, or cannot run on this input.
        """
        fixed = self.shape[0]
        if fixed not in (None, batch):
            raise ModelError(
                f"{self.name} takes batches of {fixed} only, not of {batch}",
                hint=f"measure with --batch {fixed}, or export it with a free batch axis",
            )
        rng = np.random.default_rng(0)
        drawn = rng.integers(0, 256, (batch, *size)) if self.dtype == np.uint8 else rng.standard_normal((batch, *size))
        feeds = {self.input: arranged(drawn, self.given).astype(self.dtype)}

        def call() -> object:
            return self.session.runtime.run(None, feeds)

        try:
            call()
        except Exception as error:  # ONNX Runtime does not document which errors it raises
            raise ModelError(
                f"{self.name} cannot be run on a batch of {batch} x {' x '.join(map(str, size))}: {message_of(error)}",
                hint="give --input-size with the side that it was made for, or smaller batches with --batch",
            ) from error
        return call


def open_runner(name: str, graph: Path, device: str, threads: int | None) -> Runner:
    """Open the graph as users do, with all of ONNX Runtime's optimisations.

    Raises:
        ModelError: ONNX Runtime cannot open it, or its input is not one batch of images.
        ProviderError: there is no such device.
    """
    try:
        session = open_session(graph, device, level="all", threads=threads, shared=True)
    except HubsliceError:
        raise
    except Exception as error:  # ONNX Runtime does not document which errors it raises
        raise ModelError(
            f"{name} cannot be opened by ONNX Runtime: {message_of(error)}",
            hint="export it again; the file may be damaged",
        ) from error
    inputs = session.runtime.get_inputs()
    if len(inputs) != 1:
        raise ModelError(
            f"{name} takes {len(inputs)} inputs ({', '.join(value.name for value in inputs)})",
            hint="models with one input of images [N, C, H, W] or [N, H, W, C] are measured",
        )
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in inputs[0].shape)
    if len(shape) != 4 or inputs[0].type not in TYPES:
        given = " x ".join("?" if size is None else str(size) for size in shape)
        raise ModelError(
            f"{name} takes no images: its input is a {inputs[0].type} of {given}",
            hint="models with one input of images [N, C, H, W] or [N, H, W, C] are measured",
        )
    check_sides(name, shape)
    return Runner(name, session, inputs[0].name, shape, np.dtype(TYPES[inputs[0].type]))
