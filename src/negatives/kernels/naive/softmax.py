"""Exponentials of rows of scores."""

from __future__ import annotations

import torch
from torch import Tensor


def exp_rows(scores: Tensor, scale: float, bias: Tensor | None, ok: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    terms = scores * scale + (0.0 if bias is None else bias)
    terms = terms if ok is None else torch.where(ok, terms, -torch.inf)
    top = terms.max(1, keepdim=True).values
    top = torch.where(top == -torch.inf, 0.0, top)
    terms = torch.exp(terms - top)
    return terms, terms.sum(1, keepdim=True), top
