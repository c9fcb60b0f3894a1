"""The observer pattern on KeyDB, Valkey and Redis: a writer, two kinds of listener, and honest time differences."""

from importlib.metadata import version

__version__ = version("keydb-observer")
