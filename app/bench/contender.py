"""Run one contender: ``python -m bench.contender KIND --port … --writes … --output …``.

It says READY once it has subscribed, handles events until it has seen all the writes or is sent SIGTERM, and then
leaves its record.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys

from bench.contenders import CONTENDERS
from bench.job import Job
from bench.record import Recorder


def main(arguments: list[str]) -> None:
    """Never returns: the recorder ends the process."""
    parser = argparse.ArgumentParser(prog="bench.contender")
    parser.add_argument("kind", choices=sorted(CONTENDERS))
    Job.add_to(parser)
    given = parser.parse_args(arguments)
    job = Job.parsed(given)
    recorder = Recorder(job.output, job.writes, keeps_rows=job.keeps_rows)
    signal.signal(signal.SIGTERM, recorder.end)
    contender = CONTENDERS[given.kind]
    # Imported here: each pays for its own libraries only.
    run = getattr(importlib.import_module(f"bench.contenders.{contender.module}"), contender.function)
    run(job, recorder)


if __name__ == "__main__":
    main(sys.argv[1:])
