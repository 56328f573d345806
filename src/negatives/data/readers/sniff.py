"""Tell from the first lines how a text file is laid out."""

from __future__ import annotations

from pathlib import Path

from negatives.data.readers.blocks import blocks

SAMPLE_LINES = 1000
FEW_LINES = 20
SEPARATORS = ("\t", ",", ";", "::", "|", " ")


def first_lines(path: Path) -> list[str]:
    """Up to a thousand lines that are not blank."""
    for _, block in blocks(path, 1 << 18):
        lines = [line for line in block.decode(errors="replace").splitlines() if line.strip()]
        if lines:
            return lines[:SAMPLE_LINES]
    return []


def separator_of(lines: list[str]) -> str:
    """The separator that divides the first lines into most columns of the same number.

    >>> separator_of(["1::10::5", "2::11::3"])
    '::'
    """
    best, most = ",", 0
    for separator in SEPARATORS:
        fewest = min(line.count(separator) for line in lines[:20])
        if fewest > most and not (separator == " " and most):
            best, most = separator, fewest
    return best


def looks_like_lines(path: Path) -> bool:
    """Whether a text file is ``user item item ...`` and not one pair per line.

    It is when white space divides it and the lines differ in length. Of a few lines that all have the same three or
    more columns it is assumed when whole numbers prevail and the first number never repeats.
    """
    lines = first_lines(path)
    if any(separator in line for line in lines for separator in (",", ";", "::", "|", "{")):
        return False
    rows = [line.split() for line in lines]
    widths = {len(row) for row in rows}
    if not rows or max(widths) == 1:
        return False
    if len(widths) > 1:
        tabs = {line.count("\t") for line in lines}
        return len(tabs) > 1 or tabs == {0}
    few = len(rows) < FEW_LINES and max(widths) > 2 and "\t" not in lines[0]
    return few and len({row[0] for row in rows}) == len(rows) and _mostly_whole(rows)


def _mostly_whole(rows: list[list[str]]) -> bool:
    words = [word for row in rows for word in row]
    whole = sum(word.isdigit() for word in words)
    return 2 * whole > len(words) and not any("." in word for word in words)
