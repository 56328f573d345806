"""Tell from the first lines of a text how it is laid out: what separates columns, and whether cells are quoted."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from negatives.data.readers.blocks import blocks

SAMPLE_LINES = 1000
SAMPLE_BYTES = 1 << 18
FEW_LINES = 20
SEPARATORS = ("\t", "::", ";", ",", "|")
"""What may separate columns, the likelier first; blanks come last."""
NAMES = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "blank": " ", "space": " "}
SHOWN = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a pipe", " ": "blanks", "::": "'::'"}
COMMENTS = ("#", "%", "//")
FEATURES = re.compile(r"(?:[-+\d.,]+ )?(?:qid:\d+ )?\d+:\S+(?: \d+:\S+)*(?: *#.*)?")
"""A line of labels and numbered features."""


def first_lines(path: Path, encoding: str | None = None) -> list[str]:
    """Up to a thousand lines that are not blank, without their ends.

    Raises:
        InputError: The file cannot be read as text, or holds none.
    """
    for _, block in blocks(path, SAMPLE_BYTES, encoding=encoding):
        found = (line.removesuffix("\r") for line in block.decode(errors="replace").split("\n"))
        lines = [line for line in found if line.strip()]
        if lines:
            return lines[:SAMPLE_LINES]
    return []


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the lines of a table become cells.

    Args:
        separator: What stands between two cells; a blank stands for any run of blanks and tabs.
        quoted: Whether a cell may stand in quotation marks. In text with tabs they are characters like all others.
    """

    separator: str
    quoted: bool

    def cells(self, line: str) -> list[str]:
        """The cells of a line that is a whole record.

        >>> Dialect(",", True).cells('1,"a, b",2'), Dialect(" ", False).cells("  1   2")
        (['1', 'a, b', '2'], ['1', '2'])
        """
        if self.separator == " ":
            return line.split()
        if self.quoted and '"' in line and len(self.separator) == 1:
            return quoted_cells(line, self.separator)
        return line.split(self.separator)

    def __str__(self) -> str:
        return f"columns are divided by {SHOWN.get(self.separator, repr(self.separator))}"


def dialect_of(lines: list[str], suffix: str = "") -> Dialect:
    """The separator that stands in every line, and whether cells are quoted.

    A tab that stands in every line separates, whatever else does; ``.tsv`` means a tab. Else that separator wins which
    divides all lines into the same number of cells, into most of these, a semicolon before a comma.

    >>> dialect_of(["Silva, A\\tMoreau, B", "Silva, C\\tMoreau, D"]).separator
    '\\t'
    >>> dialect_of(["1::10::5", "2::11::3"]).separator
    '::'
    """
    tabs = lines and all("\t" in line for line in lines)
    if tabs or (suffix == ".tsv" and any("\t" in line for line in lines)):
        return Dialect("\t", _wrapped(lines, "\t"))
    best, most = " ", (False, 0)
    for separator in SEPARATORS[1:]:
        counts = [_count(line, separator) for line in lines]
        fewest = min(counts, default=0)
        even = fewest > 0 and fewest == max(counts)
        if fewest and (even, fewest) > most:
            best, most = separator, (even, fewest)
    if best == " " and suffix == ".csv":
        best = ","
    if best == " " and suffix == ".tsv" and len({len(line.split()) for line in lines}) > 1:
        best = "\t"  # one column of texts
    return Dialect(best, best not in (" ", "::", "\t") and any('"' in line for line in lines))


def _count(line: str, separator: str) -> int:
    """How often a separator stands outside quotation marks."""
    if '"' not in line or separator == "::":
        return line.count(separator)
    return len(quoted_cells(line, separator)) - 1


def quoted_cells(line: str, separator: str) -> list[str]:
    """The cells of a line in which quotation marks quote; divided without quotes where that is no table.

    >>> quoted_cells('1,"a, b",2', ","), quoted_cells("1,a\\rb", ",")
    (['1', 'a, b', '2'], ['1', 'a\\rb'])
    """
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return line.split(separator)


def _wrapped(lines: list[str], separator: str) -> bool:
    """Whether all cells of a column stand in quotation marks, which then are no characters."""
    rows = [line.split(separator) for line in lines]
    if len({len(row) for row in rows}) != 1:
        return False
    return any(all(re.fullmatch(r'".*"', cell) for cell in column) for column in zip(*rows, strict=True))


def without_comments(lines: list[str]) -> list[str]:
    """The lines that no mark in front declares to be a comment."""
    return [line for line in lines if not line.lstrip().startswith(COMMENTS)]


def looks_like_lists(lines: list[str]) -> bool:
    """Whether a text is ``user item item ...`` and not one pair per line.

    It is when white space divides it and the lines differ in length. Of a few lines that all have the same three or
    more columns it is assumed when whole numbers prevail and the first number never repeats.
    """
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
    return few and len({row[0] for row in rows}) == len(rows) and mostly_whole(rows)


def mostly_whole(rows: list[list[str]]) -> bool:
    """Whether more than half of the words are whole numbers, and none has a point."""
    words = [word for row in rows for word in row]
    whole = sum(word.isdecimal() for word in words)
    return 2 * whole > len(words) and not any("." in word for word in words)


def looks_like_features(lines: list[str]) -> bool:
    """Whether most lines are labels and pairs ``feature:value``, as libsvm and the classifiers of many labels have it.

    >>> looks_like_features(["3 5 4", "0,1 0:1.0 2:0.5", "2 1:1"]), looks_like_features(["12:30 we met", "at 12:45"])
    (True, False)
    """
    rows = [line for line in lines if FEATURES.fullmatch(line.strip())]
    return len(lines) > 0 and 2 * len(rows) > len(lines)
