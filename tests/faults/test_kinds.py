"""What each kind does on a host, that undoing it may be done twice, and when a host says that it cannot have it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from faults_fakes import FakeHost, fake_host
from keydb_faults.host import CommandError
from keydb_faults.kinds import KINDS
from keydb_faults.kinds.cut import rules
from keydb_faults.kinds.disk_full import fill, is_whole_and_sole, mount_point
from keydb_faults.kinds.kind import NotPossibleError
from keydb_faults.kinds.slow import way_back

NOBODYS_PROCESS = {"systemctl show --property=MainPID": "0"}
ADDRESSES = '[{"ifname": "lo", "addr_info": []}, {"ifname": "eth1", "addr_info": [{"local": "10.77.0.11"}]}]'
TBF = (
    '[{"kind": "tbf", "handle": "8001:", "root": true, "refcnt": 2,'
    ' "options": {"rate": 125000000, "burst": 262016, "lat": 50000}}]'
)


def inject(host: FakeHost, name: str, **given: object) -> str:
    kept = KINDS[name].prepare(host, given)
    host.commands.clear()
    host.told.clear()
    return KINDS[name].inject(host, given, kept)


@pytest.mark.parametrize(
    ("kind", "does", "undoes"),
    [
        ("stop", "systemctl stop --no-block", "systemctl start --no-block"),
        ("restart", "systemctl restart --no-block", "systemctl start --no-block"),
        ("freeze", "systemctl kill --signal=SIGSTOP", "systemctl kill --signal=SIGCONT"),
    ],
)
def test_the_service_manager_does_it(tmp_path: Path, kind: str, does: str, undoes: str) -> None:
    host = fake_host(tmp_path)
    inject(host, kind)
    assert host.commands == [f"{does} keydb-server.service"]
    host.commands.clear()
    KINDS[kind].undo(host, {}, {})
    assert host.commands == [f"{undoes} keydb-server.service"]


def test_what_stands_still_is_woken_even_if_nothing_is_left_of_it(tmp_path: Path) -> None:
    KINDS["freeze"].undo(fake_host(tmp_path, answers={"systemctl kill": None}), {}, {})


@pytest.mark.parametrize("kind", ["kill", "listener_killed", "writer_killed"])
def test_killing_kills_the_main_process(tmp_path: Path, kind: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        host = fake_host(tmp_path, answers={"systemctl show --property=MainPID": f"{process.pid}\n"})
        assert inject(host, kind, unit="observer-writer.service") == f"process {process.pid}"
        assert process.wait() == -9
    unit = "keydb-server.service" if kind == "kill" else "observer-writer.service"
    assert host.commands == [f"systemctl show --property=MainPID --value {unit}"]


def test_what_does_not_run_cannot_be_killed(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"keydb-server\.service does not run"):
        inject(fake_host(tmp_path, answers=NOBODYS_PROCESS), "kill")


def chain(hook: str, field: str, addresses: str) -> str:
    begins = f"  chain {hook} {{ type filter hook {hook} priority filter - 10; policy accept;"
    return f"{begins} ip {field} {{ {addresses} }} drop; }}"


def test_a_cut_is_a_table_of_its_own() -> None:
    text = rules(["10.77.0.12", "10.77.0.13"], ["10.77.0.12"])
    assert text.splitlines() == [
        "table inet keydb_faults",
        "delete table inet keydb_faults",
        "table inet keydb_faults {",
        chain("input", "saddr", "10.77.0.12, 10.77.0.13"),
        chain("output", "daddr", "10.77.0.12"),
        "}",
    ]
    assert "hook output" not in rules(["10.77.0.12"], [])
    assert "flush" not in text


@pytest.mark.parametrize("kind", ["cut_in", "cut_out", "cut", "cut_pair", "cut_minority", "cut_ring"])
def test_a_cut_goes_with_its_table(tmp_path: Path, kind: str) -> None:
    host = fake_host(tmp_path)
    inject(host, kind, to=["10.77.0.12"])
    assert host.commands == ["nft --file -"]
    assert "ip daddr { 10.77.0.12 } drop" in host.told[0]
    host.told.clear()
    KINDS[kind].undo(host, {}, {})
    assert host.told == ["table inet keydb_faults\ndelete table inet keydb_faults\n"]
    assert KINDS[kind].why_not(fake_host(tmp_path, lacks=("nft",))) == "nftables is not installed"


@pytest.mark.parametrize(
    ("shown", "back"),
    [
        ("[]", ["del", "root"]),
        ('[{"kind": "noqueue", "handle": "0:", "root": true, "refcnt": 2, "options": {}}]', ["del", "root"]),
        (TBF, ["replace", "root", "tbf", "rate", "1000000000bit", "burst", "256kb", "latency", "50000us"]),
        ('[{"kind": "htb", "handle": "1:", "root": true, "options": {"default": "0x10"}}]', None),
        ('[{"kind": "netem", "handle": "8002:", "root": true, "options": {"limit": 1000}}]', None),
    ],
)
def test_a_queue_comes_back_as_it_was_or_is_left_alone(shown: str, back: list[str] | None) -> None:
    assert way_back(shown) == back


def test_a_link_is_slow_by_what_the_kernel_has(tmp_path: Path) -> None:
    answers = {"ip -json": ADDRESSES, "tc -json": TBF}
    assert inject(fake_host(tmp_path, answers=answers), "slow").startswith("netem delay")
    host = fake_host(tmp_path, answers=answers | {"tc qdisc replace dev eth1 root netem": None})
    assert inject(host, "slow").startswith("tbf rate")
    host = fake_host(tmp_path, answers=answers | {"tc qdisc replace": None})
    with pytest.raises(NotPossibleError, match="neither netem nor tbf"):
        inject(host, "slow")


def test_a_queue_of_ones_own_is_not_touched(tmp_path: Path) -> None:
    htb = '[{"kind": "htb", "handle": "1:", "root": true}]'
    host = fake_host(tmp_path, answers={"ip -json": ADDRESSES, "tc -json": htb})
    assert KINDS["slow"].why_not(host).startswith("eth1 has a queue of its own")
    elsewhere = fake_host(tmp_path, answers={"ip -json": "[]"})
    assert KINDS["slow"].why_not(elsewhere) == "10.77.0.11 is on no interface"


def test_a_file_system_that_others_use_is_never_filled(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    assert "that others use too" in KINDS["disk_full"].why_not(host)
    assert KINDS["disk_full"].why_not(fake_host(tmp_path, data_dir="/nowhere")) == "/nowhere is not there"
    assert mount_point(tmp_path).is_mount()


def test_a_file_system_that_others_use_is_not_filled_even_when_asked_to(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    with pytest.raises(NotPossibleError, match="that others use too"):
        inject(host, "disk_full")
    assert list(Path(host.data_dir).iterdir()) == []


ROOT = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw"


@pytest.mark.parametrize(
    ("mounts", "is_the_datas_own"),
    [
        ((ROOT, "60 22 0:50 / /data rw - tmpfs tmpfs rw,size=65536k"), True),
        ((ROOT, "60 22 254:16 / /data rw - ext4 /dev/vdb rw"), True),
        # A directory of a container's host, a subvolume, another place where the same file system is, and none at all.
        ((ROOT, "60 22 254:0 /var/lib/containers/storage/volumes/v/_data /data rw - ext4 /dev/vda rw"), False),
        ((ROOT, "60 22 0:40 /@data /data rw - btrfs /dev/vdb rw"), False),
        ((ROOT, "60 22 254:16 / /data rw - ext4 /dev/vdb rw", "61 22 254:16 / /mnt rw - ext4 /dev/vdb rw"), False),
        ((ROOT,), False),
    ],
)
def test_a_file_system_is_the_datas_own_only_as_a_whole(mounts: tuple[str, ...], is_the_datas_own: bool) -> None:
    assert is_whole_and_sole("\n".join(mounts), Path("/data")) == is_the_datas_own


@pytest.mark.parametrize(("free", "there"), [(100_000, 100_000), (100_000, 70_000), (1 << 40, 5000), (5000, 1 << 40)])
def test_no_more_is_taken_than_is_free_and_no_block_is_left(free: int, there: int) -> None:
    """Nothing is allocated here: this disk is everybody's."""
    taken: list[tuple[int, int]] = []

    def allocate(at: int, size: int) -> None:
        if at + size > there:
            raise OSError
        taken.append((at, size))

    total = fill(free, allocate)
    assert total == sum(size for _, size in taken) <= min(free, there)
    assert min(free, there) - total < 4096
    assert len(taken) < 64


