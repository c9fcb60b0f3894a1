"""Where log lines go: journald with fields where it listens, plain lines on standard error everywhere else."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

# Annotated, but it does not say so by a py.typed file.
from logging_journald import JournaldLogHandler, JournaldTransport, check_journal_stream  # type: ignore[import-untyped]

LOGGER_NAME = "keydb_observer"


def fields(**facts: object) -> dict[str, Any]:
    """The ``extra`` of a log call: ``fields(seq=42)`` becomes the journald field ``OBSERVER_SEQ=42``.

    Facts that are None are left out.
    """
    return {"observer_fields": {f"OBSERVER_{name.upper()}": fact for name, fact in facts.items() if fact is not None}}


def set_up_logging(identifier: str) -> logging.Logger:
    """Returns the program's logger, writing to journald under this identifier, or else to standard error."""
    logger = logging.getLogger(LOGGER_NAME)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for old in list(logger.handlers):
        logger.removeHandler(old)
    logger.addHandler(_journal_handler(identifier) or logging.StreamHandler(sys.stderr))
    return logger


def _journal_handler(identifier: str) -> logging.Handler | None:
    """Only when standard error *is* the journal: a program started by hand, or redirected, must be readable there."""
    try:
        return JournalHandler(identifier, JournaldTransport(connected=False)) if check_journal_stream() else None
    except (OSError, ValueError):
        return None


class JournalHandler(logging.Handler):
    """Sends a record's message and its ``OBSERVER_*`` fields, under their own names, over journald's native protocol.

    The library's own handler would send them as ``EXTRA_OBSERVER_*`` along with some twenty fields that nobody reads;
    its transport is what is wanted here.
    """

    def __init__(self, identifier: str, transport: JournaldTransport) -> None:
        super().__init__()
        self._identifier = identifier
        self._transport = transport

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record; where journald does not take it, the line goes to standard error."""
        facts: Mapping[str, object] = getattr(record, "observer_fields", {})
        try:
            message = self.format(record)
            self._transport.send(
                [
                    ("MESSAGE", message),
                    ("PRIORITY", JournaldLogHandler.LEVELS.get(record.levelno, 6)),
                    ("SYSLOG_IDENTIFIER", self._identifier),
                    *((name, str(fact)) for name, fact in facts.items()),
                ]
            )
        except OSError:
            # journald is being restarted: the line still reaches it, or whoever holds the other end, without fields.
            print(record.getMessage(), file=sys.stderr, flush=True)
