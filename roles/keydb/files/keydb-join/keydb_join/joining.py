"""The second half: the server runs, has nothing, and lets nobody in but its peers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import redis

from keydb_join.nodes import Links, tell
from keydb_join.settings import Settings

_POLL_S = 0.1
_BATCH = 500
_SHUT_OUT_S = 10.0
_LOOK_AGAIN_S = 1.0
_DIGESTS = """
local digests = {}
for place, key in ipairs(KEYS) do
  local value = redis.call('DUMP', key)
  digests[place] = value and redis.sha1hex(value) or ''
end
return digests
"""
# The others are not told: they do not have these keys, or have them anew by now. One that came anew here stays.
_FORGET = """
redis.replicate_commands()
redis.set_repl(redis.REPL_AOF)
local forgotten = 0
for place, key in ipairs(KEYS) do
  local value = redis.call('DUMP', key)
  if value and redis.sha1hex(value) == ARGV[place] then
    forgotten = forgotten + redis.call('DEL', key)
  end
end
return forgotten
"""


class NotJoinedError(Exception):
    """No peer gave its data. The text says which, and why."""


def be_followed(
    server: redis.Redis, addresses: Sequence[str], timeout_s: float, clock: Callable[[], float] = time.monotonic
) -> list[str]:
    """Wait until these peers have synchronised from a server that has nothing; returns those that have not.

    Raises redis.RedisError.
    """
    until = clock() + timeout_s
    while True:
        missing = sorted(set(addresses) - _links(server).followers)
        if not missing or clock() >= until:
            return missing
        time.sleep(_POLL_S)


def shut_out(server: redis.Redis, user: str, clock: Callable[[], float] = time.monotonic) -> None:
    """Keep the peers from following for now: a server passes on every key of a copy that it takes.

    They would get back what they have deleted since. Raises redis.RedisError, and NotJoinedError where they stay.
    """
    tell(server, "ACL", "SETUSER", user, "off")
    until = clock() + _SHUT_OUT_S
    while _links(server).followers:
        if clock() >= until:
            raise NotJoinedError(f"peers follow this node still, {_SHUT_OUT_S:.0f} seconds after they were sent away")
        tell(server, "CLIENT", "KILL", "TYPE", "replica")
        time.sleep(_POLL_S)


def follow(
    server: redis.Redis, settings: Settings, addresses: Sequence[str], clock: Callable[[], float] = time.monotonic
) -> list[str]:
    """Take the data of these peers, one after the other; returns those whose link did not come up.

    The next one is asked only when the last one's data is there: what two copies disagree about is then no more than
    what changed between them. Raises redis.RedisError, and NotJoinedError where none of them gave anything.
    """
    missing = []
    for address in addresses:
        tell(server, "REPLICAOF", address, settings.port)
        if not _copied(server, settings, address, clock):
            missing.append(address)
    if len(missing) == len(addresses):
        raise NotJoinedError(f"no data came from {', '.join(missing)}")
    return missing


def _copied(server: redis.Redis, settings: Settings, address: str, clock: Callable[[], float]) -> bool:
    """Wait for a copy, as long as one may take, but not for a peer that gives none."""
    began = seen = clock()
    while True:
        links, now = _links(server), clock()
        if address in links.up:
            return True
        seen = now if address in links.copying else seen
        if now - seen >= settings.attach_s or now - began >= settings.link_s:
            return False
        time.sleep(_POLL_S)


def forget_what_nobody_has(
    server: redis.Redis, donors: Sequence[redis.Redis], look_again_s: float = _LOOK_AGAIN_S
) -> int:
    """Take away the keys that no donor has; returns how many there were.

    Two copies are not of the same moment, and a key that was deleted between them is in one of them. A key counts only
    if it is missing over two looks: what is on its way has arrived by then. Raises redis.RedisError.
    """
    keys = server.scan_iter(count=_BATCH)
    suspects = [key for batch in _batches(keys) for key in _missing(batch, donors)]
    if not suspects:
        return 0
    time.sleep(look_again_s)
    return sum(_forget(server, donors, batch) for batch in _batches(suspects))


def _forget(server: redis.Redis, donors: Sequence[redis.Redis], suspects: Sequence[str]) -> int:
    digests = dict(zip(suspects, server.eval(_DIGESTS, len(suspects), *suspects), strict=True))
    stale = _missing(suspects, donors)
    return int(server.eval(_FORGET, len(stale), *stale, *(digests[key] for key in stale))) if stale else 0


def _missing(keys: Collection[str], donors: Sequence[redis.Redis]) -> list[str]:
    left = list(keys)
    for donor in donors:
        pipeline = donor.pipeline(transaction=False)
        for key in left:
            pipeline.exists(key)
        left = [key for key, count in zip(left, pipeline.execute(), strict=True) if not count]
    return left


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for key in keys:
        batch.append(key)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _links(server: redis.Redis) -> Links:
    return Links.of(server.info("replication"))
