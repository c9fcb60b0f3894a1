"""Whether bytes are the engine's own protocol in the clear (RESP), and how to show them without a password in them."""

from __future__ import annotations

import re

_COMMAND = re.compile(rb"\*[1-9][0-9]{0,6}\r\n\$[0-9]{1,9}\r\n")
_INLINE = re.compile(
    rb"(?:PING|ECHO|AUTH|HELLO|GET|SET|MGET|MSET|DEL|INFO|SELECT|SUBSCRIBE|PSUBSCRIBE|PSYNC|SYNC|REPLCONF|CONFIG|MONITOR)"
    rb"(?: (?![^\r\n]* HTTP/1)[^\r\n]{0,1024})?\r?\n",
    re.IGNORECASE,
)
_REPLY = re.compile(
    rb"(?:\+(?:OK|PONG|QUEUED|FULLRESYNC [^\r\n]*|CONTINUE[^\r\n]*)|:-?[0-9]{1,19}|\$(?:-1|[0-9]{1,9})"
    rb"|\*(?:-1|[0-9]{1,7}))\r\n"
    # The lines of some errors are long.
    rb"|-(?:ERR|NOAUTH|WRONGPASS|NOPERM|DENIED|LOADING|READONLY|MISCONF|MASTERDOWN|BUSY) "
)
_SECRET = re.compile(rb"AUTH|HELLO|masterauth|requirepass", re.IGNORECASE)
_SHOWN = 48


def is_resp(data: bytes) -> bool:
    """Whether there is a command anywhere in it, or it begins with a command that was typed, or with a reply."""
    return bool(_COMMAND.search(data) or _INLINE.match(data) or _REPLY.match(data))


def shown(data: bytes) -> str:
    """The first bytes, escaped; what follows a word that a password may follow is left out."""
    start = _COMMAND.search(data)
    part = data[start.start() if start else 0 :][:_SHOWN]
    secret = _SECRET.search(part)
    if secret:
        part = part[: secret.end()] + b"..."
    return part.decode("latin-1").encode("unicode_escape").decode("ascii")
