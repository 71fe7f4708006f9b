from __future__ import annotations

import pytest

from hubslice.card.sections import merge, wrap
from hubslice.core.errors import InputError

ORDER = ("one", "two", "three")


def test_an_empty_readme_gets_all_sections_in_order() -> None:
    assert merge("", {"one": "1", "two": "2"}, ORDER) == wrap("one", "1") + "\n\n" + wrap("two", "2") + "\n"


def test_text_outside_stays_and_ours_is_replaced_where_it_stands() -> None:
    before = f"# Mine\n\n{wrap('two', 'old')}\nright below\n\n{wrap('one', 'old')}\n\nThe end.\n"
    after = merge(before, {"one": "1", "two": "2"}, ORDER)
    assert after == f"# Mine\n\n{wrap('two', '2')}\nright below\n\n{wrap('one', '1')}\n\nThe end.\n"


def test_a_missing_section_goes_before_the_next_of_ours_else_to_the_end() -> None:
    before = f"Mine.\n\n{wrap('two', 'old')}\n\nMine too.\n"
    after = merge(before, {"one": "1", "two": "2", "three": "3"}, ORDER)
    assert after == f"Mine.\n\n{wrap('one', '1')}\n\n{wrap('two', '2')}\n\nMine too.\n\n{wrap('three', '3')}\n"


def test_a_section_with_nothing_to_say_any_more_goes() -> None:
    before = f"Mine.\n\n{wrap('one', 'old')}\n\nMine too.\n\n{wrap('two', 'old')}\n"
    assert merge(before, {"two": "2"}, ORDER) == f"Mine.\n\nMine too.\n\n{wrap('two', '2')}\n"


def test_marked_sections_of_unknown_names_stay() -> None:
    before = wrap("from-the-future", "later") + "\n"
    assert wrap("from-the-future", "later") in merge(before, {"one": "1"}, ORDER)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("x\n<!-- hubslice:begin one -->\n", 2),
        ("<!-- hubslice:end one -->\n", 1),
        (wrap("one", "a") + "\n" + wrap("one", "b"), 6),
        ("<!-- hubslice:begin one -->\n<!-- hubslice:begin two -->\n", 2),
    ],
)
def test_markers_without_partner_are_refused_with_their_line(body: str, line: int) -> None:
    with pytest.raises(InputError, match=rf"\(line {line} of its body\)") as caught:
        merge(body, {"one": "1"}, ORDER)
    assert caught.value.hint
