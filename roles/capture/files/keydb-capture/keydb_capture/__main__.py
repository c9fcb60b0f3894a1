"""What the controller runs: python3 -m keydb_capture DIRECTORY.

Judges the captures in this directory of results, leaves result.json there and prints a table. Exits with 1 if it does
not hold, and with 2 if there is nothing that can be judged.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from keydb_capture.packets import CaptureError
from keydb_capture.summary import table
from keydb_capture.verdict import judge

_HOLDS, _DOES_NOT, _CANNOT = 0, 1, 2


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    if len(arguments) != 1:
        print("usage: keydb-capture DIRECTORY", file=sys.stderr)
        return _CANNOT
    directory = Path(arguments[0])
    try:
        result = judge(directory)
    except (CaptureError, OSError, ValueError, KeyError) as error:
        print(f"keydb-capture: {type(error).__name__}: {error}", file=sys.stderr)
        return _CANNOT
    (directory / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table(result))
    return _HOLDS if result["verdict"] == "holds" else _DOES_NOT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
