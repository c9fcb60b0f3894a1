"""A slow link that loses packets, or one that carries little where the kernel cannot do that."""

from __future__ import annotations

import json
from typing import Any

from keydb_faults.host import CommandError, Host
from keydb_faults.kinds.kind import Given, Kind, NotPossibleError

_NETEM = ("netem", "delay", "100ms", "20ms", "loss", "1%")
_TBF = ("tbf", "rate", "2mbit", "burst", "32kb", "latency", "400ms")
_KIBIBYTE = 1024


def way_back(shown: str) -> list[str] | None:
    """What ``tc qdisc`` is told to make an interface's queue what it is now; None where that is not known.

    ``shown`` is what ``tc -json qdisc show`` says of it. The kernel's own choice has no handle and comes back by
    itself. A queue that shapes to a rate, as the lab's nodes have it, is shown to its end; of others, not all is.
    """
    roots = [queue for queue in json.loads(shown or "[]") if queue.get("root")]
    if not roots or roots[0].get("handle") == "0:":
        return ["del", "root"]
    options = roots[0].get("options", {})
    if roots[0]["kind"] != "tbf" or not {"rate", "burst", "lat"} <= set(options):
        return None
    # The kernel has it in ticks, so that it comes back a little smaller than it was given.
    burst = round(options["burst"] / _KIBIBYTE)
    rate = options["rate"] * 8
    return ["replace", "root", "tbf", "rate", f"{rate}bit", "burst", f"{burst}kb", "latency", f"{options['lat']}us"]


class Slow(Kind):
    """What leaves the node; what comes to it, the others send as they are used to."""

    name = "slow"
    about = "what a node sends is late by 100 ms and 1 % of it is lost; without netem in the kernel, 2 Mbit/s instead"

    def why_not(self, host: Host) -> str:
        """Nothing is put in the place of what could not be put back."""
        if not host.has("tc"):
            return "tc is not installed"
        interface = host.interface()
        if not interface:
            return f"{host.address} is on no interface"
        if way_back(host.run("tc", "-json", "qdisc", "show", "dev", interface)) is None:
            return f"{interface} has a queue of its own, which might not be put back as it was"
        return ""

    def prepare(self, host: Host, given: Given) -> dict[str, Any]:  # noqa: ARG002 - as the base has it
        """The interface, and how it gets its queue back."""
        interface = host.interface()
        return {"interface": interface, "back": way_back(host.run("tc", "-json", "qdisc", "show", "dev", interface))}

    def inject(self, host: Host, given: Given, kept: Given) -> str:  # noqa: ARG002 - as the base has it
        """Whether the kernel has netem is known once it is asked for."""
        for queue in (_NETEM, _TBF):
            try:
                host.run("tc", "qdisc", "replace", "dev", kept["interface"], "root", *queue)
            except CommandError:
                continue
            return " ".join(queue)
        raise NotPossibleError("the kernel has neither netem nor tbf")

    def undo(self, host: Host, given: Given, kept: Given) -> None:  # noqa: ARG002 - as the base has it
        """Deleting what is not there fails, and is all right."""
        verb, *rest = kept["back"]
        host.tried("tc", "qdisc", verb, "dev", kept["interface"], *rest)
