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
from keydb_observer.cli_texts import COMMANDS, DESCRIPTION, EPILOG, JUDGE
from keydb_observer.heal import Healer
from keydb_observer.instruments import Instruments
from keydb_observer.journal import set_up_logging
from keydb_observer.judge import judge_and_show
from keydb_observer.load import show_and_write
from keydb_observer.messages import Mode
from keydb_observer.observer import Observer
from keydb_observer.options import Option
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
    resolve_top,
)
from keydb_observer.settings import Settings
from keydb_observer.states import read_and_write
from keydb_observer.status import ask_cluster
from keydb_observer.status_table import render
from keydb_observer.storm import storm_until_stopped
from keydb_observer.top import is_live, print_once, watch_until_stopped
from keydb_observer.writer import Writer

PROGRAM = "keydb-observer"
EXIT_WELL, EXIT_NOT_WELL, EXIT_WRONG_USE = 0, 1, 2

_Arguments = dict[str, Any]


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


def _top(arguments: _Arguments) -> int:
    settings, top = resolve_top(arguments, os.environ)
    if is_live(top):
        # uvloop would make the terminal's input non-blocking, for whoever has it next, too.
        return _observe(lambda: _run_until_stopped(lambda: watch_until_stopped(settings, top), asyncio.run))
    return EXIT_WELL if asyncio.run(print_once(settings, top)) else EXIT_NOT_WELL


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
    "top": _top,
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
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    _add_options(parser, "")
    commands = parser.add_subparsers(dest="command", required=True, metavar="|".join(COMMANDS))
    for command, (summary, description, epilog) in COMMANDS.items():
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


def _run_until_stopped(
    start: Callable[[], Coroutine[Any, Any, None]], run_loop: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
) -> None:
    async def run() -> None:
        task = asyncio.ensure_future(start())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    run_loop(run())


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
