"""Everything that a run has left on this host, in one compressed file that the controller unpacks."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from keydb_faults.host import Host
from keydb_faults.journal import Told, kept


def collect(host: Host, since_ns: int) -> dict[str, Any]:
    """Write it to ``collected.tar.gz``, readable by all, for there is no secret in it. Returns its path."""
    told = Told()
    for entry in kept(host.journal, since_ns):
        told.add(entry)
    target = host.state / "collected.tar.gz"
    with tarfile.open(target, "w:gz", compresslevel=6) as archive:
        for name in ("history", "samples"):
            path = Path(host.storm_dir) / f"{name}.jsonl"
            if path.is_file():
                _add(archive, f"{name}/{host.name}.jsonl", path.read_bytes())
        _add(archive, f"services/{host.name}.jsonl", _lines(told.services))
        _add(archive, f"reads/{host.name}.jsonl", _lines(told.reads))
        _add(archive, f"accounts/{host.name}.json", json.dumps(told.accounts()).encode())
    target.chmod(0o644)
    return {"path": str(target), "bytes": target.stat().st_size}


def _lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row, separators=(',', ':'))}\n" for row in rows).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o644
    entry.mtime = int(time.time())
    archive.addfile(entry, io.BytesIO(content))
