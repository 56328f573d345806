"""What all selections share: masks, ranks, gathering the chosen slots, softmax over the allowed ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from negatives import kernels
from negatives.errors import ConfigError
from negatives.types import Candidates, Context, Negatives

LEAST = -1e30
"""Stands for a difficulty of -inf where exponentials are taken: if all allowed ones have it, they are equal."""


def check_count(name: str, value: object, least: int = 1) -> None:
    """Refuse what is not a whole number of at least ``least``.

    Raises:
        ConfigError: The value does not fit.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number of at least {least}")


def needed(values: Tensor | None, part: str, what: str) -> Tensor:
    """``values``, or an error that says what the part needs.

    Raises:
        ConfigError: There are none.
    """
    if values is None:
        raise ConfigError(f"{part} needs {what}; the sampler must score the candidates first (use difficulty 'score')")
    return values


def chosen(
    candidates: Candidates, slots: Tensor, ok: Tensor, log_q: Tensor | None = None, weight: Tensor | None = None
) -> Negatives:
    """Negatives from ``slots`` ``(rows, k)`` of the candidates; id and score are 0 where not ``ok``.

    Args:
        candidates: What was drawn.
        slots: ``(rows, k)`` int64 positions among the candidates.
        ok: ``(rows, k)`` bool, True where the slot was filled by an allowed candidate.
        log_q: ``(rows, k)`` of the chosen, or None.
        weight: ``(rows, k)`` of the chosen, or None.
    """
    ids = candidates.ids.gather(1, slots)
    scores = None if candidates.scores is None else candidates.scores.gather(1, slots)
    if not all_ok(ok):
        ids = ids.masked_fill_(~ok, 0)
        scores = None if scores is None else scores.masked_fill_(~ok, 0.0)
    return Negatives(ids, log_q, ok, weight, scores, candidates.positive_scores)


def everything(candidates: Candidates, weight: Tensor | None = None) -> Negatives:
    """All candidates, a shared pool kept shared."""
    return Negatives(
        candidates.ids,
        candidates.log_q,
        candidates.ok,
        weight,
        candidates.scores,
        candidates.positive_scores,
        repeats=candidates.repeats,
    )


def all_ok(ok: Tensor) -> bool:
    """True when ``ok`` is one expanded True, which costs no pass to find out."""
    return ok.numel() > 0 and ok.stride() == (0, 0) and bool(ok[0, 0])


def masked(difficulty: Tensor, ok: Tensor) -> Tensor:
    """Difficulty with what is not allowed below all else, below an allowed -inf too."""
    if all_ok(ok):
        return difficulty
    return difficulty.clamp(min=torch.finfo(difficulty.dtype).min).masked_fill_(~ok, -torch.inf)


def softmax_allowed(logits: Tensor, ok: Tensor) -> Tensor:
    """Softmax over the allowed slots ``(rows, m)``; all zero in rows where none is allowed."""
    chances = torch.softmax(masked(logits, ok), dim=1)
    return chances if all_ok(ok) else chances.masked_fill_(~ok, 0.0)


def resampled(context: Context, candidates: Candidates, logits: Tensor, k: int, key: int) -> Negatives:
    """``k`` of the ``m`` candidates, drawn with chances ``π = softmax(logits)`` over the allowed ones.

    ``log_q = log q + log(m π)``, where slots that are not allowed count in ``m``, keeps the promise of
    :class:`negatives.types.Negatives`.

    Args:
        context: The batch.
        candidates: What was drawn.
        logits: ``(rows, m)``.
        k: Negatives per row, with replacement.
        key: Random stream of the selection.
    """
    whole, logits = all_ok(candidates.ok), logits.clamp(min=LEAST)
    slots, chances = kernels.resample(logits, None if whole else candidates.ok, context.examples, k, key)
    ok = candidates.ok[:1, :1].expand(slots.shape) if whole else candidates.ok.gather(1, slots)
    log_q = None
    if candidates.log_q is not None:
        chance = chances if whole else torch.where(ok, chances, 1.0)
        log_q = candidates.log_q.gather(1, slots) + math.log(logits.shape[1]) + chance.log()
        log_q = log_q if whole else torch.where(ok, log_q, 0.0)
    return chosen(candidates, slots, ok, log_q)


def hardest_slots(ranked: Tensor, k: int) -> Tensor:
    """``(rows, min(k, m))`` slots of the largest values, largest first; equal values in slot order.

    Args:
        ranked: ``(rows, m)`` values, minus infinity where not allowed.
        k: Number of slots.
    """
    if k == 1:
        return ranked.max(1, keepdim=True).indices
    if ranked.device.type != "cpu":  # to look for equal values would wait for the device
        return ranked.sort(dim=1, descending=True, stable=True).indices[:, :k]
    values, slots = ranked.topk(min(k + 1, ranked.shape[1]), dim=1)
    same = (values[:, 1:] == values[:, :-1]) & (values[:, 1:] > -torch.inf)
    slots = slots[:, :k]
    if bool(same.any()):  # topk leaves the order of equal values open
        tied = same.any(1)
        slots[tied] = ranked[tied].sort(dim=1, descending=True, stable=True).indices[:, :k]
    return slots
