"""The server is stopped, and started again when the fault is over."""

from __future__ import annotations

from keydb_faults.host import Host
from keydb_faults.kinds.kind import Given, Kind


class Stop(Kind):
    """A stop that is still under way when it is undone is followed by the start."""

    name = "stop"
    about = "orderly stop of the server, which is started again afterwards"
    takes_down = True

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """It may take its time to save: nobody waits for that."""
        host.run("systemctl", "stop", "--no-block", host.service)
        return ""

    def undo(self, host: Host, given: Given, kept: Given) -> None:  # noqa: ARG002 - as the base has it
        """A running one is left as it is."""
        host.run("systemctl", "start", "--no-block", host.service)
