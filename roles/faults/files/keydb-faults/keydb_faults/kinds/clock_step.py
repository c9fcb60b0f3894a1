"""The host's clock jumps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from keydb_faults.cluster import Cluster
from keydb_faults.dice import Dice
from keydb_faults.host import Host
from keydb_faults.kinds.kind import Given, Kind, Part

_STEPS_S = (-30, 30)
_CLOSE_S = 1.0


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


class ClockStep(Kind):
    """It is put back by the clock that only ever counts on; a reboot in between leaves it to chrony."""

    name = "clock_step"
    about = "the clock of a node jumps by 30 s, forth or back (no container: it has its host's clock)"

    def draw(self, dice: Dice, cluster: Cluster) -> list[Part]:
        """Any node, either way."""
        return [Part(dice.pick(cluster.nodes).name, self.name, {"seconds": dice.pick(_STEPS_S)})]

    def why_not(self, host: Host) -> str:
        """A container's clock is everybody's on its machine; libfaketime does not get along with KeyDB's allocator."""
        return "a container has the clock of its host, which others use too" if host.is_container else ""

    def prepare(self, host: Host, given: Given) -> dict[str, Any]:  # noqa: ARG002 - as the base has it
        """How far both clocks are apart."""
        return {"boot": _boot(), "apart_s": time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)}

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """At once, as a clock that is set by hand."""
        time.clock_settime(time.CLOCK_REALTIME, time.time() + given["seconds"])
        return f"{given['seconds']:+} s"

    def undo(self, host: Host, given: Given, kept: Given) -> None:  # noqa: ARG002 - as the base has it
        """Unless somebody else has set it right, or it was never wrong."""
        right = kept["apart_s"] + time.clock_gettime(time.CLOCK_BOOTTIME)
        if kept["boot"] == _boot() and abs(time.time() - right) > _CLOSE_S:
            time.clock_settime(time.CLOCK_REALTIME, right)
