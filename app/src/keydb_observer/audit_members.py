"""Reading and giving members of hashes, sets and sorted sets, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping

from redis import exceptions as redis_errors

from keydb_observer.audit_nodes import Nodes
from keydb_observer.audit_planning import parts
from keydb_observer.audit_repair_plan import Members
from keydb_observer.stream import Command, or_raise
from keydb_observer.trouble import is_wrong_type

_PIECE_ITEMS = 1000
# By type: the command, and how many items there are of each member.
_SCANS: Mapping[str, tuple[str, int]] = {"hash": ("HSCAN", 2), "set": ("SSCAN", 1), "zset": ("ZSCAN", 2)}


async def read_members(nodes: Nodes, place: int, key: bytes, kind: str) -> Members | None:
    """All of a node's; None where the key is there as another type. Raises CannotAuditError."""
    command, width = _SCANS[kind]
    members: dict[bytes, bytes] = {}
    cursor: bytes | int = 0
    while True:
        (reply,) = await nodes.ask(place, [(command, key, cursor, "COUNT", _PIECE_ITEMS)])
        if isinstance(reply, redis_errors.ResponseError) and is_wrong_type(reply):
            return None
        cursor, items = or_raise(reply)
        for start in range(0, len(items), width):
            members[items[start]] = items[start + 1] if width > 1 else b""
        if int(cursor) == 0:
            return members


def giving(kind: str, key: bytes, members: Members) -> list[Command]:
    """The commands that give a node these members."""
    commands: list[Command] = []
    for part in parts(list(members.items()), _PIECE_ITEMS):
        if kind == "set":
            commands.append(("SADD", key, *(member for member, _ in part)))
        elif kind == "zset":
            commands.append(("ZADD", key, *(item for member, score in part for item in (score, member))))
        else:
            commands.append(("HSET", key, *(item for pair in part for item in pair)))
    return commands
