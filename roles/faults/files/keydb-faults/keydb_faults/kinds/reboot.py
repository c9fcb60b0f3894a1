"""The host is started anew."""

from __future__ import annotations

from keydb_faults.host import Host
from keydb_faults.kinds.kind import Given, Kind


class Reboot(Kind):
    """Where the host would not come back by itself, as a container, the controller does it in its stead."""

    name = "reboot"
    about = "orderly reboot of the whole host"
    takes_down = True

    def why_not(self, host: Host) -> str:
        """A container that ends is not started again by anybody."""
        if host.is_restarted_from_outside or not host.is_container:
            return ""
        return "a container ends instead of starting anew; faults_restart_command says how to start it"

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """In a moment: the answer has to get out."""
        host.run("systemd-run", "--quiet", "--collect", "--on-active=1", "systemctl", "reboot")
        return ""
