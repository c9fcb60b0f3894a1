"""Questions about units, files, the journal and what listens. They run on a node, as root."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import signal
import stat
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

PROPERTIES = ("LoadState", "UnitFileState", "ActiveState", "SubState", "Type", "User", "MainPID", "NRestarts")


def output_of(*command: str, failing: tuple[int, ...] = ()) -> str:
    """What a command prints; raises unless it ends with 0 or a code of ``failing``."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, *failing):
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def properties(name: str) -> dict[str, str]:
    """Properties of a unit by name."""
    shown = output_of("systemctl", "show", f"--property={','.join(PROPERTIES)}", name)
    return dict(line.split("=", 1) for line in shown.splitlines())


def describe_units(units: list[str]) -> dict[str, dict[str, Any]]:
    """Properties of each unit, who its main process is, and how exposed systemd-analyze thinks it."""
    described: dict[str, dict[str, Any]] = {}
    for name in units:
        unit: dict[str, Any] = properties(f"{name}.service")
        if unit["LoadState"] == "loaded":
            verdict = output_of("systemd-analyze", "security", "--no-pager", f"{name}.service")
            found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", verdict)
            unit["exposure"] = float(found.group(1)) if found else None
        if unit["MainPID"] != "0":
            unit["uid"] = Path("/proc", unit["MainPID"]).stat().st_uid
            unit["program"] = str(Path("/proc", unit["MainPID"], "exe").resolve())
            unit["capabilities"] = re.findall(
                r"^CapPrm:\s*(\S+)", Path("/proc", unit["MainPID"], "status").read_text("utf-8"), re.MULTILINE
            )
        described[name] = unit
    return described


def links_libsystemd(program: str) -> bool:
    return "libsystemd.so" in output_of("ldd", program)


def listening_on(port: int) -> list[str]:
    """Addresses that something listens on at this TCP port."""
    lines = output_of("ss", "--no-header", "--listening", "--tcp", "--numeric", f"sport = :{port}").splitlines()
    return [line.split()[3] for line in lines]


def listening_of(program: str) -> list[str]:
    """Addresses and ports that a program listens on; ``unix`` for a socket in the file system."""
    lines = output_of("ss", "--no-header", "--listening", "--numeric", "--processes", "--tcp", "--udp", "--unix")
    mine = [line.split() for line in lines.splitlines() if f'(("{program}"' in line]
    return [words[4] if words[0] in ("tcp", "udp") else "unix" for words in mine]


def describe_files(paths: list[str]) -> dict[str, str]:
    """Path to ``mode owner:group`` as in ``640 root:keydb``, or ``absent``."""
    described = {}
    for path in paths:
        try:
            found = Path(path).stat()
        except FileNotFoundError:
            described[path] = "absent"
            continue
        owner, group = pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name
        described[path] = f"{stat.S_IMODE(found.st_mode):o} {owner}:{group}"
    return described


def below(directories: list[str]) -> list[str]:
    """Every file and directory below these directories, them included; a link to a device is neither."""
    found = list(directories)
    for directory in directories:
        found += [str(path) for path in Path(directory).rglob("*") if path.is_file() or path.is_dir()]
    return found


def may(user: str, how: str, paths: list[str]) -> list[str]:
    """Of these paths those that a user may read (``r``) or write (``w``)."""
    loop = f'for path; do test -{how} "$path" && echo "$path"; done; true'
    return output_of("runuser", "-u", user, "--", "sh", "-c", loop, "sh", *paths).splitlines()


def certificate_verdict(certificate: str, ca: str, purpose: str, name: str, address: str) -> str:
    """What openssl says to a certificate as that of a host of this name and address: ``OK`` or why not."""
    host = ["-verify_hostname", name, "-verify_ip", address]
    command = ["openssl", "verify", "-x509_strict", "-CAfile", ca, "-purpose", purpose, *host, certificate]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "OK" if done.returncode == 0 else (done.stderr + done.stdout).strip()


def read_text(path: str) -> str:
    return Path(path).read_text("utf-8")


def journal_cursor() -> str:
    """Where the journal ends now."""
    return output_of("journalctl", "--lines=0", "--show-cursor", "--quiet").split("cursor: ")[-1].strip()