def test_a_full_disk_is_empty_again(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    (Path(host.data_dir) / ".keydb-faults-full").write_bytes(b"x")
    KINDS["disk_full"].undo(host, {}, {})
    KINDS["disk_full"].undo(host, {}, {})
    assert list(Path(host.data_dir).iterdir()) == []


def test_memory_is_only_taken_where_limits_hold(tmp_path: Path) -> None:
    host = fake_host(tmp_path, answers={"systemctl show --property=ControlGroup": "/nowhere.slice\n"})
    assert KINDS["out_of_memory"].why_not(host) == "units are not held to their memory limits here"


def test_memory_limits_come_back(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    KINDS["out_of_memory"].undo(host, {}, {"MemoryMax": "infinity", "MemorySwapMax": "1024"})
    assert host.commands == [
        "systemctl set-property --runtime keydb-server.service MemoryMax=infinity MemorySwapMax=1024",
        "systemctl daemon-reload",
    ]


@pytest.mark.parametrize("kind", ["wrong_certificate", "expired_certificate"])
def test_certificates_are_swapped_and_come_back(tmp_path: Path, kind: str) -> None:
    host = fake_host(tmp_path)
    tls = Path(host.tls_dir)
    for name, mode in (("server.crt", 0o644), ("server.key", 0o640)):
        (tls / name).write_text(f"the right {name}", encoding="utf-8")
        (tls / name).chmod(mode)
    host.expired_certificate.write_text("an expired one", encoding="utf-8")
    before = {path.name: (path.read_text("utf-8"), path.stat().st_mode) for path in tls.iterdir()}

    class Making(FakeHost):
        def run(self, *command: str, told: str = "", within_s: float = 0) -> str:
            if command[0] == "openssl":
                for option in ("-keyout", "-out"):
                    Path(command[command.index(option) + 1]).write_text("a wrong one", encoding="utf-8")
            return super().run(*command, told=told, within_s=within_s)

    making = Making(**vars(host))
    inject(making, kind)
    assert making.commands[-1] == "systemctl restart --no-block keydb-server.service"
    now = {path.name: (path.read_text("utf-8"), path.stat().st_mode) for path in tls.iterdir()}
    for name in KINDS[kind].files:  # type: ignore[attr-defined]
        assert now[name][0] in ("a wrong one", "an expired one")
        assert now[name][1] == before[name][1]
    # Begun again, as after an interrupt, it does not take the wrong one for the original.
    inject(making, kind)
    making.commands.clear()
    KINDS[kind].undo(making, {}, {})
    KINDS[kind].undo(making, {}, {})
    assert {path.name: (path.read_text("utf-8"), path.stat().st_mode) for path in tls.iterdir()} == before
    assert making.commands == ["systemctl restart --no-block keydb-server.service"]


def test_without_an_expired_certificate_there_is_none(tmp_path: Path) -> None:
    assert "brought no expired certificate" in KINDS["expired_certificate"].why_not(fake_host(tmp_path))
    assert KINDS["wrong_certificate"].why_not(fake_host(tmp_path, lacks=("openssl",))) == "openssl is not installed"


def test_a_container_has_others_clock_and_does_not_reboot_by_itself(tmp_path: Path) -> None:
    inside, outside = fake_host(tmp_path, container=True), fake_host(tmp_path)
    assert "others use too" in KINDS["clock_step"].why_not(inside)
    assert KINDS["clock_step"].why_not(outside) == ""
    assert "faults_restart_command" in KINDS["reboot"].why_not(inside)
    assert KINDS["reboot"].why_not(fake_host(tmp_path, container=True, is_restarted_from_outside=True)) == ""
    assert KINDS["reboot"].why_not(outside) == ""


def test_a_clock_that_is_right_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = fake_host(tmp_path)
    clock = KINDS["clock_step"]
    kept = clock.prepare(host, {})
    set_to: list[float] = []
    monkeypatch.setattr("time.clock_settime", lambda _clock, seconds: set_to.append(seconds))
    clock.undo(host, {}, kept)
    assert set_to == []
    clock.undo(host, {}, kept | {"apart_s": kept["apart_s"] - 30})
    assert len(set_to) == 1
    clock.undo(host, {}, kept | {"apart_s": kept["apart_s"] - 30, "boot": "another"})
    assert len(set_to) == 1


def test_every_kind_can_be_undone_before_anything_was_done(tmp_path: Path) -> None:
    """As when the host is armed and the controller is killed in the same moment."""
    for name, kind in KINDS.items():
        host = fake_host(tmp_path / name, answers={"ip -json": ADDRESSES, "tc -json": TBF})
        kept = kind.prepare(host, {})
        kind.undo(host, {"unit": "observer-writer.service"}, kept)
