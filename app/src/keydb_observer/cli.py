"""The command line."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import uvloop

from keydb_observer import __version__
from keydb_observer.audit_repair_report import repair_and_show, undo_and_show
from keydb_observer.audit_report import compare_and_show
from keydb_observer.heal import Healer
from keydb_observer.instruments import Instruments
from keydb_observer.journal import set_up_logging
from keydb_observer.judge import judge_and_show
from keydb_observer.load import show_and_write
from keydb_observer.messages import Mode
from keydb_observer.observer import Observer
from keydb_observer.options import ENVIRONMENT_PREFIX, Option
from keydb_observer.resolution import (
    ALL_OPTIONS,
    CONFIG_VARIABLE,
    WrongOptionError,
    resolve,
    resolve_audit,
    resolve_heal,
    resolve_load,
    resolve_states,
    resolve_storm,
)
from keydb_observer.settings import Settings
from keydb_observer.states import read_and_write
from keydb_observer.status import ask_cluster
from keydb_observer.status_table import render
from keydb_observer.storm import storm_until_stopped
from keydb_observer.writer import Writer

PROGRAM = "keydb-observer"
JUDGE = "judge"
EXIT_WELL, EXIT_NOT_WELL, EXIT_WRONG_USE = 0, 1, 2

_Arguments = dict[str, Any]

_DESCRIPTION = """\
Measures how long it takes from a write on one node to a reaction on another.

A writer sets a key to a value with its clock's time and a number. Listeners are woken by the server's keyspace
notification, read the value, log the time difference, and answer with a handshake that replicates back to the writer.
The servers (KeyDB, Valkey or Redis) need `notify-keyspace-events K$g`."""

_EPILOG = f"""\
Every option may stand before or after the command. It can also be an environment variable ({ENVIRONMENT_PREFIX} and
its name: {ENVIRONMENT_PREFIX}PASSWORD_FILE) or a key of a TOML file (password-file = "/path"). The command line wins
over the environment, which wins over the file. As variables, --node and --key are lists with commas, in the
file arrays.

examples:
  keydb-observer write --interval 1                      on a server at 127.0.0.1:6379, in one terminal,
  keydb-observer listen --mode async                     and in another one
  keydb-observer status --node a=10.0.0.1:6379 --node b=10.0.0.2:6379
  keydb-observer --config observer.toml listen --mode sync

observer.toml:
  node = ["node1=10.0.0.1:6379", "node2=10.0.0.2:6379"]
  tls = true
  tls-ca = "/etc/keydb-observer/tls/ca.crt"

exit codes: 0 well, or ended by SIGTERM or SIGINT; 1 status: a node or a link is down, audit: nodes differ or one cannot
be asked, states: one cannot be asked, judge: it does not hold; 2 a wrong option, or nodes that may not be repaired"""

_COMMANDS = {
    "write": (
        "set the key at a steady pace, and watch the handshakes",
        """\
