"""Ansible filters: from what is wanted and what is there to what podman has to do."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any


def lab_overlaps(cidr: str, used: Mapping[str, str]) -> list[str]:
    """Networks of this machine that a lab's network would collide with, as ``network (device)``.

    Args:
        cidr: The lab's network.
        used: Networks that the machine has routes to, and their devices.
    """
    network = ipaddress.IPv4Network(cidr)
    return [
        f"{other} ({device})"
        for other, device in used.items()
        if network.overlaps(ipaddress.IPv4Network(other, strict=False))
    ]


def lab_reachable_proxy(proxy: str, management_cidr: str) -> str:
    """A proxy's address as the nodes see it: one on this machine's loopback is reached at their network's gateway."""
    gateway = ipaddress.IPv4Network(management_cidr)[1]
    return re.sub(r"//(localhost|127\.[\d.]+)(?=[:/]|$)", f"//{gateway}", proxy)


def lab_digest(value: object) -> str:
    """A short hash of any value: equal values, equal hash."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def lab_source_line(source: Mapping[str, Any]) -> str:
    """One source as a line of ``sources.list``."""
    return f"deb [signed-by={source['signed_by']}] {source['uri']} {source['suite']} {' '.join(source['components'])}"


def lab_read(path: str) -> str:
    """Content of a file of the controller."""
    return Path(path).read_text(encoding="utf-8")


def lab_actions(
    nodes: list[dict[str, str]], existing: Iterable[Mapping[str, Any]], label: str, digest: str
) -> dict[str, list[Any]]:
    """What podman has to do so that exactly the wanted nodes run.

    Args:
        nodes: The wanted nodes.
        existing: Containers of this lab as ``podman ps --all --format json`` lists them.
        label: Label that holds the hash of a container's definition.
        digest: That hash now.

    Returns:
        ``remove``: containers that are no longer wanted, were defined otherwise or never got as far as a first start;
        ``create``: nodes to create; ``start``: nodes that are stopped or new.
    """
    usable: dict[str, str] = {}
    remove = []
    wanted = {node["container"] for node in nodes}
    for container in existing:
        name, state = container["Names"][0], container["State"].lower()
        if name in wanted and (container.get("Labels") or {}).get(label) == digest and state in ("running", "exited"):
            usable[name] = state
        else:
            remove.append(name)
    return {
        "remove": sorted(remove),
        "create": [node for node in nodes if node["container"] not in usable],
        "start": [node for node in nodes if usable.get(node["container"]) != "running"],
    }


def lab_owners(existing: Iterable[Mapping[str, Any]], label: str, own: str) -> list[str]:
    """State directories other than this one that containers of this lab's name belong to, and that are still there.

    Args:
        existing: Containers of this lab as ``podman ps --all --format json`` lists them.
        label: Label that holds a container's state directory.
        own: This lab's state directory.
    """
    owners = {str((container.get("Labels") or {}).get(label, own)) for container in existing}
    return sorted(owner for owner in owners - {own} if (Path(owner) / "inventory").exists())


class FilterModule:
    """The filters of this role."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {
            "lab_actions": lab_actions,
            "lab_digest": lab_digest,
            "lab_overlaps": lab_overlaps,
            "lab_owners": lab_owners,
            "lab_read": lab_read,
            "lab_reachable_proxy": lab_reachable_proxy,
            "lab_source_line": lab_source_line,
        }
