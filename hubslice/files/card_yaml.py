"""Parse the YAML header of a model card safely: a few hundred bytes must not expand to gigabytes.

Aliases repeat a value, and merge keys (`<<`) include the keys of other mappings. Both may be nested in what they
repeat, so that every line doubles the document.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from hubslice.core.foreign_errors import message_of

# The YAML between the `---` lines; never shorter than what huggingface_hub would read again.
HEAD: Final = re.compile(r"\A\ufeff?\s*---[ \t]*(?:\r\n|\r|\n)(.*?)(?:\r\n|\r|\n)---[ \t]*(?:\r\n|\r|\n|\Z)", re.DOTALL)
_MOST: Final = 1_000_000  # maximum values after expanding aliases and merges; ordinary headers have far fewer
_DEEPEST: Final = 100  # maximum nesting, also after expansion
_LONGEST: Final = 4_000  # characters of a number: parsing `1:1:1:...` takes quadratic time


class _Loader(yaml.SafeLoader):
    """A loader that checks the whole document before it constructs any values."""

    def get_single_node(self) -> yaml.Node | None:
        root: yaml.Node | None = super().get_single_node()
        if root is not None:
            _written_out(root, {})
        return root

    def construct_scalar(self, node: Any) -> Any:
        number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        if number and isinstance(node.value, str) and len(node.value) > _LONGEST:
            raise _refused(node, f"a number has more than {_LONGEST:,} characters")
        return super().construct_scalar(node)


def load_head(text: str) -> Any:
    """Parse YAML like `yaml.safe_load`, within limits.

    Raises:
        yaml.YAMLError: it is not YAML, a value cannot be read, or it is too deep or too large after expansion.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:  # values with unusual tags
        raise yaml.YAMLError(f"a value cannot be read: {message_of(error)}") from error


def _written_out(node: yaml.Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """Count the values and levels of a node with every alias and merge expanded."""
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise _refused(node, "a value holds itself")
        return found
    known[id(node)] = None
    count, depth = 1, 0
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    else:
        parts = node.value if isinstance(node, yaml.SequenceNode) else []
    for part in parts:
        values, levels = _written_out(part, known)
        count, depth = count + values, max(depth, levels)
        if count > _MOST:
            raise _refused(node, f"it has more than {_MOST:,} values once aliases and merge keys are written out")
    if depth >= _DEEPEST:
        raise _refused(node, f"its values lie more than {_DEEPEST} levels deep")
    known[id(node)] = count, depth + 1
    return count, depth + 1


def _refused(node: yaml.Node, what: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)
