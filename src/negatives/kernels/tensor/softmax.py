"""Exponentials of rows of scores."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def exp_rows(scores: Tensor, scale: float, bias: Tensor | None, ok: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    terms = scores * scale if bias is None else torch.add(bias, scores, alpha=scale)
    if ok is not None:
        terms.masked_fill_(~ok, -math.inf)
    top = terms.amax(1, keepdim=True)
    top.masked_fill_(top == -math.inf, 0.0)
    terms.sub_(top).exp_()
    return terms, terms.sum(1, keepdim=True), top
