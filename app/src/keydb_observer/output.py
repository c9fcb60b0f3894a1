"""Where results go."""

from __future__ import annotations

from pathlib import Path

STANDARD_OUTPUT = Path("-")


def write_whole(text: str, path: Path) -> None:
    """As a whole or not at all, so that an earlier result is kept until there is a later one. Raises OSError."""
    if path == STANDARD_OUTPUT:
        print(text, end="")
        return
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
