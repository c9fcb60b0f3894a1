"""All kinds of faults, a file each."""

from __future__ import annotations

from collections.abc import Iterable

from .clock_step import ClockStep
from .cut import Cut
from .cut_in import CutIn
from .cut_minority import CutMinority
from .cut_out import CutOut
from .cut_pair import CutPair
from .cut_ring import CutRing
from .disk_full import DiskFull
from .expired_certificate import ExpiredCertificate
from .freeze import Freeze
from .kill import Kill
from .kind import Kind
from .listener_killed import ListenerKilled
from .out_of_memory import OutOfMemory
from .reboot import Reboot
from .restart import Restart
from .slow import Slow
from .stop import Stop
from .two import Two
from .writer_killed import WriterKilled
from .wrong_certificate import WrongCertificate

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
