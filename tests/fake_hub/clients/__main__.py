"""`python -m tests.fake_hub.clients MODULE NAME...`: run scenarios, print JSON: name -> traceback or null."""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import traceback
from pathlib import Path


def main(module: str, *names: str) -> None:
    scenarios = importlib.import_module(f"tests.fake_hub.clients.{module}")
    outcomes: dict[str, str | None] = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                getattr(scenarios, name)(Path(folder))
                outcomes[name] = None
            except Exception:
                outcomes[name] = traceback.format_exc()
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
