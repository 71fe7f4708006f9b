"""What a step is computed with: versions, platform and device."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata

from hubslice.artefacts.report import Environment

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "onnx",
    "onnxruntime-gpu",
    "onnxruntime",
    "huggingface_hub",
    "datasets",
    "accelerate",
    "safetensors",
    "numpy",
    "pillow",
)


def environment(device: str) -> Environment:
    """Versions and platform of the present process, and the device that it works on."""
    return Environment(
        hubslice=metadata.version("hubslice"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        device=device,
        packages=_installed(),
    )


def flat(environment: Environment) -> dict[str, str]:
    """The environment as one table: hubslice, python, platform, device, and the packages by name."""
    fields = environment.model_dump(include={"hubslice", "python", "platform", "device"})
    return {**fields, **environment.packages}


def deviations(common: Environment, steps: Mapping[str, Environment | None]) -> dict[str, dict[str, str]]:
    """Of the steps that something else computed, what differed; None is a step of a version that did not note it."""
    usual, found = flat(common), {}
    for step, noted in steps.items():
        own = {"hubslice": "unknown"} if noted is None else flat(noted)
        differing = {name: value for name, value in own.items() if usual.get(name) != value}
        missing = {} if noted is None else {name: "absent" for name in usual if name not in own}
        if differing | missing:
            found[step] = differing | missing
    return found


@cache
def _installed() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
