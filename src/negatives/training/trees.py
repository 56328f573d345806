"""Nested values as JSON with their tensors apart: what checkpoints and kept runs are written as."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

TAG = "$"
Special = Callable[[Any], tuple[str, Any] | None]
"""Gives the name of a further type and what it is made of; None for other values."""
Made = Callable[[str, Any], Any]
"""Makes a value of a further type from its name and what :data:`Special` gave."""


def flattened(value: Any, tensors: dict[str, Tensor], place: str, special: Special = lambda value: None) -> Any:
    """What JSON can hold of a value; its tensors are added to ``tensors`` by number.

    Args:
        value: Dictionaries with text keys, lists, tuples, tensors, numbers, text, booleans and None.
        tensors: Gains the tensors.
        place: Name of the value, for messages.
        special: Further types.

    Raises:
        TypeError: The value holds something else; names its place.
    """
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return {TAG: "tensor", "at": name}
    if (known := special(value)) is not None:
        return {TAG: known[0], "of": flattened(known[1], tensors, place, special)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"{place} has a key that is not text")
        parts = {key: flattened(one, tensors, f"{place}.{key}", special) for key, one in value.items()}
        return {TAG: "dict", "of": parts}
    if isinstance(value, (list, tuple)):
        items = [flattened(one, tensors, f"{place}.{index}", special) for index, one in enumerate(value)]
        return items if isinstance(value, list) else {TAG: "tuple", "of": items}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"{place} is a {type(value).__name__}, which a checkpoint cannot hold")


def unflattened(value: Any, tensors: Mapping[str, Tensor], made: Made | None = None) -> Any:
    """The value that :func:`flattened` was given.

    Args:
        value: What it gave.
        tensors: By number.
        made: Further types.

    Raises:
        KeyError: It is no such value, or a tensor is missing.
    """
    if isinstance(value, list):
        return [unflattened(one, tensors, made) for one in value]
    if not isinstance(value, dict):
        return value
    kind = value[TAG]
    if kind == "tensor":
        return tensors[value["at"]]
    if kind == "tuple":
        return tuple(unflattened(one, tensors, made) for one in value["of"])
    if kind == "dict":
        return {key: unflattened(one, tensors, made) for key, one in value["of"].items()}
    if made is None:
        raise KeyError(kind)
    return made(kind, unflattened(value["of"], tensors, made))
