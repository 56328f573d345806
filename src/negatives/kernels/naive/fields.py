"""Columns of text: lines are split, cells looked up."""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor

from negatives.kernels.fields import LONGEST, Names, packed


def _cells(raw: Tensor, separator: int, width: int, place: int) -> list[bytes] | None:
    lines = [line.removesuffix(b"\r").split(bytes([separator])) for line in raw.numpy().tobytes().split(b"\n")[:-1]]
    return None if any(len(line) != width for line in lines) else [line[place] for line in lines]


def whole_numbers(raw: Tensor, separator: int, width: int, place: int) -> Tensor | None:
    cells = _cells(raw, separator, width, place)
    if cells is None or not all(re.fullmatch(rb"0|-?[1-9][0-9]{0,17}", cell) for cell in cells):
        return None
    return torch.tensor([int(cell) for cell in cells], dtype=torch.int64)


def coded(raw: Tensor, separator: int, width: int, place: int, names: Names) -> Tensor | None:
    cells = _cells(raw, separator, width, place)
    known = {text.encode(): code for code, text in enumerate(names.texts())}
    if cells is None:
        return None
    codes = []
    for cell in (cell.strip(b" \t\r") for cell in cells):
        short = cell.lower().decode("latin-1") if len(cell) <= LONGEST else None
        if short is not None and short.isascii() and packed([short])[0] in names.missing:
            codes.append(-1)
        else:
            codes.append(known.setdefault(cell, len(known)))
    names.count, text = len(known), b"".join(cell + b"\n" for cell in known)
    names.used, names.arena = len(text), np.frombuffer(text, np.uint8).copy()
    return torch.tensor(codes, dtype=torch.int32)
