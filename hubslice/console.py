"""Console script entry points. Signal handlers are installed before slow imports."""

from __future__ import annotations

import sys

try:
    from hubslice.terminal.ending import ended_by_signals, leave_on_signals
except KeyboardInterrupt:  # Ctrl-C keeps its default effect until the import is done
    sys.stderr.write("error: interrupted\n")
    sys.exit(130)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    arguments = sys.argv[1:]
    try:
        with ended_by_signals():
            from hubslice.app import start

            code = start(arguments)
    except KeyboardInterrupt as ended:  # before the command started, or after it finished
        from hubslice.app import tell_end

        code = tell_end(ended, arguments)
    leave_on_signals(code)
    sys.exit(code)
