"""Kernel settings: which values mean the same, and what the module does with files."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import hardware_settings
import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from hardware_setting import choices_file, is_in_force
from hardware_settings import Settings

THP = "/sys/kernel/mm/transparent_hugepage/enabled"
GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
RPS = "/sys/class/net/eth1/queues/rx-0/rps_cpus"
XPS = "/sys/class/net/eth1/queues/tx-*/xps_cpus"
STEERING = "{{ _hardware_steering | to_json }}"


ROLE = Path(__file__).resolve().parents[2] / "roles" / "hardware"


@pytest.mark.parametrize(
    ("path", "present", "wanted", "same"),
    [
        ("/proc/sys/vm/overcommit_memory", "1", "1", True),
        ("/proc/sys/vm/overcommit_memory", "0", "1", False),
        ("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456", "4096 131072 6291456", True),
        (THP, "always [madvise] never", "madvise", True),
        (THP, "always madvise [never]", "madvise", True),
        (THP, "[always] madvise never", "madvise", False),
        (THP, "always madvise [never]", "always", False),
        (GOVERNOR, "performance", "performance", True),
        (GOVERNOR, "ondemand", "performance", False),
        (RPS, "f", "f", True),
        (RPS, "00000000,0000000f", "f", True),
        (RPS, "0", "f", False),
    ],
)
def test_what_is_in_force(path: str, present: str, wanted: str, same: bool) -> None:
    assert is_in_force(path, present, wanted) is same


def test_where_choices_are_listed() -> None:
    assert choices_file(GOVERNOR) == "/sys/devices/system/cpu/cpu0/cpufreq/scaling_available_governors"
    assert choices_file(THP) is None


class Module:
    """The little of an AnsibleModule that the settings use."""

    def __init__(self, *, check_mode: bool = False, **params: Any) -> None:
        self.params = {"shared": False, **params}
        self.check_mode = check_mode


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """Files as a kernel with four processors has them."""
    (tmp_path / "swappiness").write_text("60\n")
    for cpu in range(4):
        home = tmp_path / f"cpu{cpu}"
        home.mkdir()
        (home / "scaling_governor").write_text("ondemand\n")
        (home / "scaling_available_governors").write_text("ondemand performance\n")
    return tmp_path


def _settings(kernel: Path, **more: Any) -> Settings:
    settings = {f"{kernel}/swappiness": "1", f"{kernel}/cpu*/scaling_governor": "performance", f"{kernel}/missing": "1"}
    return Settings(Module(**{"settings": settings, "before": str(kernel / "state" / "before.json"), **more}))  # type: ignore[arg-type]


def _present(kernel: Path) -> list[str]:
    return [
        (kernel / "swappiness").read_text().strip(),
        *(path.read_text().strip() for path in kernel.glob("cpu*/scaling_governor")),
    ]


def test_settings_are_made_once_and_taken_back(kernel: Path) -> None:
    first = _settings(kernel)
    first.make()
    assert first.result()["changed"]
    assert _present(kernel) == ["1", *["performance"] * 4]
    again = _settings(kernel)
    again.make()
    assert again.result() == {"changed": False, "differs": [], "diff": {"before": "", "after": ""}}

    back = _settings(kernel)
    back.unmake()
    assert back.result()["changed"]
    assert _present(kernel) == ["60", *["ondemand"] * 4]
    assert not (kernel / "state" / "before.json").exists()
    nothing = _settings(kernel)
    nothing.unmake()
    assert not nothing.result()["changed"]


def test_check_mode_foresees_and_touches_nothing(kernel: Path) -> None:
    foreseen = _settings(kernel, check_mode=True)
    foreseen.make()
    result = foreseen.result()
    assert result["changed"]
    assert f"{kernel}/swappiness = 60\n" in result["diff"]["before"]
    assert f"{kernel}/swappiness = 1\n" in result["diff"]["after"]
    assert _present(kernel) == ["60", *["ondemand"] * 4]
    assert not (kernel / "state").exists()


def test_what_was_there_first_is_what_comes_back(kernel: Path) -> None:
    """A setting that changes its wish later does not forget what the host had."""
    _settings(kernel).make()
    _settings(kernel, settings={f"{kernel}/swappiness": "10"}).make()
    assert json.loads((kernel / "state" / "before.json").read_text())[f"{kernel}/swappiness"] == "60"


def test_a_shared_kernel_is_told_and_left_alone(kernel: Path) -> None:
    told = _settings(kernel, shared=True)
    told.make()
    result = told.result()
    assert not result["changed"]
    assert f"{kernel}/swappiness is 60, wanted 1" in result["differs"]
    assert _present(kernel) == ["60", *["ondemand"] * 4]


def test_a_governor_that_is_not_offered_is_told(kernel: Path) -> None:
    for path in kernel.glob("cpu*/scaling_available_governors"):
        path.write_text("ondemand powersave\n")
    told = _settings(kernel)
    told.make()
    assert sum("which this kernel does not offer" in line for line in told.result()["differs"]) == 4
    assert _present(kernel) == ["1", *["ondemand"] * 4]


@pytest.mark.parametrize("check", [True, False])
def test_files_come_with_the_settings(
    kernel: Path, check: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One call brings both about, tells of both, and changes nothing the second time."""
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *_, **__: None)
    own = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
    file = {"path": str(kernel / "at-boot.conf"), "content": "swappiness\n", **own}
    settings = {f"{kernel}/swappiness": "1"}
    arguments = {"files": [file], "settings": settings, "before": str(kernel / "before.json")}

    def call() -> dict[str, Any]:
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            hardware_settings.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    first = call()
    assert first["changed"]
    assert [part["after"] for part in first["diff"]] == ["swappiness\n", f"{kernel}/swappiness = 1\n"]
    assert (kernel / "at-boot.conf").exists() is not check
    assert _present(kernel)[0] == ("60" if check else "1")
    assert call()["changed"] is check


@pytest.mark.parametrize(("named", "address"), [("eth1", None), ("", "10.77.0.11")], ids=["bare", "has its address"])
def test_steering_is_for_the_interface_of_the_cluster_network(tmp_path: Path, named: str, address: str | None) -> None:
    """Before its first run a bare host has no address there; only the name tells which interface it will be."""
    interface = {"device": "eth1", **({"ipv4": {"address": address}} if address else {})}
    play = {
        "name": "Name the files",
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars" / "main.yml")],
        "vars": {
            "ansible_facts": {"interfaces": ["lo", "eth1"], "eth1": interface, "processor_vcpus": 4},
            "cluster_network_address": "10.77.0.11",
            "cluster_network_interface": named,
        },
        "tasks": [
            {"name": "Keep them", "ansible.builtin.copy": {"dest": str(tmp_path / "files"), "content": STEERING}}
        ],
    }
    file = tmp_path / "play.yml"
    file.write_text(yaml.safe_dump([play], sort_keys=False), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert json.loads((tmp_path / "files").read_text("utf-8")) == {RPS.replace("rx-0", "rx-*"): "f", XPS: "f"}
