"""Build models from untrusted config.json files with timm and transformers."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import TypeVar

import psutil
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from hubslice.core.errors import HubsliceError, ModelError
from hubslice.files.config import COPY
from hubslice.hub.session import ShutError, shut
from hubslice.models.weights import Shapes

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Budget:
    """Limits on the number of parameters and tensors of a model; `why` completes "more than ..."."""

    elements: int
    tensors: int
    why: str
    hint: str = "config.json and weights do not belong together; mend it, or choose another revision"

    @classmethod
    def of_weights(cls, held: Shapes) -> Budget:
        """Return twice what the weights contain: tied parameters are created before they are tied."""
        elements = sum(torch.Size(shape).numel() for shape in held.values())
        return cls(2 * elements + 1_000_000, 2 * len(held) + 1000, f"the {elements:,} values of its weights allow")

    @classmethod
    def of_pickles(cls, size: int) -> Budget:
        """Return what pickles of `size` bytes can contain at most; tied parameters are created twice."""
        return cls(2 * size + 1_000_000, 100_000, f"the {size:,} bytes of its weights allow")

    @classmethod
    def of_memory(cls) -> Budget:
        """Return what fits into the free memory as float32."""
        free = psutil.virtual_memory().available
        return cls(
            free // 4,
            100_000,
            f"the {free / 2**30:.0f} GiB of free memory allow",
            "choose a smaller model, or a machine with more memory",
        )


def skeleton(build: Callable[[], M], budget: Budget, where: str) -> M:
    """Build the module without allocating its parameters; stops as soon as it exceeds the budget.

    Raises:
        ModelError: it is larger than the budget.
    """
    elements = tensors = 0

    def count(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal elements, tensors
        elements, tensors = elements + (0 if parameter is None else parameter.numel()), tensors + 1
        if elements > budget.elements or tensors > budget.tensors:
            raise ModelError(
                f"{where} describes a model of more than {max(elements, tensors):,} parameters, more than {budget.why}",
                hint=budget.hint,
            )

    handle = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"):
            return build()
    finally:
        handle.remove()


@contextlib.contextmanager
def trouble_with(folder: Path, library: str) -> Iterator[None]:
    """Raise ModelError for any error of the library: neither documents a closed set of errors.

    Inside the block the library cannot access the Hub. Its log messages are suppressed: they are part of the error
    message, or not useful.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with shut("a model's files are loaded without a network"):
            yield
    except HubsliceError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"{folder} prepares its input in a way that no image can be: "
            f"{'.'.join(map(str, first['loc']))} {str(first['input'])[:80]}: {first['msg']}",
            hint="mend config.json or preprocessor_config.json, or choose another revision",
        ) from error
    except Exception as error:
        if asked := _unasked(error):
            raise ModelError(
                f"{folder} cannot be loaded from its own files: {library} would ask {asked.request.url.host} for more",
                hint="save the model with a description of its whole network: in config.json backbone_config, not the "
                "name of a backbone",
            ) from error
        raise ModelError(
            f"{library} cannot load {folder}: {_first_line(error, folder)}",
            hint="check that config.json and weights belong together, or upgrade "
            f"{library}: pip install --upgrade {library}",
        ) from error
    finally:
        logging.disable(before)


def _unasked(error: BaseException | None) -> ShutError | None:
    """Return the blocked request to the Hub that caused the error."""
    while error is not None and not isinstance(error, ShutError):
        error = error.__cause__ or error.__context__
    return error


def _first_line(error: Exception, folder: Path) -> str:
    """Return the error's first line, with the name of the folder instead of that of a temporary copy."""
    text = re.sub(rf"{re.escape(gettempdir())}[/\\]{COPY}[^/\\\s'\"]*", lambda _: str(folder), str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
