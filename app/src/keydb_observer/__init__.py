"""The observer pattern on KeyDB, Valkey and Redis: a writer, two kinds of listener, and honest time differences."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("keydb-observer")
except PackageNotFoundError:  # run from a checkout, without being installed
    __version__ = "0+checkout"
