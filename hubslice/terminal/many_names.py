"""Options that take several values: `--candidates A B C`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.core import TyperCommand

if TYPE_CHECKING:
    from typer._click.core import Context

_SEVERAL = "..."


class ManyNames(TyperCommand):
    """A command whose options with `...` in their metavar take all values that follow them."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        many = {name for each in self.params if (each.metavar or "").endswith(_SEVERAL) for name in each.opts}
        return super().parse_args(ctx, _spread(args, many))


def _spread(args: list[str], many: set[str]) -> list[str]:
    """Repeat the option before each of its values, as Typer expects."""
    found: list[str] = []
    current: str | None = None
    for arg in args:
        if arg.startswith("-"):
            option = arg.partition("=")[0]
            current = option if option in many else None
        elif current is not None and found[-1] != current:
            found.append(current)
        found.append(arg)
    return found
