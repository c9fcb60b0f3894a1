"""The server is restarted."""

from __future__ import annotations

from keydb_faults.host import Host
from keydb_faults.kinds.kind import Given, Kind


class Restart(Kind):
    """What an operator does."""

    name = "restart"
    about = "orderly restart of the server"
    takes_down = True

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """It may take its time to save and to load: nobody waits for that."""
        host.run("systemctl", "restart", "--no-block", host.service)
        return ""

    def undo(self, host: Host, given: Given, kept: Given) -> None:  # noqa: ARG002 - as the base has it
        """Should the restart have been lost on its way."""
        host.run("systemctl", "start", "--no-block", host.service)
