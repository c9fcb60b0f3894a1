"""A run's directory: what the verdict says of a good one, of each that is wrong in one way, and of what is missing."""

from __future__ import annotations

import builtins
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from app_harness import run_program
from judge_harness import BEGUN, UNKNOWN, S, did, facts, fault, good_run, held, sample, write_lines
from keydb_observer.history import Do, Operation
from keydb_observer.json_lines import encode, read_lines
from keydb_observer.judge import judge_and_show
from keydb_observer.judge_run import load_run
from keydb_observer.judge_summary import render
from keydb_observer.judge_verdict import Verdict, judge
from keydb_observer.states import KeyStates

FIXED = {
    *("seed", "faults", "not_possible", "operations", "durable_lost", "plain_lost", "counters_wrong", "resurrected"),
    *("never_written", "differing_keys", "uncounted_missed", "bystander_crashes", "longest_bystander_down_s"),
    *("links_up_s", "events_again_s", "different_for_s", "holds", "problems", "examples"),
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return good_run(tmp_path / "run")


def verdict_of(directory: Path) -> Verdict:
    return judge(load_run(directory))


def add(path: Path, *lines: object) -> None:
    with path.open("ab") as file:
        file.writelines(encode(line) + b"\n" for line in lines)


def test_a_good_run(run: Path) -> None:
    result = run_program("judge", str(run))
    assert (result.returncode, result.stderr) == (0, ""), result
    verdict = json.loads((run / "verdict.json").read_text())
    assert verdict.keys() >= FIXED
    assert (verdict["holds"], verdict["problems"], verdict["examples"], verdict["seed"]) == (True, [], {}, 7)
    assert verdict["faults"] == {"kill": 1}
    assert verdict["not_possible"] == {"netem": "not possible here: no such module"}
    assert verdict["operations"] == {"acknowledged": 177, "failed": 0, "unknown": 0}
    counts = [name for name in verdict if name.endswith(("_lost", "_keys", "_missed", "_crashes", "_written"))]
    assert all(verdict[name] == 0 for name in (*counts, "resurrected", "counters_wrong", "longest_bystander_down_s"))
    assert verdict["links_up_s"] == {"median": 1.6, "p90": 1.6, "max": 1.6}
    assert verdict["events_again_s"]["median"] == pytest.approx(0.4)
    assert verdict["different_for_s"] == {"median": None, "p90": None, "max": None}
    summary = (run / "summary.md").read_text()
    assert summary == result.stdout
    assert summary.startswith("# keydb 6.3.4: 1 fault, it holds\n")
    assert summary.count("\n") < 60
    assert max(map(len, summary.splitlines())) <= 120
    assert (run / "timeline.svg").read_text().count("<path") > 10
    assert (run / "timeline.png").stat().st_size > 10_000


def lose_durable(run: Path) -> None:
    states, _ = read_lines(run / "states.jsonl", KeyStates)
    write_lines(run / "states.jsonl", [each for each in states if each.key != "storm:b:durable:7"])


def differ(run: Path) -> None:
    add(run / "history" / "a.jsonl", did(70, "storm:a:plain:70", UNKNOWN))
    add(run / "states.jsonl", held("storm:a:plain:70", "a/70", None, "a/70"))


def invent(run: Path) -> None:
    add(run / "states.jsonl", held("storm:a:plain:70", "a/70"))


def come_back(run: Path) -> None:
    key = "storm:a:gone:70"
    add(run / "history" / "a.jsonl", did(70, key), did(71, key, do=Do.DEL, durable=1))
    add(run / "states.jsonl", held(key, "a/70"))


def stay(run: Path) -> None:
    add(run / "history" / "a.jsonl", did(70, "storm:a:brief:70", do=Do.EXPIRE, expires_ms=300))
    add(run / "states.jsonl", held("storm:a:brief:70", "a/70"))


def lose_count(run: Path) -> None:
    path = run / "accounts" / "c.json"
    path.write_text(path.read_text().replace('"read": 95', '"read": 94'))


def stay_down(run: Path) -> None:
    seconds = [tick / 5 for tick in range(500)]
    write_lines(run / "samples" / "a.jsonl", [sample(second, up=not 40 <= second < 46) for second in seconds])


def see_late(run: Path) -> None:
    path = run / "reads" / "b.jsonl"
    write_lines(path, [json.loads(line) for line in path.read_text().splitlines() if '"seq":1' not in line])


def never_whole(run: Path) -> None:
    seconds = [tick / 5 for tick in range(500)]
    write_lines(run / "samples" / "b.jsonl", [sample(second, links_up=1 + (second < 10)) for second in seconds])


@pytest.mark.parametrize(
    ("spoil", "name", "problem"),
    [
        (lose_durable, "durable_lost", "Acknowledged durable writes that are lost: 1, where 0 is allowed."),
        (differ, "differing_keys", "Keys in which nodes differ: 1, where 0 is allowed."),
        (invent, "never_written", "Values that nobody wrote: 1, where 0 is allowed."),
        (come_back, "durable_resurrected", "Durable deletes that came back: 1, where 0 is allowed."),
        (stay, "expired_kept", "Keys that have not expired: 1, where 0 is allowed."),
        (lose_count, "uncounted_missed", "Writes that a listener neither read nor counted: 1, where 0 is allowed."),
        (stay_down, "", "The longest that such a server was down: 6 s, where 5 s is allowed."),
        (see_late, "", "Median time from then until its listeners saw events again: 5.4 s, where 3 s is allowed."),
        (never_whole, "", "b: the links did not all come up again after fault 1 (kill on b)."),
    ],
)
def test_each_thing_that_is_wrong(spoil: Callable[[Path], None], name: str, problem: str, run: Path) -> None:
    spoil(run)
    found = verdict_of(run)
    assert problem in render(found, [])
    verdict = found.as_json()
    assert verdict["problems"] == [problem]
    assert not verdict["holds"]
    if name:
        assert verdict[name] == 1
        assert verdict["examples"][name]


def test_what_is_not_promised_is_told(run: Path) -> None:
    key = "storm:a:gone:72"
    add(run / "history" / "a.jsonl", did(70, "storm:a:plain:70"), did(71, "storm:a:counter:1", do=Do.INCR))
    add(run / "history" / "a.jsonl", did(72, key), did(73, key, do=Do.DEL))
    add(run / "states.jsonl", held("storm:a:counter:1", "2"), held(key, "a/72"))
    died = {"at_ns": BEGUN + 30 * S, "unit": "keydb-server.service", "what": "died", "detail": "status=6/ABRT"}
    add(run / "services" / "c.jsonl", died)
    verdict = verdict_of(run).as_json()
    assert verdict["holds"]
    assert [verdict[name] for name in ("plain_lost", "counters_wrong", "resurrected", "bystander_crashes")] == [1] * 4
    assert verdict["examples"]["plain_lost"] == [
        {
            "key": "storm:a:plain:70",
            "value": "a/70",
            "op": 70,
            "host": "a",
            "at_ns": BEGUN + 70 * S + S // 100,
            "text": "a, b, c hold nothing instead",
        }
    ]


@pytest.mark.parametrize(
    ("missing", "unchecked"),
    [
        ("run.json", {"expired_kept", "bystander_crashes", "seed"}),
        ("faults.jsonl", {"bystander_crashes", "longest_bystander_down_s", "links_up_s", "events_again_s"}),
        ("history/b.jsonl", {"durable_lost", "plain_lost", "counters_wrong", "resurrected", "never_written"}),
        ("states.jsonl", {"durable_lost", "never_written", "differing_keys", "different_for_s"}),
        ("samples/c.jsonl", {"longest_bystander_down_s", "links_up_s", "events_again_s"}),
        ("services/a.jsonl", {"bystander_crashes"}),
        ("reads/b.jsonl", {"uncounted_missed", "events_again_s"}),
        ("accounts/a.json", {"uncounted_missed"}),
        ("accounts", {"uncounted_missed"}),
    ],
)
def test_what_is_missing_is_named_and_does_not_hold(missing: str, unchecked: set[str], run: Path) -> None:
    path = run / missing
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    found = verdict_of(run)
    assert "not checked" in render(found, [])
    verdict = found.as_json()
    assert not verdict["holds"]
    assert all(verdict[name] is None for name in unchecked)
    assert any(f"{missing} (no such file or directory)" in text for text in verdict["problems"]) or (
        missing == "accounts" and any("accounts/a.json (no such" in text for text in verdict["problems"])
    )


def test_an_empty_directory_is_no_traceback(tmp_path: Path) -> None:
    result = run_program("judge", str(tmp_path))
    assert (result.returncode, result.stderr) == (1, "")
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert (verdict["holds"], verdict["durable_lost"], verdict["seed"]) == (False, None, None)
    for name in ("history", "states.jsonl", "samples", "services", "faults.jsonl", "accounts", "reads"):
        assert any(f"{name} (" in text for text in verdict["problems"]), name
    assert "No picture: nothing is known of any time." in verdict["remarks"]


def test_no_directory_is_wrong_use(tmp_path: Path) -> None:
    result = run_program("judge", str(tmp_path / "nowhere"))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"judge: {tmp_path}/nowhere given: it is not a directory\n"
    assert run_program("judge").returncode == 2


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        ("run.json", "{}", "run.json (not understood: Object missing required field `seed`)"),
        ("run.json", "{", "run.json (not understood: "),
        ("accounts/c.json", '{"listeners": [{}]}', "accounts/c.json (not understood: "),
        ("history/a.jsonl", "", "history/a.jsonl (there is nothing in it)"),
        ("samples/a.jsonl", "nonsense\n", "samples/a.jsonl (there is nothing in it)"),
        ("states.jsonl", "", "states.jsonl (there is nothing in it)"),
    ],
)
def test_what_cannot_be_read_is_missing(path: str, content: str, problem: str, run: Path) -> None:
    (run / path).write_text(content)
    assert any(problem in text for text in verdict_of(run).problems)


