"""Compare a run with its lock, line by line, and whether differences can change a student's bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hubslice.artefacts.lock import Lock, LockedModel
from hubslice.artefacts.report import Environment
from hubslice.core.errors import InputError, LockError
from hubslice.engine.environment import flat
from hubslice.hub.ref import parse_ref
from hubslice.recipe.schema import SliceRecipe
from hubslice.recipe.section import only_speed
from hubslice.recipe.settings import defaults_of, settings_of
from hubslice.run.lock import Sources

# Packages whose versions affect the computed numbers, or the pixels.
DECISIVE = ("hubslice", "torch", "torchvision", "timm", "transformers", "onnxruntime", "pillow")
SPEED = only_speed(SliceRecipe)
ROLES = {"pull": "teacher", "pull.clean": "clean teacher"}


def settings_drift(lock: Lock, recipe: SliceRecipe) -> tuple[list[str], list[str]]:
    """Return the recipe's values that differ from the locked ones: those it sets, and defaults, which may change."""
    now, given = settings_of(recipe), settings_of(recipe, given=True).keys()
    # A lock of an older version has the defaults for settings that it lacks.
    locked = {key: value for key, value in defaults_of(recipe).items() if key in now} | {
        key: value
        for key, value in lock.settings.items()
        if key not in SPEED  # present in locks of older versions
    }
    drifted = [key for key in sorted(locked.keys() | now.keys()) if locked.get(key) != now.get(key)]
    lines = {
        key: f"recipe, {key}: locked {locked.get(key, 'not given')}, now {now.get(key, 'not given')}" for key in drifted
    }
    return [lines[key] for key in drifted if key in given], [lines[key] for key in drifted if key not in given]


def model_drift(lock: Lock, models: Mapping[str, str], base: Path) -> list[str]:
    """Return models on the Hub, by the step that pulls them, that differ from the lock, before any is fetched.

    Local models are only compared by content, see `source_drift`.
    """
    lines = []
    for step, model in models.items():
        locked = lock.models.get(step)
        if locked is None or locked.repo_id is None or locked.model == model:
            continue
        if _on_hub(model, base):
            lines.append(f"{_role(step)}: locked {locked.model}, now {model}")
    return lines


def environment_drift(lock: Lock, now: Environment) -> tuple[list[str], list[str]]:
    """Return version changes that affect bits, and those that only need a warning: other versions, platform, device."""
    locked, found = _one_runtime(flat(lock.environment)), _one_runtime(flat(now))
    locked["device"], found["device"] = (each["device"].partition(":")[0] for each in (locked, found))
    decisive: list[str] = []
    other: list[str] = []
    for name in sorted(locked.keys() | found.keys()):
        before, after = locked.get(name, "none"), found.get(name, "none")
        if before == after:
            continue
        # Builds of one version for different devices only differ in their local part: 2.9.1+cpu, 2.9.1+cu130.
        same_version = before.partition("+")[0] == after.partition("+")[0]
        (decisive if name in DECISIVE and not same_version else other).append(f"{name}: locked {before}, now {after}")
    return decisive, other


def source_drift(lock: Lock, sources: Sources) -> list[str]:
    """Return models and data that differ from the locked ones."""
    lines = []
    for step, model in sources.models.items():
        role = _role(step)
        locked = lock.models.get(step)
        lines += [f"{role}: not in the lock"] if locked is None else _model_drift(role, locked, model)
    if sources.data is not None and sources.data != lock.data:
        now = sources.data
        if lock.data.revision != now.revision:
            lines.append(f"data revision: locked {lock.data.revision}, now {now.revision}")
        for split, number in lock.data.samples.items():
            if now.samples.get(split) != number:
                lines.append(f"data, {split} samples: locked {number}, now {now.samples.get(split)}")
        if lock.data.fingerprint != now.fingerprint:
            lines.append(f"data fingerprint: locked {lock.data.fingerprint[:12]}, now {now.fingerprint[:12]}")
    return lines


def refuse(lines: Sequence[str], where: str) -> None:
    """Raise an error if there are any lines.

    Raises:
        LockError: listing all lines.
    """
    if lines:
        raise LockError(
            f"this would not be the run that {where} pins:",
            lines,
            hint="undo the change, or accept it: run without --locked, which writes a new lock",
        )


def _role(step: str) -> str:
    return ROLES.get(step, f"unrelated network of {step.removeprefix('pull.')}")


def _on_hub(model: str, base: Path) -> bool:
    try:
        return parse_ref(model, base).kind == "hub"
    except InputError:  # reported when it is pulled
        return False


def _model_drift(role: str, locked: LockedModel, now: LockedModel) -> list[str]:
    lines = []
    if locked.repo_id is not None and now.repo_id is not None and locked.commit != now.commit:
        lines.append(f"{role} commit: locked {locked.commit}, now {now.commit}")
    before, after = ({file.path: file.sha256 for file in model.files} for model in (locked, now))
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            shown = (found[:12] if found else "no such file" for found in (before.get(path), after.get(path)))
            lines.append(f"{role}, {path}: locked {next(shown)}, now {next(shown)}")
    return lines


def _one_runtime(versions: dict[str, str]) -> dict[str, str]:
    """Give ONNX Runtime one name, whichever of its packages is installed."""
    return {name.removesuffix("-gpu"): version for name, version in versions.items()}
