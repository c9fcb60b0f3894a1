"""The program that reads what no exporter has."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keydb_node_facts
import pytest
from hardware_power import read_throttling
from host_reader import HostReader
from keydb_observer.clock import parse_tracking
from monitoring_alerts import promtool
from monitoring_certificates import make_certificate
from prometheus_client.parser import text_string_to_metric_families

REPOSITORY = Path(__file__).resolve().parents[2]
BOARDS = REPOSITORY / "tests" / "hardware" / "boards"
PROGRAM = Path(keydb_node_facts.__file__)
SOURCE = "0A4D000B,10.77.0.11,9,1795631254.1"
REST = "-0.000000200,0.000001,1.5,0.001,0.02,0.000060,0.000020,1.0,Normal"
TRACKING = {
    "a follower": f"{SOURCE},0.000001500,{REST}",
    "behind": f"{SOURCE},-0.000100000,{REST}",
    "a leap second to come": "7F7F0101,,8,1795631254.1,0.0,0.0,0.0,0.0,0.0,0.0,0.000000,0.000001,1.0,Insert second",
    "not synchronised": "00000000,,0,0.0,0.000000000,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised",
    "nonsense": "506 Cannot talk to daemon",
    "nothing": "",
}


def figures(families: object) -> dict[tuple[str, ...], float]:
    """Name and label values to value, as whoever scrapes it reads it."""
    text = keydb_node_facts.rendered(families)  # type: ignore[arg-type]
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


@pytest.mark.parametrize("answer", TRACKING.values(), ids=TRACKING)
def test_the_clock_is_off_as_far_as_the_app_says(tmp_path: Path, answer: str) -> None:
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "chronyc -h 127.0.0.1 -c -n tracking").write_text(answer, "utf-8")
    found = figures(keydb_node_facts.clock(HostReader(str(tmp_path))))
    expected_ns = parse_tracking(answer)
    assert found[("keydb_node_clock_synchronised",)] == (expected_ns is not None)
    error_s = found.get(("keydb_node_clock_error_seconds",))
    # The app rounds up to whole nanoseconds.
    assert error_s is None if expected_ns is None else error_s == pytest.approx(expected_ns / 1e9, abs=1e-9)


@pytest.mark.parametrize("board", sorted(path.name for path in BOARDS.iterdir() if path.is_dir()))
def test_the_board_says_what_the_role_hardware_reads(board: str) -> None:
    throttling = read_throttling(HostReader(str(BOARDS / board))).value
    found = figures(keydb_node_facts.throttling(HostReader(str(BOARDS / board))))
    if throttling is None:
        assert found == {}
        return
    assert len(found) == 8
    for when, conditions in (("now", throttling.now), ("since boot", throttling.since_boot)):
        said = {name for (_, name, at), value in found.items() if at == when and value}
        assert said == set(conditions)


def test_when_a_certificate_ends(tmp_path: Path) -> None:
    ends = dt.datetime(2031, 2, 3, 4, 5, 6, tzinfo=dt.timezone.utc)
    good = make_certificate(tmp_path / "good.crt", ends)
    chain = tmp_path / "chain.crt"
    ca = make_certificate(tmp_path / "ca.crt", ends + dt.timedelta(days=9))
    chain.write_bytes(good.read_bytes() + ca.read_bytes())
    spoiled = tmp_path / "spoiled.crt"
    spoiled.write_text("-----BEGIN CERTIFICATE-----\n", "utf-8")
    paths = [str(path) for path in (good, chain, spoiled, tmp_path / "missing.crt")]
    found = figures(keydb_node_facts.certificates(HostReader(), paths))
    assert [found["keydb_node_certificate_expiry_timestamp_seconds", path] for path in paths] == [
        ends.timestamp(),
        ends.timestamp(),
        0,
        0,
    ]


@pytest.mark.parametrize("spoiled", [False, True])
def test_before_its_first_time_the_healing_has_repaired_nothing(tmp_path: Path, spoiled: bool) -> None:
    if spoiled:
        (tmp_path / "last.json").write_text('{"repaired": 3', "utf-8")
    assert figures(keydb_node_facts.healing(tmp_path)) == {
        ("keydb_healing_repaired_keys_total",): 0,
        ("keydb_healing_different_keys",): 0,
        ("keydb_healing_waits",): 0,
    }


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The program as it lies on a node: with the one module that it needs."""
    directory = tmp_path / "installed"
    directory.mkdir()
    for file in (PROGRAM, REPOSITORY / "plugins" / "module_utils" / "host_reader.py"):
        shutil.copy(file, directory)
    return directory / PROGRAM.name


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", str(program), *arguments],
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_writes_a_file_that_prometheus_takes(installed: Path, tmp_path: Path) -> None:
    output = tmp_path / "node.prom"
    output.write_text("old\n", "utf-8")
    certificate = make_certificate(tmp_path / 'odd "name".crt', dt.datetime.now(dt.timezone.utc))
    arguments = ["--certificate", str(certificate), "--hardware", str(BOARDS / "pi4b-throttled"), "--clock"]
    done = run(installed, "--output", str(output), *arguments, "--healing", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert output.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir() if "node.prom" in path.name] == ["node.prom"]
    promtool("check", "metrics", given=output.read_text("utf-8"))
    families = {family.name for family in text_string_to_metric_families(output.read_text("utf-8"))}
    assert {"keydb_node_throttling", "keydb_node_clock_synchronised", "keydb_healing_repaired_keys"} <= families
    # Nobody asked for these.
    assert run(installed, "--output", str(output)).returncode == 0
    assert output.read_text("utf-8").count("keydb_healing") == 0


def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(installed: Path, tmp_path: Path) -> None:
    target = tmp_path / "node.prom"
    target.mkdir()
    done = run(installed, "--output", str(target))
    assert done.returncode != 0
    assert "node.prom" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
