"""Loss and gradient of a softmax over a shared pool, in tensor operations."""

from __future__ import annotations

import torch
from torch import Tensor


def pool_softmax_(
    scores: Tensor, positive: Tensor | None, scale: float, bias: Tensor | None, ok: Tensor | None
) -> tuple[Tensor, Tensor]:
    terms = scores.float() * scale
    if bias is not None:
        terms = terms + bias
    if ok is not None:
        terms = terms.masked_fill(~ok, -torch.inf)
    rest = torch.logsumexp(terms, 1)
    if positive is None:
        scores.copy_((terms - rest[:, None]).exp().nan_to_num_(0.0) * scale)
        return rest.masked_fill(rest == -torch.inf, 0.0), torch.zeros_like(rest)
    gap = rest - positive.float() * scale
    share = torch.sigmoid(gap)
    scores.copy_((terms - rest[:, None]).exp().nan_to_num_(0.0) * (share * scale)[:, None])
    return torch.nn.functional.softplus(gap), -share * scale
