"""Whether a listener's memory stays what it is: at half of its sustained rate, for minutes, sampled each second."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.record import Record
from bench.trial import BrokenError, Load, Rig, child_environment

WARMUP_S = 20
MOST_GROWTH = 1.10
_ENDS_WITHIN_S = 15.0


@dataclass(frozen=True)
class Memory:
    """Resident memory in KiB: ``samples_kib`` are a second apart, the warm-up's left out. ``lost`` counts writes."""

    rate: int
    seconds: int
    samples_kib: tuple[int, ...]
    lost: int

    @property
    def least_kib(self) -> int:
        """Of the samples."""
        return min(self.samples_kib)

    @property
    def most_kib(self) -> int:
        """Of the samples."""
        return max(self.samples_kib)

    @property
    def is_flat(self) -> bool:
        """Whether it stays within 10%, and the listener did what it was there for."""
        return self.most_kib <= self.least_kib * MOST_GROWTH and not self.lost


def watch(rig: Rig, contender: str, rate: int, keys: int, seconds: int, directory: Path) -> Memory:
    """Takes ``seconds``, and the warm-up before. The contender keeps no rows. Raises BrokenError and OSError."""
    load = Load(rate, keys, WARMUP_S, seconds)
    record_file = directory / "memory.record"
    record_file.unlink(missing_ok=True)
    samples: list[int] = []
    with (
        (directory / "load.log").open("wb") as log,
        rig.running(contender, load, record_file, keeps_rows=False) as process,
        _generating(rig.generator(load, directory / "load.json"), log.fileno()) as generator,
    ):
        begin = time.monotonic()
        while len(samples) < load.duration_s and process.poll() is None:
            if generator.poll():
                raise BrokenError(f"the generator ended with {generator.returncode}")
            samples.append(_resident_kib(process.pid))
            time.sleep(max(0.0, begin + len(samples) - time.monotonic()))
        with contextlib.suppress(subprocess.TimeoutExpired):
            generator.wait(_ENDS_WITHIN_S)
            process.wait(_ENDS_WITHIN_S)
    # A process that has just ended has no memory.
    kept = tuple(sample for sample in samples[WARMUP_S:] if sample)
    if len(kept) < seconds // 2:
        raise BrokenError(f"{contender} ended after {len(samples)} s")
    summary = Record.read(record_file).summary
    unseen = load.writes - (summary.events if summary.events is not None else load.writes)
    return Memory(rate, seconds, kept, max(load.writes - summary.handled, unseen, summary.missed or 0))


@contextlib.contextmanager
def _generating(command: list[str], log: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=log, stderr=log, env=child_environment())
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _resident_kib(pid: int) -> int:
    # proc(5): the second field of statm is resident pages.
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
