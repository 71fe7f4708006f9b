"""Templates of HTML pages: self-contained, without scripts, with all values escaped."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from hubslice.core.escaping import lines, named

# Browser policy: even if markup got into a page, none of it would run or be fetched.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page_template(package: str, name: str, **filters: Any) -> Template:
    """Load a package's HTML template; its values are escaped, and invisible characters in them become visible.

    The filter `name` also cuts long names; `policy` is the value for the page's Content-Security-Policy.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: lines(value) if type(value) is str else value,
    )
    environment.filters |= {"name": named, **filters}
    environment.globals["policy"] = POLICY
    return environment.from_string((files(package) / name).read_text(encoding="utf-8"))
