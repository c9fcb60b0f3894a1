"""A change on the host's own side: made, confirmed or taken back, and the way back to what an interface was."""

from __future__ import annotations

import json
from pathlib import Path

import cluster_network_change
import pytest
from cluster_network_change import (
    APPLIED,
    CONFIRMED,
    PENDING,
    UNDOING,
    UNDONE,
    Change,
    Live,
    apply,
    parsed_live,
    undo,
    way_back,
)

BEFORE = Live(("10.0.0.5/24",), 1500, up=True, routes=("default via 10.0.0.1",))
ADDRESS_JSON = json.dumps(
    [
        {},
        {
            "ifname": "eth1",
            "flags": ["BROADCAST", "UP", "LOWER_UP"],
            "mtu": 1400,
            "addr_info": [
                {"family": "inet", "local": "10.77.0.11", "prefixlen": 24},
                {"family": "inet6", "local": "fe80::1", "prefixlen": 64},
            ],
        },
    ]
)
ROUTES = "default via 10.77.0.1 proto dhcp metric 100 linkdown\n10.77.0.0/24 proto kernel scope link src 10.77.0.11\n"


def test_reads_what_an_interface_is() -> None:
    routes = ("default via 10.77.0.1 proto dhcp metric 100",)
    assert parsed_live(ADDRESS_JSON, ROUTES) == Live(("10.77.0.11/24",), 1400, up=True, routes=routes)
    assert parsed_live("[]", "") is None
    assert parsed_live("", "") is None


@pytest.mark.parametrize(
    ("now", "before", "commands"),
    [
        (BEFORE, BEFORE, []),
        (
            Live(("192.0.2.11/24",), 1500, up=True),
            BEFORE,
            [
                "ip address delete 192.0.2.11/24 dev eth0",
                "ip address add 10.0.0.5/24 broadcast + dev eth0",
                "ip -4 route replace default via 10.0.0.1 dev eth0",
            ],
        ),
        (
            Live(("10.0.0.5/24",), 9000, up=False, routes=BEFORE.routes),
            BEFORE,
            ["ip link set dev eth0 mtu 1500", "ip link set dev eth0 up"],
        ),
        (
            Live(("10.0.0.5/24",), 1500, up=True),
            Live((), 1500, up=False),
            ["ip address delete 10.0.0.5/24 dev eth0", "ip link set dev eth0 down"],
        ),
    ],
)
def test_the_way_back(now: Live, before: Live, commands: list[str]) -> None:
    assert [" ".join(command) for command in way_back("eth0", now, before)] == commands


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is run instead of being run, and units and interfaces that are not this machine's."""
    commands: list[str] = []

    def run(*command: str) -> str:
        commands.append(" ".join(command))
        return ""

    monkeypatch.setattr(cluster_network_change, "run", run)
    monkeypatch.setattr(cluster_network_change, "live_of", lambda _: BEFORE)
    monkeypatch.setattr(cluster_network_change, "UNITS", tmp_path / "units")
    monkeypatch.setattr(cluster_network_change, "PROGRAM", tmp_path / "program")
    return commands


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which every look is a second later."""
    seconds = iter(range(10_000))
    monkeypatch.setattr(cluster_network_change.time, "monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(cluster_network_change.time, "sleep", lambda _: None)


def pending(directory: Path, live: Live = BEFORE) -> Path:
    """A change of one file from old to new, and of one that goes."""
    state = directory / "state"
    state.mkdir()
    old, new = directory / "etc" / "ours", directory / "etc" / "other"
    new.parent.mkdir()
    new.write_text("goes", encoding="utf-8")
    change = Change(
        files=[
            {"path": str(old), "content": "new", "mode": "0640"},
            {"path": str(new), "content": None, "mode": "0644"},
        ],
        previous=[
            {"path": str(old), "content": None, "mode": "0640"},
            {"path": str(new), "content": "goes", "mode": "0644"},
        ],
        leave=[["leave"]],
        enter=[["enter"]],
        return_=[["return"]],
        live={"eth0": live},
    )
    (state / PENDING).write_text(change.text(), encoding="utf-8")
    return state


def test_a_change_survives_being_written_down() -> None:
    change = Change(leave=[["a", "b"]], live={"eth0": BEFORE})
    assert Change.from_text(change.text()) == change


def test_makes_the_change(tmp_path: Path, told: list[str]) -> None:
    state = pending(tmp_path)
    apply(state)
    assert told == ["leave", "enter"]
    ours = tmp_path / "etc" / "ours"
    assert (ours.read_text("utf-8"), ours.stat().st_mode & 0o777) == ("new", 0o640)
    assert not (tmp_path / "etc" / "other").exists()
    assert (state / APPLIED).read_text("utf-8")


@pytest.mark.usefixtures("clock")
def test_takes_it_back(tmp_path: Path, told: list[str]) -> None:
    state = pending(tmp_path)
    apply(state)
    told.clear()
    undo(state)
    assert not (tmp_path / "etc" / "ours").exists()
    assert (tmp_path / "etc" / "other").read_text("utf-8") == "goes"
    assert told[0].startswith("systemctl stop keydb-cluster-network-apply")
    assert told[1:3] == ["leave", "return"]
    assert told[3].startswith("systemctl disable --now keydb-cluster-network-undo.timer")
    assert (state / UNDONE).exists()
    assert not (state / PENDING).exists()


@pytest.mark.usefixtures("clock")
def test_resumes_what_a_reboot_interrupted(tmp_path: Path, told: list[str]) -> None:
    state = pending(tmp_path)
    (state / PENDING).rename(state / UNDOING)
    undo(state)
    assert "return" in told
    assert (state / UNDONE).exists()


def test_leaves_a_confirmed_change_alone(tmp_path: Path, told: list[str]) -> None:
    state = pending(tmp_path)
    apply(state)
    (state / PENDING).rename(state / CONFIRMED)
    told.clear()
    undo(state)
    assert (tmp_path / "etc" / "ours").exists()
    assert not {"leave", "return"} & set(told)


@pytest.mark.usefixtures("clock")
def test_forces_what_no_manager_restores(tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """First, so that SSH is back whatever the manager does; and last."""
    monkeypatch.setattr(cluster_network_change, "live_of", lambda _: Live(("192.0.2.11/24",), 1500, up=True))
    undo(pending(tmp_path))
    back = "ip address add 10.0.0.5/24 broadcast + dev eth0"
    assert told.index(back) < told.index("return")
    assert back in told[told.index("return") :]


def test_a_command_that_fails_is_told_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    assert cluster_network_change.run("false") == ""
    assert cluster_network_change.run("/no/such/program") == ""
    assert cluster_network_change.run("echo", "said") == "said\n"
    captured = capsys.readouterr()
    assert "+ false" in captured.err
    # What a module prints beside its answer would spoil it.
    assert captured.out == ""
