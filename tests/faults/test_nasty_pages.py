"""Names that strangers chose, in HTML pages: read by a parser, and opened in a real browser that would run them.

The browser is Chromium. Where there is none its tests are skipped, unless HUBSLICE_REQUIRE_BROWSER is set.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hubslice.core.escaping import lines, named
from hubslice.core.pages import POLICY, page_template
from tests.faults.nasty import NASTY, PATH, raw
from tests.faults.nasty_place import LABELS, MODEL, TEXTS, nasty_pages

pytestmark = pytest.mark.slow

OURS = {"explanation.html": 0, "gallery.html": 1}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PROBE = '<script>document.title = "ran"</script>'  # what a name does to a page that lets it


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.title = ""
        self._within: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("style", "title"):
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "title"):
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if "title" in self._within:
            self.title += data
        elif not self._within:
            self.text += data


@pytest.fixture(scope="module", params=OURS)
def page(request: pytest.FixtureRequest) -> Path:
    return nasty_pages()[OURS[request.param]]


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None and os.environ.get("HUBSLICE_REQUIRE_BROWSER"):
        pytest.fail("HUBSLICE_REQUIRE_BROWSER is set, and there is no Chromium")
    if found is None:
        pytest.skip("there is no Chromium to open pages in")
    return found


def opened(browser: str, page: Path, profile: Path) -> str:
    """The page's DOM after everything in it that runs did so, as HTML."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    command = [
        browser,
        *options,
        f"--user-data-dir={profile}",
        "--virtual-time-budget=3000",
        "--dump-dom",
        page.resolve().as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, check=True, timeout=120)
    return done.stdout.decode("utf-8")


def check(page: _Page) -> None:
    assert not {tag for tag, _ in page.elements} & {"script", "injected", "iframe", "object", "link", "base", "form"}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("src") or "data:").startswith("data:")
        assert "href" not in attributes
        if tag == "meta" and "http-equiv" in attributes:
            assert attributes["content"] == POLICY


def test_pages_hold_nothing_but_text_of_names(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [found for found in raw(text, exact=True) if not found.isprintable()] == []
    parsed = _Page(text)
    check(parsed)
    assert parsed.text.count(PATH[:10]) == 0
    assert any(attributes.get("content") == POLICY for _, attributes in parsed.elements)


def test_a_browser_runs_nothing_of_names(page: Path, browser: str, tmp_path: Path) -> None:
    before = _Page(page.read_text(encoding="utf-8"))
    after = _Page(opened(browser, page, tmp_path))
    check(after)
    assert after.title == before.title
    added = {tag for tag, _ in after.elements} - {tag for tag, _ in before.elements}
    assert added <= {"tbody", "head", "body"}  # what any browser adds
    assert [tag for tag, _ in after.elements if tag not in added] == [tag for tag, _ in before.elements]
    assert re.sub(r"\s+", " ", after.text).strip() == re.sub(r"\s+", " ", before.text).strip()


def test_pages_show_names_as_they_are(page: Path) -> None:
    text = _Page(page.read_text(encoding="utf-8")).text
    if page.name == "gallery.html":
        assert named(Path(TEXTS).name)[:40] in text
        assert "<img src=x onerror=alert(1)>" in text
    else:
        assert named(MODEL)[:40] in text
        assert "</script><script>alert(1)" in text or any(named(label) in text for label in LABELS if len(label) > 3)


@pytest.mark.parametrize("policy", [True, False])
def test_the_browser_would_run_what_is_not_escaped(policy: bool, browser: str, tmp_path: Path) -> None:
    """The test above can fail; and the pages' policy alone would stop what is in them."""
    head = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' if policy else ""
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{head}<title>ours</title>{PROBE}")
    assert _Page(opened(browser, tmp_path / "page.html", tmp_path / "profile")).title == ("ours" if policy else "ran")


@pytest.mark.parametrize("kind", NASTY)
def test_a_template_escapes_every_name(kind: str) -> None:
    template = page_template("hubslice.deviation.text", "gallery.html.j2")
    name = NASTY[kind]
    text = template.render(title=name, names=(name, name), shown=[], left=name)
    check(_Page(text))
    assert [found for found in raw(text, exact=True) if not found.isprintable()] == []
    assert _Page(text).title == lines(name)
