"""The server dies without a word."""

from __future__ import annotations

import signal

from keydb_faults.host import Host
from keydb_faults.kinds.kind import Given, Kind


class Kill(Kind):
    """What the service manager makes of it is a part of what is tested: undoing it is left to it."""

    name = "kill"
    about = "kill -9 of the server; the service manager starts it again"
    takes_down = True

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """The main process only, as the kernel would."""
        return host.kill(host.service, signal.SIGKILL)
