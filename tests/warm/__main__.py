"""The parent of warm processes: imports once, forks whenever it is asked to.

    python -m tests.warm SOCKET

It ends when its stdin does. Of each request there is a process that waits for the one that does what was asked, and
tells its id and how it ended.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import types
import warnings
from pathlib import Path
from typing import Any

from tests.warm import ROOT

# What a run, an export and a table import, but for those that read HF_* when they are imported.
MODULES = (
    "torch",
    "torchvision",
    "torch._dynamo",
    "torch.onnx._internal.exporter._core",
    "torch.distributed",
    "torch.export",
    "torch.ao.quantization",
    "triton",
    "sympy",
    "networkx",
    "onnx",
    "onnx.reference",
    "onnxscript",
    "numba",
    "matplotlib.pyplot",
    "mpl_toolkits.axes_grid1",
    "pandas",
    "pyarrow.parquet",
    "pyarrow.dataset",
    "PIL.Image",
    "pydantic",
    "typer",
    "jinja2",
    "yaml",
    "safetensors.torch",
)
# They read settings of users, are what is tested, or start threads, which a fork would not have.
FRESH = ("huggingface_hub", "hf_xet", "datasets", "transformers", "timm", "accelerate", "hubslice", "onnxruntime")


def received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request and the three streams that came with it."""
    content, streams, _, _ = socket.recv_fds(connection, 1, 3)
    while not content.endswith(b"\n"):
        content += connection.recv(1 << 16)
    return json.loads(content), streams


def serve(address: str) -> tuple[dict[str, Any], list[int]]:
    """Fork a process for each connection until stdin ends. Returns in the forked ones, with what each is to do."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [])
        if listening not in ready:
            os._exit(0)
        connection, _ = listening.accept()
        if os.fork():
            connection.close()
            continue
        listening.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        request, streams = received(connection)
        pid = os.fork()
        if not pid:
            connection.close()
            return request, streams
        for stream in streams:
            os.close(stream)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # to the whole group, say: this one is to tell how the other ended
        with contextlib.suppress(OSError):  # who asked may have gone
            connection.sendall(f"{pid}\n".encode())
            _, status = os.waitpid(pid, 0)
            connection.sendall(f"{status}\n".encode())
        os._exit(0)


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Take on what the one who asked gave."""
    if request["new_session"]:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those of the parent know what its own descriptors can do.
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    told = open(2, "w", closefd=False, errors="backslashreplace", buffering=1)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = told  # type: ignore[misc]
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    tempfile.tempdir = None
    sys.modules["numpy"].random.seed()
    ours = {"", ROOT, str(Path.cwd())}
    given = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    # The package itself comes last, where an editable installation puts it.
    sys.path[:] = ["", *given, *(each for each in sys.path if each not in ours), ROOT]
    importlib.invalidate_caches()
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]


def live(arguments: list[str]) -> None:
    """What `python ARGUMENTS` does."""
    how, *rest = arguments
    if how == "-W":
        warnings.simplefilter(rest[0])  # type: ignore[arg-type]
        how, *rest = rest[1:]
    if how == "-m":
        sys.argv[:] = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif how == "-c":
        sys.argv[:] = ["-c", *rest[1:]]
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        exec(compile(rest[0], "<string>", "exec"), main.__dict__)
    else:
        sys.argv[:] = [how, *rest]
        sys.path[0] = str(Path(how).parent.absolute())
        runpy.run_path(how, run_name="__main__")


def main() -> None:
    for name in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded.intersection(FRESH), loaded.intersection(FRESH)
    assert threading.active_count() == 1
    request, streams = serve(sys.argv[1])
    become(request, streams)
    live(request["arguments"])


if __name__ == "__main__":
    main()
