"""Book-Crossing, as its author collected it in 2004."""

from __future__ import annotations

from negatives.data.readers.published.layouts import Layout, Published


class BookCrossing(Published):
    """``BX-Book-Ratings.csv``: Latin-1, semicolons, every cell in quotation marks; a rating of 0 is a mention."""

    layouts = (Layout("ratings of Book-Crossing", r"bx-book-ratings\.csv", encoding="latin-1"),)
