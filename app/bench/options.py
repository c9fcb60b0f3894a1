"""What a run is to do: from the command line, or from the environment where make runs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.contenders import CONTENDERS, DEFAULT
from bench.engines import KNOWN

ENVIRONMENT_PREFIX = "BENCH_"
RESULTS = Path(__file__).resolve().parents[2] / "results" / "observers"


@dataclass(frozen=True)
class Options:
    """Times are in seconds, but for ``minutes``: when these are over, no other window is begun.

    A search brackets the rate in windows of ``bracket_s``, bisects in windows of ``seconds`` and confirms in one of
    ``confirm_s``, until the lowest rate that does not hold is ``precision`` times the highest one that does, or less.
    TLS is measured in the first ``tls_rounds``. ``engines`` is empty for all that can be had. ``memory_s`` is 0 where
    memory is not measured.
    """

    rounds: int = 3
    tls_rounds: int = 2
    warmup_s: int = 1
    bracket_s: int = 1
    seconds: int = 3
    confirm_s: int = 6
    precision: float = 1.05
    latency_s: int = 10
    memory_s: int = 0
    memory_only: bool = False
    keys: int = 100
    minutes: float = 25
    engines: tuple[str, ...] = ()
    contenders: tuple[str, ...] = DEFAULT
    output: Path = RESULTS


_QUICK = Options(
    rounds=1, tls_rounds=0, seconds=1, confirm_s=1, precision=1.25, latency_s=2, minutes=1.75, engines=("redis",)
)
_MEMORY_S = 300
# Rates are rounded to three digits.
_FINEST = 1.02


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Ends the program on wrong ones."""
    base = _QUICK if "--quick" in arguments or environment.get(f"{ENVIRONMENT_PREFIX}QUICK") == "1" else Options()
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure how many events the observers take, and how late. Each option can also be set in the "
        f"environment: {ENVIRONMENT_PREFIX}ROUNDS=5.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    whole = _whole(1, 1_000_000)
    parser.add_argument("--quick", action="store_true", help="one short round on Redis, within two minutes")
    parser.add_argument("--rounds", type=whole, default=base.rounds, help="rounds, whose medians are reported")
    parser.add_argument("--seconds", type=whole, default=base.seconds, help="length of a window of the search")
    parser.add_argument("--confirm-s", type=whole, default=base.confirm_s, help="length of the window that confirms it")
    parser.add_argument("--precision", type=float, default=base.precision, help="ratio at which a search ends")
    parser.add_argument("--latency-s", type=whole, default=base.latency_s, help="length of the one at 200 events/s")
    parser.add_argument("--minutes", type=float, default=base.minutes, help="start nothing new after so many")
    parser.add_argument("--keys", type=whole, default=base.keys, help="keys that the load is spread over")
    parser.add_argument("--engines", type=_some_of(KNOWN), default=base.engines, help=f"of {', '.join(KNOWN)}")
    parser.add_argument(
        "--contenders",
        type=_some_of(tuple(CONTENDERS)),
        default=base.contenders,
        help=f"'all', or of {', '.join(CONTENDERS)}",
    )
    parser.add_argument(
        "--tls-rounds", type=_whole(0, 1000), default=base.tls_rounds, help="rounds that also measure TLS; 0 for none"
    )
    parser.add_argument("--no-tls", dest="tls_rounds", action="store_const", const=0, help="the same as 0 of them")
    parser.add_argument("--memory", action="store_true", help="also watch our listeners' memory for five minutes each")
    parser.add_argument("--memory-only", action="store_true", help="do nothing else; for rates, see the last results")
    parser.add_argument("--memory-s", type=whole, default=_MEMORY_S, help="length of that")
    parser.add_argument("--output", type=Path, default=base.output, help="directory of the results")
    given = parser.parse_args([*_from(parser, environment), *arguments])
    return replace(
        base,
        rounds=given.rounds,
        tls_rounds=given.tls_rounds,
        seconds=given.seconds,
        confirm_s=given.confirm_s,
        precision=max(given.precision, _FINEST),
        latency_s=given.latency_s,
        memory_s=given.memory_s if given.memory or given.memory_only else 0,
        memory_only=given.memory_only,
        keys=given.keys,
        minutes=given.minutes,
        engines=tuple(given.engines),
        contenders=tuple(given.contenders),
        output=given.output,
    )


def _from(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> list[str]:
    """The options that the environment sets, as arguments."""
    arguments = []
    for action in parser._actions:
        flag = action.option_strings[0]
        value = environment.get(ENVIRONMENT_PREFIX + flag.lstrip("-").upper().replace("-", "_"), "")
        if not value or action.dest == "help":
            continue
        if action.nargs == 0:
            if value not in ("0", "1"):
                sys.exit(f"{ENVIRONMENT_PREFIX}{action.dest.upper()}={value}: allowed are 0 and 1")
            arguments += [flag] if value == "1" else []
        else:
            arguments += [flag, value]
    return arguments


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse_whole(given: str) -> int:
        number = int(given)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{number} given; allowed: {least} to {most}")
        return number

    return parse_whole


def _some_of(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def parse_names(given: str) -> tuple[str, ...]:
        names = tuple(given.replace(",", " ").split())
        if names == ("all",):
            return known
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'} given; allowed: {', '.join(known)}")
        return names

    return parse_names
