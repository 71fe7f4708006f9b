from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

HEAVY = ("torch", "transformers", "timm", "datasets", "onnxruntime", "onnx", "huggingface_hub", "matplotlib", "numpy")
TOKEN = "hf_a_secret_that_nobody_may_see"


# Settings under which Typer and Rich take a pipe for a terminal.
COLOUR = {"FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TTY_COMPATIBLE"}


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name not in COLOUR}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=plain | environment,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command", [["--help"], ["recipes", "ls"], ["validate", "vision/remos-vit"], ["validate", "none"]]
)
def test_light_commands_load_nothing_heavy(command: list[str]) -> None:
    script = (
        "import sys; from hubslice.app import run; run(sys.argv[1:]); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    assert python("-c", script, *command).stderr.splitlines()[-1] == "[]"


def test_help_is_quick_and_plain() -> None:
    seconds, bare = [], []
    for _ in range(3):  # in turns: how fast the machine is changes with what else it does
        start = time.perf_counter()
        python("-c", "import pydantic, rich.console, typer, yaml")
        between = time.perf_counter()
        done = python("-m", "hubslice", "--help")
        seconds.append(time.perf_counter() - between)
        bare.append(between - start)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--install-completion" in done.stdout
    assert "\x1b" not in done.stdout
    assert min(seconds) < 6 * min(bare)  # 3.5 times; torch alone would be five times more


def test_completion_offers_recipes() -> None:
    words = {"_HUBSLICE_COMPLETE": "complete_bash", "COMP_WORDS": "hubslice recipes show vision/d", "COMP_CWORD": "3"}
    done = python("-m", "hubslice", **words)
    built_in = Path(__file__).parents[2] / "recipes" / "vision"
    assert done.stdout.split() == sorted(f"vision/{path.stem}" for path in built_in.glob("d*.yaml"))


def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m hubslice recipes schema | head -c 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("{", "")


class Whoami(BaseHTTPRequestHandler):
    role: ClassVar[str] = "write"

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == f"Bearer {TOKEN}"
        account = {"name": "alice", "auth": {"accessToken": {"role": self.role}}}
        body = json.dumps(account if known else {"error": "Invalid credentials"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_doctor_against_a_hub(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Whoami) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        environment = {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path),
            "HF_TOKEN": TOKEN,
        }
        done = python("-m", "hubslice", "doctor", "--json", **environment)
        server.shutdown()
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert {"hubslice", "packages", "torch", "onnxruntime", "hub", "token", "disk", "cache", "memory"} <= set(findings)
    assert findings["hub"]["state"] == "ok"
    assert findings["token"]["detail"] == "logged in as alice, token with write rights"
    assert findings["onnxruntime"]["state"] == "ok"
    assert done.returncode == int("fail" in {finding["state"] for finding in findings.values()})
    assert TOKEN not in done.stdout + done.stderr
