"""Transient units: nothing of them is left in a directory, and each ends by itself."""

from __future__ import annotations

from collections.abc import Sequence

from keydb_bench.host import CommandError, Host

SERVER = "keydb-bench-server.service"
WORK = "keydb-bench-work.service"
LISTENERS = {mode: f"keydb-bench-listener-{mode}.service" for mode in ("sync", "async")}
SINK = "keydb-bench-sink.service"
ALL = (*LISTENERS.values(), WORK, SINK, SERVER)

_HARDENED = (
    "CapabilityBoundingSet=",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "LimitCORE=0",
    "UMask=0077",
    "RestrictAddressFamilies=AF_INET AF_UNIX",
    "IPAddressDeny=any",
)
_JOURNAL_LINES = "5"


def arguments(host: Host, unit: str, about: str, *properties: str) -> list[str]:
    """The beginning of a command that runs another one as a unit; ``about`` keeps its words out of the journal."""
    words = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", f"--description={about}"]
    limits = (f"IPAddressAllow={host.network}", f"RuntimeMaxSec={host.lasts_s}s")
    return words + [f"--property={each}" for each in (*_HARDENED, *limits, *properties)]


def credentials(host: Host, *, tls: bool, authentication: bool) -> list[str]:
    """The properties by which a client's unit is given the secrets that it needs."""
    password = [f"LoadCredential=password:{host.password_file}"] if authentication else []
    return password + ([f"LoadCredential=client.key:{host.client_tls}/client.key"] if tls else [])


def credential(unit: str, name: str) -> str:
    """Where a unit finds a secret that it was given."""
    return f"/run/credentials/{unit}/{name}"


def client_options(host: Host, unit: str, *, tls: bool, authentication: bool) -> list[str]:
    """What keydb-observer is told to reach a server of this run."""
    words = []
    if tls:
        words += ["--tls", "--tls-ca", f"{host.client_tls}/ca.crt", "--tls-cert", f"{host.client_tls}/client.crt"]
        words += ["--tls-key", credential(unit, "client.key")]
    if authentication:
        words += ["--username", "bench", "--password-file", credential(unit, "password")]
    return words


def stop(host: Host, names: Sequence[str]) -> None:
    """Stop units, of which some may be gone."""
    for name in names:
        host.tried("systemctl", "stop", name, within_s=60)
        host.tried("systemctl", "reset-failed", name)


def why(host: Host, unit: str) -> str:
    """The last that a unit said."""
    try:
        told = host.run("journalctl", "--unit", unit, "--lines", _JOURNAL_LINES, "--output", "cat", "--no-pager")
    except CommandError as error:
        return str(error)
    return " ".join(told.split())
