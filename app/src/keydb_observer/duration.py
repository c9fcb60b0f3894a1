"""Points in time and differences as people read them, computed in integers: a float has no room for a clock in ns."""

NS_PER_SECOND = 1_000_000_000
NS_PER_MICROSECOND = 1_000
NS_PER_MILLISECOND = 1_000_000


def timestamp_text(instant_ns: int) -> str:
    """Unix time in ns as seconds with nine digits: ``1725543675.123456789``."""
    seconds, fraction = divmod(instant_ns, NS_PER_SECOND)
    return f"{seconds}.{fraction:09d}"


def seconds_text(difference_ns: int) -> str:
    """A signed difference in ns as seconds with six digits, rounded to the nearest: ``0.000512``, ``-1.500000``."""
    microseconds = (abs(difference_ns) + NS_PER_MICROSECOND // 2) // NS_PER_MICROSECOND
    sign = "-" if difference_ns < 0 and microseconds else ""
    return f"{sign}{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"


def short_text(duration_ns: int) -> str:
    """A duration in ns with a unit that fits its size, for a table: ``0.512 ms``, ``12.3 s``, ``5 min``, ``3 h``."""
    seconds = duration_ns / NS_PER_SECOND
    if abs(seconds) < 1:
        return f"{duration_ns / NS_PER_MILLISECOND:.3f} ms"
    if abs(seconds) < 120:
        return f"{seconds:.1f} s"
    if abs(seconds) < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
