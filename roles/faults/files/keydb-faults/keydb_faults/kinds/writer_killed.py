"""A writer dies without a word."""

from __future__ import annotations

from keydb_faults.kinds.observer_killed import BaseObserverKilled


class WriterKilled(BaseObserverKilled):
    """What it had under way nobody knows."""

    name = "writer_killed"
    about = "kill -9 of a writer; the service manager starts it again"
    observers = "writer"
