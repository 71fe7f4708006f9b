"""The YAML at the head of a card, which anybody may have written: merge keys (`<<`) must not multiply it."""

from __future__ import annotations

from typing import Any, Final

import yaml

_MOST: Final = 10_000  # keys of one mapping, of which each merge can take in those of several


class _Loader(yaml.SafeLoader):
    """Stops where merges grow: a few hundred bytes of them double a mapping with every line."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MOST:
            raise yaml.constructor.ConstructorError(
                None, None, f"a mapping has more than {_MOST:,} keys once others are merged in", node.start_mark
            )


def load_head(text: str) -> Any:
    """What `yaml.safe_load` gives.

    Raises:
        yaml.YAMLError: it is not YAML, or grows.
        ValueError, RecursionError: a value cannot be read, or lies too deep.
    """
    return yaml.load(text, Loader=_Loader)