Sets the key every --interval seconds and logs each write. For each handshake it logs the round trip (the time from the
write to the handshake's arrival, less what the listener took) and the clock offset (how far the listener's clock is
ahead of the writer's, to within half the round trip).""",
        """\
examples:
  keydb-observer write                                   every 10 seconds on 127.0.0.1:6379
  keydb-observer write --interval 0.5 --name node1
  keydb-observer write --node 10.0.0.2:6379 --write-node 10.0.0.1:6379
                                                         handshakes are seen at a replica, writes go to its primary""",
    ),
    "listen": (
        "react to each write, log the time difference, and answer",
        """\
Subscribes to the keys' notifications at the first --node that can be had, reads at each event all keys that had some,
logs the time since the write, and answers with a handshake. Every write is counted: as read, as superseded (its event
was seen, but a later write had replaced the value before it was read) or as missed (neither). A value found on
subscribing is logged as such: how old it is, is no reaction time.""",
        """\
examples:
  keydb-observer listen --mode sync
  keydb-observer listen --mode async --key shared_key --key 'load:*' --metrics 127.0.0.1:9613
  keydb-observer listen --mode async --node node2=10.0.0.2:6379 --node node1=10.0.0.1:6379 --name node2 \\
      --username listener_async --password-file password \\
      --tls --tls-ca ca.crt --tls-cert client.crt --tls-key client.key""",
    ),
    "status": (
        "show every node and observer",
        """\
Asks every --node at once. LINKS is how many replication links are up, of how many there should be. An observer is shown
at the node that has its host's name. The second table has each listener's time differences, of the last minute and of
the whole run.""",
        """\
examples:
  keydb-observer status
  keydb-observer --config /etc/keydb-observer/observer.toml status --json""",
    ),
    "load": (
        "write to many keys at a fixed rate, whatever the servers do about it",
        """\
An open loop: each write is due at its time, and its value carries that time, also where a stall held it up. So nothing
that was late looks punctual (no coordinated omission). Prints what came of it: how many writes were acknowledged and
how long after their time, and how well the generator itself kept to its plan.""",
        """\
examples:
  keydb-observer load --rate 10000 --keys 1000 --duration 30
  keydb-observer load --node a=10.0.0.1:6379 --node b=10.0.0.2:6379 --writers all --durable 1 --output load.json""",
    ),
    "audit": (
        "compare all nodes key by key, and make them equal if asked to",
        """\
Scans every --node and compares type, value and expiry of each key on all of them, in small batches, while they go on
working. Traffic makes nodes differ for a moment, so a difference counts only if the nodes still differ at a later look
and none of them has changed the key meanwhile. A key that is made while this runs may be left to the next run. Memory
is bounded by --batch and by the number of members of the largest set, hash or sorted set.

--repair makes nodes equal. It prints what it means to do, keeps what every node had in --undo-file, writes to each node
that is not as it should be, and looks again. What is right is decided key by key:
  * a key that only some nodes have is given to the others. So a key that was deleted, but not on a node that was away,
    comes back on all of them: nodes keep no record of deletions. Do not repair if that would be worse;
  * of differing values the newest write, where all of them are this program's own and so carry their time;
  * hashes, sets and sorted sets get the union of their members (removed ones may come back like keys);
  * all other values, fields and scores, and the type if that differs: what most of the nodes that have it hold, and in
    a tie what the node holds that has run longest;
  * the latest expiry, and none at all if a node has none.
A key that somebody writes meanwhile is left alone and counted as busy. A replica is not repaired but has to be
synchronised anew, and no node is while one of them is loading or a link is down.""",
        """\
examples:
  keydb-observer audit --node a=10.0.0.1:6379 --node b=10.0.0.2:6379
  keydb-observer --config /etc/keydb-observer/observer.toml audit --match 'orders:*' --output audit.json
  keydb-observer audit --node a=10.0.0.1:6379 --node b=10.0.0.2:6379 --repair --dry-run
  keydb-observer audit --node a=10.0.0.1:6379 --node b=10.0.0.2:6379 --repair --undo-file undo.jsonl
  keydb-observer audit --node a=10.0.0.1:6379 --node b=10.0.0.2:6379 --undo undo.jsonl --undo-as b""",
    ),
    "heal": (
        "audit and repair once, for a timer: quiet unless there is something to say",
        """\
Does what audit does when it is asked to repair, and says in one line what it repaired and where the file is that
undoes it. It first asks whether all nodes answer, have loaded their data and have their links up; if not, it says what
is in the way, once, and repairs nothing around it. All keys are compared at once where a node was started or a link
came up since the last time, else as often as --share allows.""",
        """\
examples:
  keydb-observer heal --node a=10.0.0.1:6379 --node b=10.0.0.2:6379 --state /var/lib/keydb-healing""",
    ),
    "storm": (
        "do all kinds of things to one node, and write down what came of each",
        """\
Sets, counts up, deletes and lets expire keys of its own at a steady rate, at the node that writes go to, and sets some
that every host sets. Whatever happens to that node, it goes on; it neither retries nor goes elsewhere. Every operation
is a line of --history when it is sent and when its outcome is known: acknowledged, failed or unknown. A process that is
started again goes on with numbers and keys that were not used before.""",
        """\
examples:
  keydb-observer storm --node 10.0.0.1:6379 --name node1 --history history.jsonl --samples samples.jsonl
  keydb-observer --config /etc/keydb-observer/observer.toml storm --rate 200 --durable 2 --history history.jsonl""",
    ),
    "states": (
        "what each key holds on every node",
        """\
Scans every --node, and writes what each key that any of them has holds on all of them, a line of JSON for each. Keys in
which nodes differ are looked at again, up to --looks times, --settle seconds apart; their lines say for how long they
did.""",
        """\
examples:
  keydb-observer states --match 'storm:*' --output states.jsonl --node a=10.0.0.1:6379 --node b=10.0.0.2:6379""",
    ),
    JUDGE: (
        "say what a run with faults has shown",
        """\
Reads what a run has left in DIRECTORY: its faults, the histories of its storms, what the nodes held at the end, how
they were meanwhile, and what the listeners read and counted. Writes verdict.json, summary.md and timeline.svg and .png
there, and prints the summary's table. What cannot be checked because something is missing does not hold.""",
        """\
examples:
  keydb-observer judge results/faults/20261125T193000Z""",
    ),
}