def test_a_node_of_which_nobody_knows_what_it_holds(run: Path) -> None:
    write_lines(run / "states.jsonl", [{"key": "k", "states": {"a": {"type": "none"}, "b": {"type": "none"}}}])
    assert any("states.jsonl (it tells nothing of c)" in text for text in verdict_of(run).problems)


def test_accounts_without_a_listener_prove_nothing(run: Path) -> None:
    (run / "run.json").write_text(json.dumps(facts(hosts={name: {"roles": ["keydb"]} for name in "abc"})))
    for host in "abc":
        (run / "accounts" / f"{host}.json").write_text("{}")
    assert any("accounts (no listener in them)" in text for text in verdict_of(run).problems)


def test_a_line_that_was_cut_off_spoils_nothing(run: Path) -> None:
    path = run / "history" / "a.jsonl"
    path.write_bytes(path.read_bytes() + b'{"op":60,"do":"se')
    assert verdict_of(run).holds
    path.write_bytes(path.read_bytes() + b'\n{"op":61,"do":"se\nnonsense\n')
    assert verdict_of(run).problems == ["3 lines of history/a.jsonl cannot be read."]


def test_the_later_line_of_an_operation_counts(run: Path) -> None:
    path = run / "history" / "a.jsonl"
    lines, _ = read_lines(path, Operation)
    sent = [{**json.loads(encode(line)), "outcome": "unknown", "why": "sent", "done_ns": 0} for line in lines]
    write_lines(path, [*sent, *lines])
    assert verdict_of(run).operations["unknown"] == 0


def test_keys_that_differed_for_a_while(run: Path) -> None:
    later: dict[str, Any] = json.loads(encode(held("storm:a:plain:70", None)))
    add(run / "states.jsonl", {**later, "different_for_s": 4.0})
    verdict = verdict_of(run)
    assert verdict.holds
    assert verdict.as_json()["different_for_s"] == {"median": 4.0, "p90": 4.0, "max": 4.0}


def test_many_faults_on_many_hosts_are_drawn(run: Path) -> None:
    kinds = [f"kind{number}" for number in range(20)]
    some = [fault(5 * n, 5 * n + 2, kind, "abc"[n % 3], number=n) for n, kind in enumerate(kinds, 1)]
    write_lines(run / "faults.jsonl", some)
    judge_and_show(run)
    picture = (run / "timeline.svg").read_text()
    assert all(f"<!-- {kind} -->" in picture for kind in kinds)


def test_without_matplotlib_there_is_no_picture(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    really_import = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return really_import(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert judge_and_show(run) == 0
    assert "- No picture: matplotlib is not installed." in capsys.readouterr().out
    assert not (run / "timeline.png").exists()
