"""Environment of every test: no telemetry, nobody's login, a Hub cache of its own.

huggingface_hub reads these variables when it is imported, so they are set before anything else.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

import pytest
from hypothesis import settings

_HOME = tempfile.mkdtemp(prefix="hubslice-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
# Clients run as users have them, with Xet and shared blobs on, whatever this shell says; tests that need it otherwise
# say why.
for _name in (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_ENDPOINT",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "HF_HUB_DISABLE_XET",
    "HF_HUB_DISABLE_SHARED_BLOBS",
):
    os.environ.pop(_name, None)
os.environ["HF_HOME"] = _HOME
if "HUBSLICE_TESTS_EXPORTS" not in os.environ:  # the first of the test processes: the others have it from this one
    os.environ["HUBSLICE_TESTS_EXPORTS"] = tempfile.mkdtemp(prefix="hubslice-tests-exports-")
    atexit.register(shutil.rmtree, os.environ["HUBSLICE_TESTS_EXPORTS"], ignore_errors=True)
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_UPDATE_CHECK", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
# The waits between the tries of a client of Xet, which are seconds.
os.environ.setdefault("HF_XET_CLIENT_RETRY_BASE_DELAY", "10ms")
# Several test processes share the cores; OpenMP threads that wait for each other would slow all of them down.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run; `pytest --hypothesis-profile=long` searches on with new ones.
settings.register_profile("repeatable", max_examples=100, deadline=None, database=None, derandomize=True)
settings.register_profile("long", max_examples=5_000, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def _exports_once() -> None:
    """Networks that several tests export are exported once."""
    from tests import exports_once

    exports_once.wrap()
