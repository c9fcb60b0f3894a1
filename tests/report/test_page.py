"""The page in a real browser, as people with small and large, light and dark screens have it, and on paper."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_cases import CASES
from report_chromium import Browser, browser
from report_results import everything, lay_down, made

PICTURES = ("percentiles", "lag", "engines", "tls", "scale", "faults", "network", "clocks")
# What is wider than the page, and no part of what scrolls by itself.
TOO_WIDE = """[...document.querySelectorAll('body *')].filter(each => !each.closest('.scroll') && !each.closest('svg')
  && each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML.slice(0, 80))"""
# Contrast of a text's colour with what is behind it, by WCAG 2.2; the least of all texts.
CONTRAST = """(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = each => { for (; each; each = each.parentElement) {
    const found = numbers(getComputedStyle(each).backgroundColor); if (found.length < 4 || found[3] > 0) return found; }
    return [255, 255, 255]; };
  const texts = [...document.querySelectorAll('body *')].filter(each => [...each.childNodes].some(
    node => node.nodeType === 3 && node.data.trim()) && !['title', 'desc', 'style'].includes(each.tagName));
  return texts.map(each => { const style = getComputedStyle(each);
    const [a, b] = [light(numbers(each.closest('svg') ? style.fill : style.color)), light(behind(each))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), each.outerHTML.slice(0, 120)];
  }).sort((a, b) => a[0] - b[0])[0];
})()"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module", params=CASES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> str:
    """Opened in the browser; with a baseline. Its case."""
    directory = tmp_path_factory.mktemp("page")
    made(directory, baseline=lay_down(directory / "before", everything()), **CASES[request.param])
    chromium.look(1000)
    chromium.open(directory / "results" / "report" / "index.html")
    return str(request.param)


def test_nothing_is_asked_for_and_nothing_is_complained_of(page: str, chromium: Browser) -> None:
    assert page in CASES
    chromium.ask("document.fonts.ready.then(() => 1)")
    assert [each["request"]["url"].rsplit("/", 1)[1] for each in chromium.told("Network.requestWillBeSent")] == [
        "index.html"
    ]
    complaints = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert [chromium.told(each) for each in complaints] == [[], [], []]


def test_the_test_would_see_a_complaint_and_a_request(tmp_path: Path, chromium: Browser) -> None:
    wrong = tmp_path / "wrong.html"
    wrong.write_text("<!DOCTYPE html><img src='no.png'><script>console.error('x'); throw 1</script>", encoding="utf-8")
    chromium.open(wrong)
    assert chromium.told("Runtime.consoleAPICalled")
    assert chromium.told("Runtime.exceptionThrown")
    assert len(chromium.told("Network.requestWillBeSent")) == 2


def test_all_pictures_are_drawn_or_say_why_not(page: str, chromium: Browser) -> None:
    for key in PICTURES:
        svg: Any = chromium.ask(
            f"(() => {{ const svg = document.querySelector('#picture-{key} svg'); if (!svg) return null;"
            "const box = svg.getBoundingClientRect(), shapes = [...svg.querySelectorAll('[data-value]')];"
            "return [box.width, box.height, shapes.length, shapes.filter(s => s.getBBox().width > 0).length,"
            "!!svg.querySelector('title') && !!svg.querySelector('desc')]; })()"
        )
        words = chromium.ask(f"document.querySelector('#picture-{key}').textContent")
        if page == "nothing":
            assert svg is None
            assert "Not measured: there is no results/" in words
            continue
        width, height, shapes, seen, named = svg
        assert width > 250
        assert height > 80
        assert shapes > 1
        assert seen >= shapes * 0.9, key
        assert named


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
def test_it_fits_and_can_be_read(page: str, chromium: Browser, width: int, scheme: str) -> None:
    chromium.look(width, scheme)
    assert chromium.ask("document.documentElement.scrollWidth <= innerWidth"), page
    assert chromium.ask(TOO_WIDE) == []
    assert chromium.ask("document.querySelectorAll('.answer').length") == 5
    contrast, where = chromium.ask(CONTRAST)
    assert contrast >= 4.5, where
    smallest = chromium.ask(
        "Math.min(99, ...[...document.querySelectorAll('svg text')].map(each => each.getBoundingClientRect().height))"
    )
    assert smallest >= 7


def test_colours_are_not_the_only_difference(page: str, chromium: Browser) -> None:
    verdicts = chromium.ask("[...document.querySelectorAll('.verdict')].map(each => each.innerText.split('\\n')[0])")
    signs = {"✓": "holds", "✗": "does not hold", "?": "not measured"}
    assert all(verdict[2:].startswith(signs[verdict[0]]) for verdict in verdicts), page
    headings = chromium.ask("[...document.querySelectorAll('h1, h2, h3')].map(each => +each.tagName[1])")
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(headings))
    unnamed = "[...document.querySelectorAll('table')].filter(each => !each.caption || !each.tHead).length"
    assert chromium.ask(unnamed) == 0
    twice = "(ids => ids.filter((id, place) => ids.indexOf(id) !== place))([...document.querySelectorAll('[id]')]"
    assert chromium.ask(f"{twice}.map(each => each.id))") == []


def test_on_paper_it_is_light_and_has_the_tables(page: str, chromium: Browser) -> None:
    chromium.look(800, "dark", "print")
    assert chromium.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    table = "[...document.querySelectorAll('details table')].filter(each => !each.checkVisibility()).length"
    assert chromium.ask(table) == 0
    pages = re.findall(rb"/Type\s*/Page\b", chromium.printed())
    assert len(pages) >= (2 if page == "nothing" else 4)
