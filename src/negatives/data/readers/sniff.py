"""Tell from the first lines how a text file is laid out."""

from __future__ import annotations

from pathlib import Path

from negatives.data.readers.blocks import blocks

SAMPLE_LINES = 1000
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

    It is when white space divides it and the lines differ in length, or when their first numbers never repeat
    although they have three columns or more.
    """
    lines = first_lines(path)
    if any(separator in line for line in lines for separator in (",", ";", "::", "|", "{")):
        return False
    rows = [line.split() for line in lines]
    widths = {len(row) for row in rows}
    if not rows or widths == {1}:
        return False
    tabs = {line.count("\t") for line in lines}
    if len(tabs) == 1 and tabs != {0} and tabs != {max(widths) - 1}:
        return False
    if len(widths) > 1:
        return True
    if max(widths) <= 2 or not rows[0][0].isdigit():
        return False
    return len({row[0] for row in rows}) == len(rows) and all(word.isdigit() for row in rows for word in row)