def journal_of(unit: str, cursor: str = "") -> list[dict[str, Any]]:
    """What a unit logged in its present run, or since a cursor: message, identifier and the fields OBSERVER_*."""
    since = [f"--after-cursor={cursor}"]
    if not cursor:
        run = output_of("systemctl", "show", "--property=InvocationID", "--value", f"{unit}.service").strip()
        since = [f"_SYSTEMD_INVOCATION_ID={run}"]
    lines = output_of("journalctl", "--quiet", "--all", "--output=json", f"--unit={unit}.service", *since).splitlines()
    kept = re.compile("MESSAGE|PRIORITY|SYSLOG_IDENTIFIER|_SYSTEMD_UNIT|OBSERVER_.*")
    entries = (json.loads(line) for line in lines)
    return [{name: value for name, value in entry.items() if kept.fullmatch(name)} for entry in entries]


def wait_for_lines(unit: str, pattern: str, lines: int, wait: float, cursor: str = "") -> list[dict[str, Any]]:
    """The journal of a unit as of when so many lines match, or as it is after ``wait`` seconds."""
    deadline = time.monotonic() + wait
    while True:
        entries = journal_of(unit, cursor)
        if sum(bool(re.search(pattern, entry["MESSAGE"])) for entry in entries) >= lines or time.monotonic() > deadline:
            return entries
        time.sleep(0.5)


def observer_status() -> dict[str, Any]:
    """Exit code and JSON of keydb-observer status."""
    done = subprocess.run(
        ["/usr/local/bin/keydb-observer", "--config", "/etc/keydb-observer/observer.toml", "status", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath},
    )
    return {"exit_code": done.returncode, "status": json.loads(done.stdout or "null"), "said": done.stderr}


def fetch(url: str) -> dict[str, Any]:
    """Status, type and text of what is served there."""
    # Not by any proxy that this node may have for other things.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        return {"status": answer.status, "type": answer.headers["Content-Type"], "text": answer.read().decode()}


def load_and_listen(listen_to: str, write_to: str, rate: float, keys: int, seconds: float) -> dict[str, Any]:
    """What keydb-observer load says, as JSON, and the lines of a listener to what it writes. Nodes as NAME=HOST:PORT.

    Both are the user load. The listener has a name of its own, so that it is not taken for this host's.
    """
    common = ["/usr/local/bin/keydb-observer", "--config", "/etc/keydb-observer/observer.toml", "--username", "load"]
    common += ["--password-file", "/etc/keydb-observer/credentials/load", "--name", "nodes-test"]
    listen = [*common, "listen", "--mode", "async", "--key", "load:*", "--node", listen_to]
    load = [*common, "load", "--rate", str(rate), "--keys", str(keys), "--duration", str(seconds), "--output", "-"]
    load += ["--node", write_to, "--write-node", write_to.partition("=")[2]]
    environment = {"PATH": os.defpath}
    with subprocess.Popen(listen, stderr=subprocess.PIPE, text=True, env=environment) as listener:
        try:
            time.sleep(3)
            loaded = subprocess.run(load, capture_output=True, text=True, check=False, env=environment)
            time.sleep(3)
        finally:
            listener.send_signal(signal.SIGINT)
        _, lines = listener.communicate(timeout=10)
    return {"result": json.loads(loaded.stdout or "null"), "said": loaded.stderr, "listener": lines.splitlines()}


def kill_server() -> dict[str, str]:
    """Kill the engine as a crash would, and tell where the journal ended and how the unit was."""
    cursor, before = journal_cursor(), properties("keydb-server.service")
    output_of("systemctl", "kill", "--signal=SIGKILL", "keydb-server.service")
    return {"cursor": cursor, **before}


def wait_until_well(pid: str, wait: float) -> dict[str, Any]:
    """Wait until the engine runs as another process and every link of every node is up; how it then is."""
    deadline = time.monotonic() + wait
    while True:
        unit, status = properties("keydb-server.service"), observer_status()
        is_back = unit["ActiveState"] == "active" and unit["MainPID"] not in ("0", pid)
        if (is_back and status["exit_code"] == 0) or time.monotonic() > deadline:
            return {**unit, **status}
        time.sleep(0.5)
