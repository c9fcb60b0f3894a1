"""The server stands still: its connections stay open, and nobody answers on them."""

from __future__ import annotations

from keydb_faults.host import Host
from keydb_faults.kinds.kind import Given, Kind


class Freeze(Kind):
    """As a board that swaps, or a disk that does not answer."""

    name = "freeze"
    about = "the server stands still (SIGSTOP), with its connections open"
    takes_down = True

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """All its processes, also one that saves."""
        host.run("systemctl", "kill", "--signal=SIGSTOP", host.service)
        return ""

    def undo(self, host: Host, given: Given, kept: Given) -> None:  # noqa: ARG002 - as the base has it
        """There may be none left to wake."""
        host.tried("systemctl", "kill", "--signal=SIGCONT", host.service)
