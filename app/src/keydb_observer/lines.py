"""A listener's lines: text for people, and the same facts as journald fields."""

from __future__ import annotations

import logging

from keydb_observer.changes import Change
from keydb_observer.clock import is_within_error
from keydb_observer.duration import distribution_text, error_text, seconds_text, timestamp_text
from keydb_observer.journal import fields
from keydb_observer.ledger import Entry, Sighting
from keydb_observer.messages import Counts, Distribution, SharedValue


class ListenerLines:
    """Words what a listener has to say under its name."""

    def __init__(self, logger: logging.Logger, name: str) -> None:
        self._logger = logger
        self._name = name

    def change(self, change: Change) -> None:
        """A line for a reading, and one before it for writes that were not read."""
        value, entry = change.value, change.entry
        if value is None or entry is None:
            return
        self._not_read(change.key, value, entry)
        if entry.sighting is Sighting.REPEATED:
            if change.seen:
                self._say(change, value, "repeated")
        elif entry.sighting is Sighting.REORDERED:
            self._say(change, value, "reordered: after a later write")
        elif change.seen is None:
            self._found(change, value)
        else:
            self._read(change, value)

    def _read(self, change: Change, value: SharedValue) -> None:
        difference_ns = change.difference_ns or 0
        value_difference_ns = change.value_difference_ns or 0
        self._logger.info(
            "%s read %s: writer timestamp %s seq %d, Time difference: %s seconds, "
            "value after %s seconds, clock error %s%s",
            self._name,
            change.key,
            timestamp_text(value.t1_ns),
            value.seq,
            seconds_text(difference_ns),
            seconds_text(value_difference_ns),
            error_text(change.error_ns),
            _remark(difference_ns, change.error_ns),
            extra=self._fields(
                change.key,
                value,
                t2_ns=change.seen.time_ns if change.seen else None,
                difference_ns=difference_ns,
                value_difference_ns=value_difference_ns,
                clock_error_ns="unknown" if change.error_ns is None else change.error_ns,
                within_clock_error=int(is_within_error(difference_ns, change.error_ns)),
            ),
        )

    def _found(self, change: Change, value: SharedValue) -> None:
        self._logger.info(
            "%s found on subscribing %s: writer timestamp %s seq %d, written %s seconds before",
            self._name,
            change.key,
            timestamp_text(value.t1_ns),
            value.seq,
            seconds_text(change.value_difference_ns or 0),
            extra=self._fields(change.key, value),
        )

    def _say(self, change: Change, value: SharedValue, what: str) -> None:
        self._logger.info(
            "%s read %s seq %d %s", self._name, change.key, value.seq, what, extra=self._fields(change.key, value)
        )

    def _not_read(self, key: str, value: SharedValue, entry: Entry) -> None:
        if entry.sighting is Sighting.NEW_EPOCH:
            self._logger.info(
                "%s follows a new epoch of %s: writer %s epoch %d, from seq %d on",
                self._name,
                key,
                value.writer,
                value.epoch,
                value.seq,
                extra=self._fields(key, value),
            )
        for name, count, level in (
            ("missed", entry.missed, logging.WARNING),
            ("superseded", entry.superseded, logging.INFO),
        ):
            if count:
                self._logger.log(
                    level,
                    "%s %s %d of %s: %s",
                    self._name,
                    name,
                    count,
                    key,
                    _which(value, entry, count),
                    extra=self._fields(key, value, **{name: count}),
                )

    def resynced(self, node: str, keys: int, blind_s: float, missed: int, superseded: int) -> None:
        """After a reconnection, once every key has been read again."""
        self._logger.log(
            logging.WARNING if missed else logging.INFO,
            "%s was blind for %.3f seconds, and has read %s again at %s: missed %d, superseded %d",
            self._name,
            blind_s,
            "1 key" if keys == 1 else f"{keys} keys",
            node,
            missed,
            superseded,
            extra=fields(
                listener=self._name, node=node, blind_ns=int(blind_s * 1e9), missed=missed, superseded=superseded
            ),
        )

    def switched(self, to_summaries: bool, lines_per_s: float) -> None:
        """What follows are summaries, or lines for each event again."""
        if to_summaries:
            text = "%s: more than %g events per second: one line a second from here on"
        else:
            text = "%s: less than half of %g events per second: a line for each event again"
        self._logger.info(text, self._name, lines_per_s, extra=fields(listener=self._name))

    def second(self, counts: Counts, keys: int, seconds: float, distribution: Distribution) -> None:
        """One line for all that happened within the last second."""
        self._logger.log(
            logging.WARNING if counts.missed else logging.INFO,
            "%s in %.1f seconds: %d events of %d keys, %d read, %d superseded, %d missed, %d repeated, %d reordered, "
            "%d foreign; Time difference %s",
            self._name,
            seconds,
            counts.events,
            keys,
            counts.read,
            counts.superseded,
            counts.missed,
            counts.repeated,
            counts.reordered,
            counts.foreign,
            distribution_text(distribution),
            extra=self._sums(counts, distribution),
        )

    def minute(self, counts: Counts, minute: Distribution, run: Distribution) -> None:
        """The distributions of the last minute and of the whole run."""
        self._logger.info(
            "%s last minute: %d differences, %s; whole run: %d differences, %s; %d read, %d superseded, %d missed",
            self._name,
            minute.count,
            distribution_text(minute),
            run.count,
            distribution_text(run),
            counts.read,
            counts.superseded,
            counts.missed,
            extra=self._sums(counts, run),
        )

    def stopped(self, counts: Counts) -> None:
        """The sum of it at the end."""
        self._logger.info(
            "%s stops: %d read, %d superseded, %d missed, %d repeated, %d reordered",
            self._name,
            counts.read,
            counts.superseded,
            counts.missed,
            counts.repeated,
            counts.reordered,
            extra=self._sums(counts, Distribution()),
        )

    def _sums(self, counts: Counts, distribution: Distribution) -> dict[str, object]:
        return fields(
            listener=self._name,
            **{name: getattr(counts, name) for name in counts.__struct_fields__},
            **{name: getattr(distribution, name) for name in distribution.__struct_fields__ if distribution.count},
        )

    def _fields(self, key: str, value: SharedValue, **further: object) -> dict[str, object]:
        return fields(
            listener=self._name,
            key=key,
            writer=value.writer,
            epoch=value.epoch,
            seq=value.seq,
            t1_ns=value.t1_ns,
            **further,
        )


def _remark(difference_ns: int, error_ns: int | None) -> str:
    if difference_ns < 0:
        return ", negative: the clocks disagree"
    return ", below the clock error" if is_within_error(difference_ns, error_ns) else ""


def _which(value: SharedValue, entry: Entry, count: int) -> str:
    here = entry.missed + entry.superseded - entry.left_behind
    parts = [f"seq {value.seq - here} to {value.seq - 1}"] if here else []
    parts += [f"{entry.left_behind} at the end of the epoch before"] if entry.left_behind else []
    # Where some were superseded and some missed, nothing tells which.
    return ("" if count == entry.missed + entry.superseded else "of ") + " and ".join(parts)
