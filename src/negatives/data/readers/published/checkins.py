"""Check-ins at places: Gowalla and Brightkite from SNAP, Foursquare's New York and Tokyo."""

from __future__ import annotations

from negatives.data.readers.published.layouts import Layout, Published


class Checkins(Published):
    """Visits without a header: of SNAP ``user time latitude longitude place``."""

    layouts = (
        Layout(
            "check-ins of SNAP: user, time, latitude, longitude, place",
            r"(loc-)?(gowalla|brightkite)_totalcheckins\.txt",
            ("user", "time", "_latitude", "_longitude", "location_id"),
        ),
        Layout(
            "check-ins of Foursquare",
            r"dataset_tsmc2014_(nyc|tky)\.txt",
            ("user", "venue_id", "_category_id", "_category", "_latitude", "_longitude", "_offset", "time"),
            encoding="latin-1",
        ),
    )
