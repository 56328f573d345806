"""What people listened to on Last.fm: HetRec 2011 and the 360k set."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from negatives.data.readers.frames import Frames
from negatives.data.readers.published.layouts import Filtered, Layout, Published
from negatives.data.readers.schema import Options, Schema

PLAYS = r"usersha1-artmbid-artname-plays\.tsv"


class LastFm(Published):
    """``user_artists.dat`` of HetRec; plays of the 360k set, where an artist is known by name."""

    layouts = (
        Layout("plays of Last.fm (HetRec 2011)", r"user_artists\.dat"),
        Layout("plays of Last.fm 360k; the item is the artist's name", PLAYS, ("user", "_mbid", "artist", "weight")),
    )

    def table(self, file: Path, layout: Layout, schema: Schema, options: Options) -> Frames:
        frames = super().table(file, layout, schema, options)
        if "artist" not in frames.names:
            return frames

        def named(frame: pl.DataFrame) -> pl.Series:
            return frame["artist"].is_not_null() & frame["user"].is_not_null()

        return Filtered(frames, ("user", "artist"), [(named, "rows without an artist's name dropped")])
