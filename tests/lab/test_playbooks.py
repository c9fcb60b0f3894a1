"""The lab's playbooks as their user sees them: what they print, and how they refuse wrong input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

STEPS = """\
- name: Some play
  hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Look at something
      ansible.builtin.command: "true"
      changed_when: false
    - name: Change something
      ansible.builtin.command: "true"
      changed_when: true
      loop: [1, 2]
    - name: Leave something alone
      ansible.builtin.command: "true"
      changed_when: true
      when: false
    - name: Say something
      ansible.builtin.debug:
        msg: "first line\\nsecond line"
    - name: Fail
      ansible.builtin.fail:
        msg: on purpose
"""


def play(playbook: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook as make does, on the controller alone."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(playbook)],
        cwd=REPOSITORY,
        env=os.environ | {"ANSIBLE_STDOUT_CALLBACK": "steps", "NO_COLOR": "1"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_step_is_one_line_and_a_failure_is_told_in_full(tmp_path: Path) -> None:
    playbook = tmp_path / "steps.yml"
    playbook.write_text(STEPS, encoding="utf-8")
    done = play(playbook)
    assert done.returncode == 2
    assert done.stdout.split("PLAY RECAP")[0].splitlines()[:7] == [
        "",
        "Some play",
        "  Look at something",
        "  Change something: changed",
        "  first line",
        "  second line",
        "  Fail",
    ]
    assert "on purpose" in done.stdout + done.stderr
    assert "changed=1" in done.stdout


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LAB_NODES", "0", "LAB_NODES=0: allowed are 2 to 20"),
        ("LAB_NODES", "many", "LAB_NODES=many: allowed are 2 to 20"),
        ("LAB_ENGINE", "memcached", "LAB_ENGINE=memcached: allowed are keydb, valkey, redis"),
        ("LAB_KEYDB_ARCHIVE", "/nowhere.tar.gz", "LAB_KEYDB_ARCHIVE=/nowhere.tar.gz: no such file"),
        ("LAB_CLUSTER_CIDR", "10.77.0.0/33", "LAB_CLUSTER_CIDR=10.77.0.0/33: not an IPv4 network"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_made(tmp_path: Path, name: str, value: str, message: str) -> None:
    state = tmp_path / "state"
    done = play(
        REPOSITORY / "playbooks" / "lab_up.yml", LAB_NAME="keydb-lab-refused", LAB_STATE_DIR=str(state), **{name: value}
    )
    assert done.returncode != 0
    assert message in " ".join((done.stdout + done.stderr).split())
    assert not (state / "inventory").exists()
    assert not list(state.glob("id_*"))
