"""Create a known architecture with random weights, for students trained from scratch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hubslice.core.errors import HubsliceError, ModelError
from hubslice.core.foreign_errors import message_of
from hubslice.files.config import check_numbers
from hubslice.models.base import Model
from hubslice.models.libraries import library_named
from hubslice.recipe.schema import TeacherParams

LABELS = ("0", "1")  # placeholder labels; training replaces the classifier
# Arguments determined by the task and its images.
TASKS = frozenset({"in_chans", "num_channels", "num_classes", "num_labels", "id2label", "label2id", "problem_type"})


def create_model(teacher: TeacherParams, seed: int) -> Model:
    """Return a recipe's architecture with seeded random weights and a placeholder classifier.

    Reads neither files nor the network.

    Raises:
        ModelError: there is no such architecture, or it does not accept these arguments.
    """
    arguments = {name: _plain(value) for name, value in teacher.arguments.items()}
    decided = sorted(TASKS & arguments.keys())
    if decided:
        raise ModelError(
            f"teacher.arguments gives {decided[0]!r}, which the task decides", hint="take it out of teacher.arguments"
        )
    check_numbers(arguments, teacher.model)
    with _trouble_with(teacher.model):
        library, name = library_named(teacher.model)
        model = library.adapter().from_architecture(name, LABELS, teacher.input_size, seed=seed, **arguments)
        model.check_sliceable()
    model.module.eval()
    return model


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@contextmanager
def _trouble_with(name: str) -> Iterator[None]:
    """Raise ModelError for any error of a library about arguments."""
    try:
        yield
    except HubsliceError:
        raise
    except Exception as error:
        raise ModelError(
            f"{name} cannot be made with these arguments: {type(error).__name__}: {message_of(error)}",
            hint="mend teacher.arguments: they are those of the architecture, as its library documents them",
        ) from error
