"""`python -m tests.fake_hub --root DIR --port N`: a Hub that runs until it is interrupted; prints its address."""

from __future__ import annotations

import argparse
import contextlib
import threading
from pathlib import Path

from tests.fake_hub import HubServer, User


def parse_token(text: str) -> tuple[str, User]:
    """`TOKEN=name[:role[:org,org]]` as a token and its user."""
    token, _, rest = text.partition("=")
    name, role, orgs = [*rest.split(":"), "", ""][:3]
    if not token or not name or role not in ("", "read", "write"):
        raise argparse.ArgumentTypeError(f"{text!r} is not TOKEN=name[:read|write[:org,org]]")
    return token, User(name, role="read" if role == "read" else "write", orgs=tuple(filter(None, orgs.split(","))))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fake_hub", description="A Hub on the loopback interface.")
    parser.add_argument("--root", type=Path, required=True, help="folder that keeps the repos")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument(
        "--token",
        type=parse_token,
        action="append",
        metavar="TOKEN=NAME[:ROLE[:ORGS]]",
        help="a token and its user; may be repeated (default: hf_write=alice:write)",
    )
    options = parser.parse_args()
    tokens = dict(options.token or [parse_token("hf_write=alice:write")])
    with HubServer(options.root, tokens, port=options.port) as hub:
        print(hub.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