class _Parser(argparse.ArgumentParser):
    """One line for a wrong option instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_WRONG_USE, f"{PROGRAM}: {message}; see {self.prog} --help\n")


class StopSignal(BaseException):
    """SIGTERM or SIGINT reached the synchronous listener. Not an Exception: nothing that outlives troubles eats it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line, returns the exit code."""
    arguments = vars(_parser().parse_args(argv))
    command = arguments.pop("command")
    try:
        return _RUNS[command](arguments)
    except WrongOptionError as wrong:
        print(f"{PROGRAM}: {wrong}", file=sys.stderr)
        return EXIT_WRONG_USE


def _write(arguments: _Arguments) -> int:
    settings = resolve("write", arguments, os.environ)
    logger = set_up_logging(f"observer-{Writer.NAME}")
    return _observe(lambda: _run_until_stopped(lambda: _write_on(settings, logger)))


def _listen(arguments: _Arguments) -> int:
    settings = resolve("listen", arguments, os.environ)
    # It goes by the name of its unit in the journal. Without a mode the options would not have been accepted.
    logger = set_up_logging(f"observer-{settings.mode.listener}" if settings.mode else PROGRAM)
    if settings.mode is Mode.ASYNC:
        return _observe(lambda: _run_until_stopped(Observer.of(settings, logger).run_async))
    return _observe(lambda: _listen_until_stopped(settings, logger))


def _storm(arguments: _Arguments) -> int:
    settings, storm = resolve_storm(arguments, os.environ)
    return _observe(lambda: storm_until_stopped(storm, settings, set_up_logging("observer-storm")))


def _observe(run: Callable[[], None]) -> int:
    """Until it is stopped. What it cannot do without, such as a port that is taken, is wrong use."""
    try:
        run()
    except OSError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return EXIT_WRONG_USE
    return EXIT_WELL


def _status(arguments: _Arguments) -> int:
    settings = resolve("status", arguments, os.environ)
    status = asyncio.run(ask_cluster(settings))
    print(json.dumps(status.as_json(), indent=2) if settings.as_json else render(status))
    return EXIT_WELL if status.is_well else EXIT_NOT_WELL


def _load(arguments: _Arguments) -> int:
    settings, load = resolve_load(arguments, os.environ)
    return show_and_write(load, settings, set_up_logging("observer-load"))


def _audit(arguments: _Arguments) -> int:
    settings, audit = resolve_audit(arguments, os.environ)
    show = undo_and_show if audit.undo else repair_and_show if audit.repair else compare_and_show
    return show(audit, settings, set_up_logging("observer-audit"))


def _heal(arguments: _Arguments) -> int:
    settings, audit, heal = resolve_heal(arguments, os.environ)
    healer = Healer(heal, audit, settings, set_up_logging("keydb-healing"))
    try:
        _run_until_stopped(healer.run)
    except OSError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return EXIT_NOT_WELL
    return EXIT_WELL


def _states(arguments: _Arguments) -> int:
    settings, states = resolve_states(arguments, os.environ)
    return read_and_write(states, settings, set_up_logging("observer-states"))


def _judge(arguments: _Arguments) -> int:
    return judge_and_show(Path(arguments["directory"]))


_RUNS: dict[str, Callable[[_Arguments], int]] = {
    "write": _write,
    "listen": _listen,
    "status": _status,
    "load": _load,
    "audit": _audit,
    "heal": _heal,
    "storm": _storm,
    "states": _states,
    JUDGE: _judge,
}


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    _add_options(parser, "")
    commands = parser.add_subparsers(dest="command", required=True, metavar="|".join(_COMMANDS))
    for command, (summary, description, epilog) in _COMMANDS.items():
        subparser = commands.add_parser(
            command,
            help=summary,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if command == JUDGE:
            subparser.add_argument("directory", metavar="DIRECTORY", help="what the run has left")
        else:
            _add_options(subparser, command)
    return parser


def _add_options(parser: argparse.ArgumentParser, command: str) -> None:
    """Adds what every command has, and what only this one has. Values stay text: they are judged in one place."""
    parser.add_argument(
        "--config",
        default=argparse.SUPPRESS,
        metavar="PATH",
        help=f"a TOML file with options (or the variable {CONFIG_VARIABLE})",
    )
    for option in ALL_OPTIONS:
        if not option.commands or command in option.commands:
            _add_option(parser, option)


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    # SUPPRESS: what is not given does not appear, so that an option before the command survives the one after it.
    common: dict[str, Any] = {"dest": option.name, "default": argparse.SUPPRESS, "help": option.help}
    if option.is_flag:
        parser.add_argument(option.flag, action=argparse.BooleanOptionalAction, **common)
    else:
        action = "append" if option.is_repeatable else "store"
        parser.add_argument(option.flag, action=action, metavar=option.metavar or option.name.upper(), **common)


def _run_until_stopped(start: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        task = asyncio.ensure_future(start())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    uvloop.run(run())


def _listen_until_stopped(settings: Settings, logger: logging.Logger) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise StopSignal

    with contextlib.suppress(StopSignal):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        Observer.of(settings, logger).run()


async def _write_on(settings: Settings, logger: logging.Logger) -> None:
    instruments = Instruments(settings)
    writer = Writer(settings, logger, instruments.clock_error_ns)
    with instruments.running(writer.snapshot):
        await writer.run()
