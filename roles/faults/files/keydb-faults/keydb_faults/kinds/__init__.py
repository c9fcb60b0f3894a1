"""All kinds of faults, a file each."""

from __future__ import annotations

from collections.abc import Iterable

from keydb_faults.kinds.clock_step import ClockStep
from keydb_faults.kinds.cut import Cut
from keydb_faults.kinds.cut_in import CutIn
from keydb_faults.kinds.cut_minority import CutMinority
from keydb_faults.kinds.cut_out import CutOut
from keydb_faults.kinds.cut_pair import CutPair
from keydb_faults.kinds.cut_ring import CutRing
from keydb_faults.kinds.disk_full import DiskFull
from keydb_faults.kinds.expired_certificate import ExpiredCertificate
from keydb_faults.kinds.freeze import Freeze
from keydb_faults.kinds.kill import Kill
from keydb_faults.kinds.kind import Kind
from keydb_faults.kinds.listener_killed import ListenerKilled
from keydb_faults.kinds.out_of_memory import OutOfMemory
from keydb_faults.kinds.reboot import Reboot
from keydb_faults.kinds.restart import Restart
from keydb_faults.kinds.slow import Slow
from keydb_faults.kinds.stop import Stop
from keydb_faults.kinds.two import Two
from keydb_faults.kinds.writer_killed import WriterKilled
from keydb_faults.kinds.wrong_certificate import WrongCertificate

_PAIRED: tuple[Kind, ...] = (Kill(), Stop(), Restart(), Freeze(), Cut(), Slow(), ListenerKilled(), WriterKilled())
_ALL: tuple[Kind, ...] = (
    Kill(),
    Stop(),
    Restart(),
    Freeze(),
    Reboot(),
    CutIn(),
    CutOut(),
    Cut(),
    CutPair(),
    CutMinority(),
    CutRing(),
    Slow(),
    DiskFull(),
    OutOfMemory(),
    WrongCertificate(),
    ExpiredCertificate(),
    ClockStep(),
    ListenerKilled(),
    WriterKilled(),
    Two(_PAIRED),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}


def chosen(names: Iterable[str]) -> list[Kind]:
    """The kinds of these names, in their own order; all of them without any. Raises KeyError for an unknown one."""
    wanted = {KINDS[name].name for name in names}
    return [kind for kind in _ALL if not wanted or kind.name in wanted]
