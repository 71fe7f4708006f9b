"""The checks of `hubslice doctor`: each returns one or more findings and never raises."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hubslice.core.errors import HubsliceError
from hubslice.core.foreign_errors import first_line

if TYPE_CHECKING:
    from hubslice.hub.hub import Hub, Login

State = Literal["ok", "warn", "fail"]

_PACKAGES = (
    "torch", "torchvision", "timm", "transformers", "onnx", "onnxscript", "safetensors", "datasets", "accelerate",
    "huggingface-hub",
)  # fmt: skip
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
_PATIENCE = 5.0  # seconds that the Hub has to answer
_GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """One line of the report; `hint` says how to fix it."""

    name: str
    state: State
    detail: str
    hint: str = ""


def examine() -> Iterable[Finding]:
    """Run every check, in the order of the report."""
    for check in CHECKS:
        name = check.__name__.removeprefix("_")
        try:
            yield from check()
        except HubsliceError as error:
            yield Finding(name, "fail", error.headline, error.hint or "")
        except Exception as error:  # a broken installation may raise anything; that is the finding
            yield Finding(name, "fail", f"{type(error).__name__}: {first_line(error)}", "reinstall hubslice")


def _python() -> Iterable[Finding]:
    yield Finding(
        "hubslice", "ok", f"{version('hubslice')} on Python {platform.python_version()}, {platform.platform()}"
    )


def _packages() -> Iterable[Finding]:
    found = {name: _version(name) for name in (*_PACKAGES, *_RUNTIMES)}
    missing = [name for name in _PACKAGES if found[name] is None]
    runtimes = [name for name in _RUNTIMES if found[name]]
    if missing or not runtimes:
        lacking = ", ".join([*missing, *([] if runtimes else ["onnxruntime"])])
        yield Finding("packages", "fail", f"not installed: {lacking}", "pip install --upgrade hubslice")
    else:
        yield Finding("packages", "ok", ", ".join(f"{name} {number}" for name, number in found.items() if number))
    if len(runtimes) > 1:
        yield Finding(
            "onnxruntime",
            "warn",
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files",
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu",
        )


def _torch() -> Iterable[Finding]:
    import torch
    import torchvision  # raises if its build does not match torch's

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    where = f"CUDA {torch.version.cuda}: {', '.join(names)}" if names else f"CPU, {torch.get_num_threads()} threads"
    yield Finding("torch", "ok", f"{torch.__version__} with torchvision {torchvision.__version__}; {where}")
    if not names and torch.version.cuda and Path("/proc/driver/nvidia").exists():
        yield Finding("gpu", "warn", "there is an NVIDIA driver, but torch cannot use the GPU", "update the driver")


def _onnx_runtime() -> Iterable[Finding]:
    import onnxruntime
    import torch

    from hubslice.core.errors import ProviderError
    from hubslice.graph.session import open_session

    device = "cuda" if torch.cuda.is_available() else "cpu"
    built = getattr(onnxruntime, "cuda_version", "") or "no CUDA"
    about = f"onnxruntime {onnxruntime.__version__} (built for {built})"
    try:
        provider = open_session(_identity_graph(), device).provider
    except ProviderError as error:
        yield Finding(
            "onnxruntime", "fail", f"{about}, torch has CUDA {torch.version.cuda}: {error.headline}", error.hint or ""
        )
        return
    yield Finding("onnxruntime", "ok", f"{about} runs on {provider}")


def _hub() -> Iterable[Finding]:
    from hubslice.hub.default import default_hub
    from hubslice.hub.hub import LOGIN
    from hubslice.hub.refusals import cause, explain, status

    hub = default_hub()
    if hub.offline:
        yield Finding("hub", "ok", "offline mode (HF_HUB_OFFLINE): local folders and the cache only")
        yield _token(hub, "not checked offline")
        return
    try:
        token = _rights(hub.login(patience=_PATIENCE))
    except Exception as error:  # no answer, or anything else than a Hub's
        code = status(error)
        if code not in (401, 403):
            why, hint = explain(cause(error), repo_id="", client=hub)
            yield Finding("hub", "warn", hub.without_token(why), f"{hint}; local folders work")
            yield _token(hub, "not checked")
            return
        token = _token(hub, "")
        if hub.login_token:
            token = Finding("token", "fail", f"the Hub does not accept it (HTTP {code})", LOGIN)
    yield Finding("hub", "ok", f"{hub.url} answers")
    yield token


def _disk() -> Iterable[Finding]:
    from huggingface_hub import constants

    from hubslice.hub.disk_space import existing

    cache = Path(constants.HF_HUB_CACHE).expanduser().absolute()
    for name, folder in (("disk", Path.cwd()), ("cache", cache)):
        place = existing(folder)
        blocked = place != folder and os.path.lexists(place / folder.relative_to(place).parts[0])  # by a file
        if blocked or not os.access(place, os.W_OK | os.X_OK):
            yield Finding(name, "fail", f"cannot write {folder}", _writable(name, folder))
            continue
        free = shutil.disk_usage(place).free / _GIB
        state: State = "fail" if free < 1 else "warn" if free < 10 else "ok"
        hint = "" if state == "ok" else "free some space" if name == "disk" else "hf cache ls; HF_HOME moves the cache"
        yield Finding(name, state, f"{free:.0f} GiB free at {folder}", hint)


def _writable(name: str, folder: Path) -> str:
    from hubslice.core.caches import caches

    found = next((each for each in caches() if each.folder == folder), None) if name == "cache" else None
    if found is None:
        return "go to a folder that this user may write"
    return f"set {found.variable} to a folder that this user may write{found.now}"


def _memory() -> Iterable[Finding]:
    import psutil

    memory = psutil.virtual_memory()
    state: State = "ok" if memory.available > 2 * _GIB else "warn"
    hint = "" if state == "ok" else "close other programs, or lower train.batch_size and profile.batch_size"
    yield Finding("memory", state, f"{memory.available / _GIB:.0f} of {memory.total / _GIB:.0f} GiB free", hint)


CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (_python, _packages, _torch, _onnx_runtime, _hub, _disk, _memory)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _identity_graph() -> bytes:
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "doctor", ends[:1], ends[1:])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


def _token(hub: Hub, unchecked: str) -> Finding:
    from hubslice.hub.hub import LOGIN

    if hub.login_token:
        return Finding("token", "ok", f"there is one, {unchecked}")
    return Finding("token", "warn", "not logged in: public models only, no push", LOGIN)


def _rights(login: Login) -> Finding:
    about = f"logged in as {login.name}, token with {login.role} rights"
    if login.reads_only:
        return Finding("token", "warn", f"{about}: no push", "make a token with write access, then hf auth login")
    return Finding("token", "ok", about)
