"""UCI's Online Retail, I and II, exported as text: purchases of a shop, with returns and unknown customers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from negatives.data.readers.base import TableReader
from negatives.data.readers.delimited import DelimitedFrames
from negatives.data.readers.frames import Frames
from negatives.data.readers.published.layouts import Filtered
from negatives.data.readers.schema import Options, Schema, plain
from negatives.data.readers.values import numbers, trimmed

NEEDED = {"stockcode", "quantity", "customerid", "invoicedate"}
MONTH_FIRST = r"^\d\d?/\d\d?/(\d{2}|\d{4}) \d\d?:\d\d$"


class OnlineRetail(TableReader):
    """``InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country``.

    A customer buys a product; rows of a cancelled invoice or of a negative quantity are returns, and count for nothing
    as rows without a customer do. Dates are written month first.
    """

    def recognises(self, head: bytes) -> bool:
        first = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode(errors="replace")
        names = {plain(cell) for cell in re.split(r"[,;\t]", first)}
        return names >= NEEDED and bool(names & {"invoice", "invoiceno"})

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        frames = DelimitedFrames(path, schema, options)
        at = {plain(name): name for name in frames.names}
        if not set(at) >= NEEDED:
            return frames
        uses = [at["customerid"], at["quantity"], at.get("invoiceno", at.get("invoice", at["stockcode"]))]
        found = Filtered(frames, uses, _rules(uses))
        found.notes.insert(0, f"{path.name}: Online Retail of UCI; a customer buys a product")
        found.time_format = _written(frames.sample[at["invoicedate"]])
        if found.time_format is not None:
            found.notes.append(f"{path.name}: dates are written month first")
        return found


def _rules(uses: Sequence[str]) -> list[tuple[Callable[[pl.DataFrame], pl.Series], str]]:
    customer, quantity, invoice = uses

    def known(frame: pl.DataFrame) -> pl.Series:
        return trimmed(frame[customer]).is_not_null()

    def bought(frame: pl.DataFrame) -> pl.Series:
        returned = (numbers(frame[quantity]) <= 0).fill_null(False)
        return ~(returned | frame[invoice].cast(pl.String).str.starts_with("C").fill_null(False))

    return [
        (known, "rows without a customer dropped"),
        (bought, "rows of returns dropped (a cancelled invoice, or a quantity below one)"),
    ]


def _written(dates: pl.Series) -> str | None:
    """How the dates are written, where they are month first."""
    text = dates.drop_nulls().str.strip_chars()
    if text.is_empty() or not bool(text.str.contains(MONTH_FIRST).all()):
        return None
    return "%m/%d/%Y %H:%M" if bool(text.str.contains(r"/\d{4} ").all()) else "%m/%d/%y %H:%M"
