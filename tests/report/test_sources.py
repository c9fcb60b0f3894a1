"""Every figure of the report is found again where it says that it is from, and there is none without."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from keydb_report.cited import Cited, Sentence
from keydb_report.page import Report
from keydb_report.pictures.picture import Cell
from report_cases import CASES
from report_page import FREE_NUMBER, Page, Sources, is_shown
from report_results import around, bench, hosts, made, throughput


@dataclass
class Written:
    """A case, its report, and where it is."""

    case: str
    report: Report
    results: Path
    page: Page
    sources: Sources


@pytest.fixture(scope="module", params=CASES)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    directory = tmp_path_factory.mktemp("report")
    report = made(directory, **CASES[request.param])
    results = directory / "results"
    page = Page((results / "report" / "index.html").read_text(encoding="utf-8"))
    return Written(request.param, report, results, page, Sources(results))


def test_every_value_is_found_again(written: Written) -> None:
    sourced = [(text.words, text.sourced) for text in written.page.read() if text.sourced]
    wrong = [(words, about) for words, about in sourced if not is_shown(words, written.sources.expected(about))]
    assert wrong == []
    assert (len(sourced) > 100) == (written.case != "nothing")


def test_there_is_no_number_without_a_source(written: Written) -> None:
    unsourced = [text.words for text in written.page.read() if not text.sourced and not text.is_tick]
    assert [words for words in unsourced if FREE_NUMBER.search(words)] == []


def test_every_mark_of_a_picture_has_its_value_and_is_in_the_table_below_it(written: Written) -> None:
    for picture in written.report.pictures:
        if not picture.drawn:
            continue
        marks = [about for _, about in Page(picture.drawn.svg).elements if "data-value" in about]
        values = [about for about in marks if about.get("data-how") != "words"]
        assert values, picture.key
        assert all(float(about["data-value"]) == pytest.approx(written.sources.expected(about)) for about in values)
        listed = {each.source for row in picture.drawn.rows for cell in row for each in _cited(cell)}
        assert {about["data-source"] for about in values} <= listed


def test_the_answers_are_those_of_the_page_and_name_their_sources(written: Written) -> None:
    answers = json.loads((written.results / "report" / "answers.json").read_text(encoding="utf-8"))["answers"]
    twin = (written.results / "report" / "report.md").read_text(encoding="utf-8")
    text = " ".join(each.words for each in written.page.read())
    assert [answer["question"] for answer in answers] == [1, 2, 3, 4, 5]
    for answer in answers:
        assert _joined(answer["sentence"]) in _joined(text)
        assert answer["sentence"] in twin
        if answer["figure"] is not None:
            about = {"data-source": " ".join(answer["source"]), "data-how": answer["derived"] or ""}
            assert written.sources.expected(about) == pytest.approx(answer["figure"])


def _cited(cell: Cell) -> list[Cited]:
    if isinstance(cell, Sentence):
        return cell.cited
    return [cell] if isinstance(cell, Cited) else []


def _joined(text: str) -> str:
    return "".join(text.split())


def test_the_test_would_see_a_number_that_was_made_up(tmp_path: Path) -> None:
    made(tmp_path)
    html = (tmp_path / "results/report/index.html").read_text(encoding="utf-8")
    assert is_shown("1.87", 1.873)
    assert not is_shown("1.88", 1.873)
    assert not is_shown("943", 944)
    assert FREE_NUMBER.search("did 47 writes")
    assert not FREE_NUMBER.search("the p99 of a Pi 4B, node1")
    sources = Sources(tmp_path / "results")
    forged = Page(html.replace(">20,668<", ">20,669<"))
    assert any(not is_shown(text.words, sources.expected(text.sourced)) for text in forged.read() if text.sourced)


def test_what_a_result_says_is_text_and_never_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    mark = {"host": evil, "condition": "load", "text": evil}
    results = bench(conditions={"verdict": "marked", "marks": [mark]}, hosts={evil: {"board": evil}})
    results["throughput"] = [throughput(engine=evil), throughput(evil, tls=False, p99=around(3.0))]
    made(tmp_path, bench=results, hosts=hosts(node1=[evil]))
    html = (tmp_path / "results/report/index.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "<script" not in (tmp_path / "results/report/report.md").read_text(encoding="utf-8")
