"""Loss and gradient of a softmax over a shared pool, in tensor operations that take the scores' own place.

Beside the scores only the mask's negation is ever of their size. ``torch.compile`` makes two passes of them, one that
finds each row's sum and one that writes the gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus


def pool_softmax_(
    scores: Tensor, positive: Tensor | None, scale: float, bias: Tensor | None, ok: Tensor | None
) -> tuple[Tensor, Tensor]:
    terms = scores.float()  # itself, where that is what it holds
    terms.mul_(scale)
    if bias is not None:
        terms.add_(bias)
    if ok is not None:
        terms.masked_fill_(~ok, -torch.inf)
    top = terms.amax(1, keepdim=True)
    top.masked_fill_(top == -torch.inf, 0.0)
    terms.sub_(top).exp_()
    total = terms.sum(1, keepdim=True)
    rest = (total.log() + top)[:, 0]  # minus infinity in an empty row
    share = torch.ones_like(rest) if positive is None else torch.sigmoid(rest - positive.float() * scale)
    terms.mul_((share[:, None] * scale / total).masked_fill_(total == 0.0, 0.0))
    if terms is not scores:
        scores.copy_(terms)
    if positive is None:
        return rest.masked_fill_(rest == -torch.inf, 0.0), torch.zeros_like(rest)
    return softplus(rest - positive.float() * scale), -share * scale
