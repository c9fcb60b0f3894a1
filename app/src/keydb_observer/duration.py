"""Points in time and differences as people read them, computed in integers: a float has no room for a clock in ns."""

from keydb_observer.messages import Distribution

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


def latency_text(latency_ns: int) -> str:
    """A latency in ns, for a table: ``0.512 ms``, or ``1.250 s`` from a second on."""
    if abs(latency_ns) < NS_PER_SECOND:
        return f"{latency_ns / NS_PER_MILLISECOND:.3f} ms"
    return f"{latency_ns / NS_PER_SECOND:.3f} s"


def age_text(age_ns: int) -> str:
    """How long ago something was, from ns, for a table: ``0.6 s``, ``45 s``, ``5 min``, ``3 h``, ``4 d``."""
    seconds = age_ns / NS_PER_SECOND
    for unit, size, most, digits in (("s", 1, 10, 1), ("s", 1, 120, 0), ("min", 60, 7200, 0), ("h", 3600, 172_800, 0)):
        if seconds < most:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def error_text(error_ns: int | None) -> str:
    """How far a clock may be off: ``0.000102 seconds``, or ``unknown`` for None."""
    return "unknown" if error_ns is None else f"{seconds_text(error_ns)} seconds"


def distribution_text(distribution: Distribution) -> str:
    """Percentiles and maximum as people read them: ``p50 0.000512 … max 0.001250 seconds``, or ``none``."""
    if not distribution.count:
        return "none"
    named = (
        ("p50", distribution.p50_ns),
        ("p90", distribution.p90_ns),
        ("p99", distribution.p99_ns),
        ("p99.9", distribution.p999_ns),
        ("max", distribution.max_ns),
    )
    return " ".join(f"{name} {seconds_text(ns or 0)}" for name, ns in named) + " seconds"
