"""``prepare`` runs before the server, ``complete`` after it has started."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import redis

from keydb_join.dataset import Dataset
from keydb_join.decision import Start, decide
from keydb_join.joining import NotJoinedError, be_followed, follow, forget_what_nobody_has, shut_out
from keydb_join.nodes import Standing, client, standings, tell
from keydb_join.settings import Settings

_ASK_EVERY_S = 0.5
# A server that takes a copy may not answer for as long as its own conversation with a slow peer lasts.
_PATIENCE_S = 60.0
# Whoever shall find their way in while everybody else is kept out. What else they may do is in the file of all users.
_LET_IN = ("replication", "health", "operator")
_USER = "joining"
_MAY = "+ping +info +dbsize +scan +eval +dump +del +replicaof +client|kill +acl|setuser +acl|deluser +acl|log"


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0, or 1 when it could not be done and the server should not go on, 2 for a wrong call."""
    commands = {"prepare": prepare, "complete": complete}
    try:
        command, file = arguments
        run = commands[command]
    except (ValueError, KeyError):
        print("usage: keydb-join prepare|complete FILE", file=sys.stderr)
        return 2
    # redis-py would have every connection trust all authorities of the system, too, and read them anew.
    os.environ.update(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.devnull)
    try:
        run(Settings.read(Path(file)))
    except (OSError, ValueError, TypeError, KeyError, redis.RedisError, NotJoinedError) as error:
        _say(3, f"{command}: {error}")
        _end_server()
        return 1
    return 0


def prepare(settings: Settings) -> None:
    """Decide how to start, and lay out the server's files for it."""
    files = Dataset(Path(settings.data))
    if files.put_back():
        _say(5, "the last time it did not come to its end; its files are back in their place")
    start = _decided(settings, files)
    if start.donors:
        files.set_aside()
        password = secrets.token_hex(32)
        _write(settings.plan_file, json.dumps({"donors": start.donors, "password": password}))
        _write(Path(settings.run, "joining.acl"), _acl(settings, password))
        _link(settings.users_file, Path(settings.run, "joining.acl"))
    else:
        settings.plan_file.unlink(missing_ok=True)
        _link(settings.users_file, Path(settings.acl))
    _write(settings.started_config, _config(settings, is_joining=bool(start.donors)))
    _say(5, start.reason)


def complete(settings: Settings) -> None:
    """Take part again, where it was decided to take everything from the peers."""
    if not settings.plan_file.exists():
        return
    plan: Mapping[str, Any] = json.loads(settings.plan_file.read_text(encoding="utf-8"))
    donors = [settings.peers[name] for name in plan["donors"]]
    others = [address for address in settings.peers.values() if address not in donors]
    began = time.monotonic()
    server = client(settings, settings.address, _USER, plan["password"], _PATIENCE_S)
    _wait_until_it_listens(server)
    missing = be_followed(server, donors, settings.attach_s)
    if missing:
        _say(4, f"goes on without being followed by {', '.join(missing)}, which may bring deleted keys back")
    user, password = settings.replication_user()
    shut_out(server, user)
    missing = follow(server, settings, donors)
    if missing:
        _say(4, f"goes on without data from {', '.join(missing)}")
    # Last, for while a server waits for one that does not answer it follows no other one.
    for address in others:
        tell(server, "REPLICAOF", address, settings.port)
    givers = [client(settings, address, user, password, _PATIENCE_S) for address in donors if address not in missing]
    forgotten = forget_what_nobody_has(server, givers)
    Dataset(Path(settings.data)).finish()
    keys = server.dbsize()
    tell(server, "ACL", "SETUSER", user, "on")
    be_followed(server, [address for address in donors if address not in missing], settings.attach_s)
    _let_in(server, settings)
    settings.plan_file.unlink()
    _say(
        5,
        f"has {keys:,} keys, without {forgotten:,} that no peer has, and lets clients in; "
        f"after {time.monotonic() - began:.1f} seconds",
    )


def _decided(settings: Settings, files: Dataset) -> Start:
    has_data, began = files.exists(), time.monotonic()
    told: dict[str, Standing] = {}
    while True:
        found = standings(settings)
        waited_s = time.monotonic() - began
        start = decide(found, has_data=has_data, waited_s=waited_s, wait_s=settings.wait_s)
        if start:
            return start
        if found != told:
            told = found
            _say(5, "waits: " + "; ".join(f"{name} {standing.value}" for name, standing in found.items()))
        time.sleep(_ASK_EVERY_S)


def _wait_until_it_listens(server: redis.Redis) -> None:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            server.ping()
        except redis.ConnectionError:
            if time.monotonic() >= until:
                raise
            time.sleep(_ASK_EVERY_S / 5)
        else:
            return


def _config(settings: Settings, *, is_joining: bool) -> str:
    lines = []
    for line in Path(settings.config).read_text(encoding="utf-8").splitlines():
        name = line.split(None, 1)[0].lower() if line.strip() else ""
        if name == "aclfile":
            lines.append(f"aclfile {settings.users_file}")
        elif name != "replicaof" or not is_joining:
            lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def _let_in(server: redis.Redis, settings: Settings) -> None:
    """All users, one by one: ACL LOAD would end the connections of those who are in already."""
    _link(settings.users_file, Path(settings.acl))
    for line in _users(settings):
        _, name, *rules = line.split()
        if name not in (*_LET_IN, "default"):
            tell(server, "ACL", "SETUSER", name, "reset", *rules)
    # Whoever was refused until now was refused for a reason that is over.
    tell(server, "ACL", "LOG", "RESET")
    # It ends this connection.
    with contextlib.suppress(redis.ConnectionError):
        tell(server, "ACL", "DELUSER", _USER)


def _users(settings: Settings) -> list[str]:
    lines = Path(settings.acl).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("user ")]


def _end_server() -> None:
    """Half of a copy is not worth saving, and told to stop the server would try to, however long that takes."""
    if "MAINPID" in os.environ:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(os.environ["MAINPID"]), signal.SIGKILL)


def _acl(settings: Settings, password: str) -> str:
    kept = [line for line in _users(settings) if line.split()[1] in (*_LET_IN, "default")]
    digest = hashlib.sha256(password.encode()).hexdigest()
    kept.append(f"user {_USER} on #{digest} resetchannels ~* -@all {_MAY}")
    return "".join(f"{line}\n" for line in kept)


def _write(path: Path, text: str) -> None:
    """For the server's own user only, and whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _link(path: Path, target: Path) -> None:
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


def _say(priority: int, text: str) -> None:
    """To the journal, by the service manager's own prefix."""
    print(f"<{priority}>join: {text}", file=sys.stderr, flush=True)
