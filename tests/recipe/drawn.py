"""Random valid recipes, drawn from the schema itself, so that a new key is tested from its first day."""

from __future__ import annotations

from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import reject
from hypothesis import strategies as st
from pydantic import ValidationError

from hubslice.recipe.schema import NAME, SplitParams
from hubslice.recipe.section import Section

SHARES = st.sampled_from([(0.7, 0.15, 0.15), (0.1, 0.2, 0.3), (1 / 3, 1 / 3, 1 / 3), ("train", 0.5, "test")])
# Words that some YAML reader takes for something else, then any text but what steers a terminal.
TEXT = st.sampled_from(
    ["1e-3", "no", "~", "", "<<", "=", "a: b", "# c", "x\n y\n", " x ", "\t", "2024-01-01", "\u2028"]
) | (st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs"]), max_size=20))


def sections(kind: type[Section]) -> st.SearchStrategy[Any]:
    """Valid values of a section; those that its validators refuse are dropped."""
    if kind is SplitParams:
        return SHARES.map(lambda parts: SplitParams(**dict(zip(("train", "validation", "test"), parts, strict=True))))

    @st.composite
    def draw_section(draw: st.DrawFn) -> Section:
        given = {
            name: draw(_values(field.annotation, field.metadata))
            for name, field in kind.model_fields.items()
            if field.is_required() or draw(st.booleans())
        }
        try:
            return kind(**given)
        except ValidationError:
            reject()

    return draw_section()


def _values(annotation: Any, metadata: Iterable[Any] = ()) -> st.SearchStrategy[Any]:
    limits = {
        name: getattr(limit, name)
        for limit in metadata
        for name in ("ge", "le", "gt", "lt", "min_length", "pattern")
        if getattr(limit, name, None) is not None
    }
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _values(inner, [part for field in more for part in getattr(field, "metadata", ())])
    if origin in (Union, UnionType):
        return st.one_of([_values(part, metadata) for part in get_args(annotation)])
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin is tuple:
        return st.lists(_values(get_args(annotation)[0]), min_size=limits.get("min_length", 0), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(st.from_regex(NAME, fullmatch=True), _values(get_args(annotation)[1]), max_size=2)
    if annotation is type(None):
        return st.none()
    if annotation is int:
        return st.integers(limits.get("ge"), limits["lt"] - 1 if "lt" in limits else limits.get("le"))
    if annotation is float:
        return st.floats(
            limits.get("ge", limits.get("gt", -1e9)),
            limits.get("le", limits.get("lt", 1e9)),
            exclude_min="gt" in limits,
            exclude_max="lt" in limits,
        )
    if annotation is bool:
        return st.booleans()
    if annotation is str:
        return st.from_regex(NAME, fullmatch=True) if "pattern" in limits else TEXT
    return sections(annotation)
