"""What each key holds on every node."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from app_harness import Server, StartServer, eventually, free_port, run_program


@pytest.fixture
def pair(start_server: StartServer) -> list[Server]:
    """Two servers that know nothing of each other."""
    return [start_server(), start_server()]


def nodes(servers: list[Server]) -> list[str]:
    named = zip("ab", servers, strict=True)
    return [argument for name, server in named for argument in ("--node", f"{name}={server.address}")]


def states_of(servers: list[Server], output: Path, *arguments: str) -> dict[str, Any]:
    result = run_program("states", *nodes(servers), "--settle", "0.1", "--output", str(output), *arguments)
    assert result.returncode == 0, result
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert len({line["key"] for line in lines}) == len(lines)
    return {line["key"]: line for line in lines}


def test_each_key_of_any_node_is_there_once(pair: list[Server], tmp_path: Path) -> None:
    one, other = (server.admin() for server in pair)
    for client in (one, other):
        client.mset({f"storm:same:{n}": n for n in range(1000)})
        client.rpush("storm:list", "x", "y")
    one.set("storm:value", "here")
    other.set("storm:value", "there")
    other.set("storm:only", b"\xff")
    other.sadd("storm:set", "x")
    one.set("elsewhere", "x")
    found = states_of(pair, tmp_path / "states.jsonl", "--match", "storm:*", "--batch", "100")
    assert len(found) == 1004
    assert all(found[f"storm:same:{n}"]["states"]["b"] == {"type": "string", "value": str(n)} for n in range(1000))
    assert found["storm:value"]["states"] == {
        "a": {"type": "string", "value": "here"},
        "b": {"type": "string", "value": "there"},
    }
    assert found["storm:only"]["states"] == {"a": {"type": "none"}, "b": {"type": "string", "value": "\\xff"}}
    both = found["storm:list"]["states"]
    assert both["a"] == both["b"]
    assert both["a"]["type"] == "list"
    assert len(both["a"]["digest"]) == 32
    assert found["storm:set"]["states"]["b"]["type"] == "set"
    lasting = {key for key, line in found.items() if "different_for_s" in line}
    assert lasting == {"storm:value", "storm:only", "storm:set"}
    assert all(found[key]["different_for_s"] >= 0.3 for key in lasting)


def test_what_becomes_equal_says_how_long_it_took(pair: list[Server], tmp_path: Path) -> None:
    one, other = (server.admin() for server in pair)
    one.set("key", "new")
    other.set("key", "old")

    def replicate() -> None:
        eventually(lambda: "cmdstat_get" in other.info("commandstats"), "it is read")
        time.sleep(0.3)
        other.set("key", "new")

    thread = threading.Thread(target=replicate)
    thread.start()
    found = states_of(pair, tmp_path / "states.jsonl", "--looks", "100")["key"]
    thread.join()
    assert found["states"]["a"] == found["states"]["b"]
    assert 0.1 <= found["different_for_s"] <= 10


def test_it_goes_to_standard_output_by_default(pair: list[Server]) -> None:
    for server in pair:
        server.admin().set("key", "x")
    result = run_program("states", *nodes(pair))
    assert json.loads(result.stdout)["key"] == "key"
    assert result.stderr == "states: 1 keys read; nodes differed in 0, and still do in 0\n"


def test_a_node_that_does_not_answer_is_named_and_leaves_what_was_there(server: Server, tmp_path: Path) -> None:
    output = tmp_path / "states.jsonl"
    output.write_text("earlier\n")
    away = f"away=127.0.0.1:{free_port()}"
    result = run_program("states", "--node", server.address, "--node", away, "--output", str(output))
    assert result.returncode == 1
    assert "states: away (127.0.0.1:" in result.stderr
    assert "Traceback" not in result.stderr
    assert output.read_text() == "earlier\n"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["states.jsonl"]
