"""Configurations of earlier versions: where their keys stand now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EARLIER = {
    "split": dict.fromkeys(("user", "item", "time", "rating"), "columns")
    | dict.fromkeys(("min_rating", "missing"), "reading"),
    "reading": dict.fromkeys(("head", "relation", "tail", "source", "target", "text", "labels"), "columns"),
}
"""Keys of earlier versions by section, and the section in which they stand now."""


def moved(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of an earlier version with each key in its present section.

    >>> moved({"split": {"user": "uid", "test": 0.1}})
    {'split': {'test': 0.1}, 'columns': {'user': 'uid'}}
    """
    found = dict(values)
    for section, keys in EARLIER.items():
        if isinstance(below := found.get(section), Mapping):
            for key in set(below) & set(keys):
                found[keys[key]] = {key: below[key], **(found.get(keys[key]) or {})}
            found[section] = {key: value for key, value in below.items() if key not in keys}
    return found
