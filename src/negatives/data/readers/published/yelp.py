"""Yelp's open data set: of its five files the reviews hold who went where."""

from __future__ import annotations

from negatives.data.readers.published.layouts import Layout, Published


class Yelp(Published):
    """``yelp_academic_dataset_review.json``: ``user_id, business_id, stars, date`` in JSON Lines."""

    layouts = (Layout("reviews of Yelp", r"(yelp_academic_dataset_)?review\.json"),)
    beside = r"(yelp_academic_dataset_)?(business|review)\.json"
