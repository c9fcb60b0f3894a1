"""The observer pattern on KeyDB, Valkey and Redis: a writer, two kinds of listener, and honest time differences.

As a library it is ``Observer``, which calls a function of yours for each ``Change`` of the keys that it watches.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("keydb-observer")
except PackageNotFoundError:  # run from a checkout, without being installed
    __version__ = "0+checkout"

from keydb_observer.changes import Change
from keydb_observer.messages import SharedValue
from keydb_observer.observer import Observer

__all__ = ["Change", "Observer", "SharedValue", "__version__"]
