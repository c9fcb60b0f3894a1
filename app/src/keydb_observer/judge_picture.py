"""A run over its time: faults, links, writes that were acknowledged, and how long listeners had nothing to read."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from keydb_observer.duration import NS_PER_SECOND
from keydb_observer.judge_run import Run

_HEIGHTS = (1.6, 1.2, 1.2, 1.2)
_MOST_STEPS = 1200
# Told apart by shade and hatching, too, so that print does not need the colours (Okabe and Ito's).
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
_HATCHES = ("", "//", "\\\\", "xx", "..")
_STROKES = ("-", "--", "-.", ":")
# A fault that is over at once is to be seen all the same.
_NARROWEST_S = 0.5


class NoPictureError(Exception):
    """There is nothing to draw, or nothing to draw with. The text says which."""


def draw(run: Run, directory: Path) -> list[Path]:
    """Returns the files that it made, one SVG and one PNG. Raises NoPictureError and OSError."""
    try:
        import matplotlib as mpl  # noqa: PLC0415  # nodes have no need of it, and do not have it
    except ImportError:
        raise NoPictureError("matplotlib is not installed") from None
    span = _span(run)
    if span is None:
        raise NoPictureError("nothing is known of any time")
    # No display is needed, and none is looked for.
    mpl.use("agg")
    from matplotlib import pyplot  # noqa: PLC0415  # it has to come after that

    figure, panels = pyplot.subplots(
        len(_HEIGHTS),
        1,
        figsize=(14.0, 9.0),
        sharex=True,
        layout="constrained",
        gridspec_kw={"height_ratios": _HEIGHTS},
    )
    began_ns, ended_ns = span
    for panel, draw_one in zip(panels, (_faults, _links, _writes, _silence), strict=True):
        draw_one(panel, run, began_ns, ended_ns)
        panel.grid(visible=True, alpha=0.3)
        if panel.get_legend_handles_labels()[0]:
            panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, handlelength=3)
    panels[-1].set_xlabel("seconds since the run began")
    panels[-1].set_xlim(0, (ended_ns - began_ns) / NS_PER_SECOND)
    files = [directory / f"timeline.{suffix}" for suffix in ("svg", "png")]
    for file in files:
        figure.savefig(file, dpi=110)
    pyplot.close(figure)
    return files


def _span(run: Run) -> tuple[int, int] | None:
    if run.facts:
        return run.facts.begun_ns, max(run.facts.quiet_ns, run.facts.begun_ns + NS_PER_SECOND)
    times = [sample.at_ns for some in run.samples.values() for sample in some]
    times += [time_ns for fault in run.faults for time_ns in (fault.begun_ns, fault.undone_ns) if time_ns]
    return (min(times), max(*times, min(times) + NS_PER_SECOND)) if times else None


def _faults(panel: Any, run: Run, began_ns: int, _ended_ns: int) -> None:
    kinds = sorted({fault.kind for fault in run.faults if fault.is_done})
    hosts = sorted({host for fault in run.faults for host in fault.hosts})
    labelled: set[str] = set()
    for fault in run.faults:
        if not fault.is_done or fault.begun_ns is None or fault.undone_ns is None:
            continue
        place = kinds.index(fault.kind)
        left, width = _seconds(fault.begun_ns, began_ns), (fault.undone_ns - fault.begun_ns) / NS_PER_SECOND
        for host in fault.hosts:
            panel.barh(
                hosts.index(host),
                max(width, _NARROWEST_S),
                left=left,
                height=0.7,
                label=fault.kind if fault.kind not in labelled else None,
                color=_COLOURS[place % len(_COLOURS)],
                hatch=_HATCHES[place // len(_COLOURS) % len(_HATCHES)],
                edgecolor="black",
                linewidth=0.3,
            )
            labelled.add(fault.kind)
    panel.set_yticks(range(len(hosts)), hosts)
    panel.invert_yaxis()
    panel.set_ylabel("faults")


def _links(panel: Any, run: Run, began_ns: int, _ended_ns: int) -> None:
    for place, (host, samples) in enumerate(sorted(run.samples.items())):
        # One line above the other, where they would else lie on each other.
        points = [(sample.at_ns, sample.links_up if sample.serves else -0.5) for sample in samples]
        kept = [points[0], *(other for one, other in pairwise(points) if one[1] != other[1]), points[-1]]
        xs = [_seconds(at_ns, began_ns) for at_ns, _ in kept]
        panel.step(xs, [up + 0.06 * place for _, up in kept], where="post", label=host, **_style(place))
    most = max((sample.links for samples in run.samples.values() for sample in samples), default=0)
    panel.set_yticks(range(most + 1))
    panel.set_ylabel("links up\n(below 0: down)")


def _writes(panel: Any, run: Run, began_ns: int, ended_ns: int) -> None:
    step_ns = _step_ns(began_ns, ended_ns)
    for place, (host, operations) in enumerate(sorted(run.history.items())):
        steps = Counter((each.done_ns - began_ns) // step_ns for each in operations if each.is_acknowledged)
        _plot(panel, steps, began_ns, ended_ns, NS_PER_SECOND / step_ns, host, place)
    panel.set_ylabel("acknowledged\nwrites/s")


def _silence(panel: Any, run: Run, began_ns: int, _ended_ns: int) -> None:
    """The time from one reading to the next; a longer one than the writer's interval is an event that came late."""
    place = 0
    for host, reads in sorted(run.reads.items()):
        ordered = sorted(reads, key=lambda read: (read.listener, read.at_ns))
        for listener, group in groupby(ordered, key=lambda read: read.listener):
            times = [read.at_ns for read in group]
            xs = [_seconds(later, began_ns) for later in times[1:]]
            gaps = [max((later - earlier) / NS_PER_SECOND, 0.001) for earlier, later in pairwise(times)]
            panel.plot(xs, gaps, label=f"{listener.removeprefix('listener-')} on {host}", **_style(place))
            place += 1
    panel.set_yscale("log")
    panel.set_ylabel("time between\nreadings, s")


def _plot(
    panel: Any, steps: Counter[int], began_ns: int, ended_ns: int, per_second: float, label: str, place: int
) -> None:
    count = int((ended_ns - began_ns) / NS_PER_SECOND * per_second) + 1
    xs = [step / per_second for step in range(count)]
    panel.step(xs, [steps[step] * per_second for step in range(count)], where="post", label=label, **_style(place))


def _step_ns(began_ns: int, ended_ns: int) -> int:
    """A second, or more where there would be more steps than a picture can show."""
    return NS_PER_SECOND * max(1, -(-(ended_ns - began_ns) // NS_PER_SECOND // _MOST_STEPS))


def _seconds(at_ns: int, began_ns: int) -> float:
    return (at_ns - began_ns) / NS_PER_SECOND


def _style(place: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _STROKES[place % len(_STROKES)],
        "linewidth": 1.0,
    }
