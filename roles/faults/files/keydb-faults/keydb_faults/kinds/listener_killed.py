"""A listener dies without a word."""

from __future__ import annotations

from keydb_faults.kinds.observer_killed import BaseObserverKilled


class ListenerKilled(BaseObserverKilled):
    """Either kind."""

    name = "listener_killed"
    about = "kill -9 of a listener; the service manager starts it again"
    observers = "listener"
