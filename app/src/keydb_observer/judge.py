"""``judge``: reads what a run with faults has left, and says what it has shown."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from keydb_observer.judge_picture import NoPictureError, draw
from keydb_observer.judge_run import load_run
from keydb_observer.judge_summary import render
from keydb_observer.judge_verdict import judge
from keydb_observer.output import write_whole

VERDICT, SUMMARY = "verdict.json", "summary.md"
EXIT_HOLDS, EXIT_DOES_NOT_HOLD, EXIT_WRONG_USE = 0, 1, 2


def judge_and_show(directory: Path) -> int:
    """Writes the verdict, the summary and the picture into the directory, and prints the summary.

    Returns the exit code: 0 where all that is promised holds, 1 where it does not or could not be checked, 2 where
    there is no such directory or it cannot be written to.
    """
    if not directory.is_dir():
        print(f"judge: {directory} given: it is not a directory", file=sys.stderr)
        return EXIT_WRONG_USE
    run = load_run(directory)
    verdict = judge(run)
    try:
        pictures = [file.name for file in draw(run, directory)]
    except NoPictureError as error:
        pictures = []
        verdict.remarks.append(f"No picture: {error}.")
    except OSError as error:
        return _cannot_write(directory, error)
    summary = render(verdict, pictures)
    try:
        write_whole(json.dumps(verdict.as_json(), indent=2) + "\n", directory / VERDICT)
        write_whole(summary, directory / SUMMARY)
    except OSError as error:
        return _cannot_write(directory, error)
    print(summary, end="")
    return EXIT_HOLDS if verdict.holds else EXIT_DOES_NOT_HOLD


def _cannot_write(directory: Path, error: OSError) -> int:
    print(f"judge: nothing can be written to {directory}: {error.strerror or error}", file=sys.stderr)
    return EXIT_WRONG_USE
