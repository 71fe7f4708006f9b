"""Record what a step is computed with: versions, platform and device."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from urllib.parse import urlsplit

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
    """Return versions and platform of the current process, and the device that it works on."""
    return Environment(
        hubslice=metadata.version("hubslice"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        device=device,
        packages=_installed(),
    )


@cache
def requirement() -> str | None:
    """Return the pip requirement of this hubslice: a release or a commit; None if installed from a folder."""
    found = metadata.distribution("hubslice")
    try:
        origin = json.loads(found.read_text("direct_url.json") or "null")  # PEP 610
    except ValueError:
        return None
    if origin is None:
        return f"hubslice=={found.version}" if found.read_text("INSTALLER") else None
    source = origin.get("vcs_info", {})
    if source.get("vcs") != "git" or not source.get("commit_id"):
        return None
    place = urlsplit(origin.get("url", ""))
    if place.scheme != "https" or "@" in place.netloc:  # no local path, no credentials
        return None
    return f"hubslice @ git+https://{place.netloc}{place.path}@{source['commit_id']}"


def flat(environment: Environment) -> dict[str, str]:
    """Return the environment as one table: hubslice, python, platform, device, and the packages by name."""
    fields = environment.model_dump(include={"hubslice", "python", "platform", "device"})
    return {**fields, **environment.packages}


def deviations(common: Environment, steps: Mapping[str, Environment | None]) -> dict[str, dict[str, str]]:
    """Return for each step what differed from the common environment.

    None is a step of a version that did not record its environment.
    """
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
