"""``heal``: an audit and a repair without an operator, over and over by a timer, which says only what it did.

It is quiet while all is well, and asks before it looks at any key whether the nodes are whole: a node that is away,
loads or lacks a link is named once, and nothing is repaired around it. Then it compares all keys, at once where a node
was started or a link came up since the last time, otherwise only as often as its share of the time allows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from keydb_observer.audit_footing import Footing, NotNowError, ReplicaError
from keydb_observer.audit_nodes import CannotAuditError, connected
from keydb_observer.audit_repair_report import repair_sentence
from keydb_observer.audit_repair_result import RepairResult
from keydb_observer.audit_repair_run import Watchers, footing, repair_nodes
from keydb_observer.audit_settings import AuditSettings
from keydb_observer.audit_undo_file import UndoFileError
from keydb_observer.heal_settings import HealSettings
from keydb_observer.journal import fields
from keydb_observer.output import write_whole
from keydb_observer.settings import Settings

_UNDO_FILES = "undo-*.jsonl"
_DAY_S = 86_400


@dataclass(frozen=True)
class Memory:
    """What is known from the last time.

    ``history`` is the nodes' own at the latest audit, which began at ``audited_s`` (Unix time) and took ``took_s``.
    ``trouble`` is what was said to be in the way since ``trouble_s``, if anything is. ``repaired`` counts the keys that
    were made equal since there is this file; ``left`` those that the latest repair left different, or to themselves.
    """

    history: tuple[str, ...] = ()
    audited_s: float = 0.0
    took_s: float = 0.0
    trouble: str = ""
    trouble_s: float = 0.0
    repaired: int = 0
    left: int = 0

    @classmethod
    def read(cls, path: Path) -> Memory:
        """Nothing is known where there is no such file, or one that was spoiled."""
        try:
            known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**known, "history": tuple(known["history"])})
        except (OSError, ValueError, TypeError, KeyError):
            return cls()

    def write(self, path: Path) -> None:
        """Raises OSError."""
        write_whole(json.dumps(dataclasses.asdict(self)) + "\n", path)

    def is_audit_due(self, history: tuple[str, ...], share: float, now_s: float) -> bool:
        """Whether something happened that makes nodes differ, or enough time has passed for the share."""
        # A clock that was set back must not put it off.
        since_s = now_s - self.audited_s
        return history != self.history or since_s < 0 or since_s * share >= self.took_s


class Healer:
    """Heals once. ``now`` is Unix time in seconds."""

    def __init__(
        self,
        heal: HealSettings,
        audit: AuditSettings,
        settings: Settings,
        logger: logging.Logger,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._heal = heal
        self._audit = audit
        self._settings = settings
        self._logger = logger
        self._now = now
        self._path = heal.state / "last.json"
        self._memory = Memory.read(self._path)

    async def run(self) -> None:
        """Raises OSError where nothing can be kept in the directory for it."""
        self._remove_old_files()
        try:
            await self._audit_and_repair()
        except (CannotAuditError, NotNowError, ReplicaError, UndoFileError) as error:
            self._in_the_way(str(error))
        self._memory.write(self._path)

    async def _audit_and_repair(self) -> None:
        async with connected(self._settings) as nodes:
            found: Footing = await footing(nodes)
            self._nothing_in_the_way()
            if not self._memory.is_audit_due(found.history, self._heal.share, self._now()):
                return
            began_s, clock_s = self._now(), time.monotonic()
            stamp = datetime.fromtimestamp(began_s, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
            undo_file = self._heal.state / f"undo-{stamp}.jsonl"
            compared, repaired = await repair_nodes(nodes, found, self._audit, undo_file, Watchers())
            if compared.differing:
                self._say(repaired, undo_file if undo_file.exists() else None)
            self._memory = dataclasses.replace(
                self._memory,
                # What is left is tried again the next time.
                history=() if repaired.failed or repaired.busy else found.history,
                audited_s=began_s,
                took_s=time.monotonic() - clock_s,
                repaired=self._memory.repaired + repaired.repaired_keys,
                left=repaired.busy + repaired.failed,
            )

    def _say(self, result: RepairResult, undo_file: Path | None) -> None:
        rest = "".join(
            f"; {count:,} {what}"
            for count, what in ((result.busy, "left alone: they changed meanwhile"), (result.failed, "still different"))
            if count
        )
        self._logger.warning(
            "healing: %s%s%s",
            repair_sentence(result, undo_file),
            rest,
            "".join(f"; {trouble}" for trouble in result.troubles),
            extra=fields(
                repaired=result.repaired_keys,
                **{f"repaired_{kind}": count for kind, count in result.repaired.items()},
                busy=result.busy,
                failed=result.failed,
                undo_file=undo_file,
            ),
        )

    def _in_the_way(self, trouble: str) -> None:
        if trouble != self._memory.trouble:
            self._logger.warning("healing waits: %s", trouble, extra=fields(trouble=trouble))
            since_s = self._memory.trouble_s if self._memory.trouble else self._now()
            self._memory = dataclasses.replace(self._memory, trouble=trouble, trouble_s=since_s)

    def _nothing_in_the_way(self) -> None:
        if self._memory.trouble:
            lasted_s = max(0.0, self._now() - self._memory.trouble_s)
            self._logger.warning(
                "healing goes on: all nodes are whole again after %.0f seconds", lasted_s, extra=fields(trouble="none")
            )
            self._memory = dataclasses.replace(self._memory, trouble="", trouble_s=0.0)

    def _remove_old_files(self) -> None:
        for path in self._heal.state.glob(_UNDO_FILES):
            with contextlib.suppress(FileNotFoundError):
                if self._now() - path.stat().st_mtime > self._heal.keep_days * _DAY_S:
                    path.unlink()
