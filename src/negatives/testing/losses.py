"""What every loss promises: masked slots count for nothing, and all its forms are one function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from negatives.errors import LogQUnknown
from negatives.losses.base import Loss
from negatives.randomness import Purpose, stream, uniforms
from negatives.testing.promises import Check, global_randomness_untouched, hold, like, near, run, same, unwritten
from negatives.types import Negatives

ROWS, K = 6, 5


@dataclass(frozen=True, slots=True)
class LossCase:
    """A loss under test.

    Args:
        make: Gives it anew.
        needs_log_q: It needs the probabilities of the draws.
        monotone: A larger score of the positive never costs more, and a larger one of a negative never less.
        held: Numbers that it takes from the scores are held as they are: no gradient flows through them.
    """

    make: Callable[[], Loss]
    needs_log_q: bool = False
    monotone: bool = True
    held: bool = False


def batch(
    dtype: torch.dtype = torch.float64, *, weighted: bool = True, seed: int = 0
) -> tuple[Tensor, Tensor, Negatives]:
    """Scores of positives and negatives, and negatives of which row 0 has none allowed, row 1 all."""
    rows, slots, key = torch.arange(ROWS)[:, None], torch.arange(K), stream(seed, Purpose.PROBES)
    ok = uniforms(key, rows, slots) < 0.7
    ok[0], ok[1] = False, True
    negatives = Negatives(
        (uniforms(key ^ 1, rows, slots) * 9).long(),
        (uniforms(key ^ 2, rows, slots) * 0.9 + 0.05).log().float(),
        ok,
        (uniforms(key ^ 3, rows, slots) + 0.1).float() if weighted else None,
        positive_log_q=(uniforms(key ^ 4, rows[:, 0], 0) * 0.9 + 0.05).log().float(),
    )
    positive = 3 * uniforms(key ^ 5, rows[:, 0], 0) - 1.5
    negative = 3 * uniforms(key ^ 6, rows, slots) - 1.5
    return positive.to(dtype).requires_grad_(), negative.to(dtype).requires_grad_(), negatives


def gradients(loss: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    """Gradients of a sum over the rows, zero where nothing flows."""
    found = torch.autograd.grad(loss.sum(), leaves, allow_unused=True)
    return tuple(torch.zeros_like(leaf) if one is None else one for one, leaf in zip(found, leaves, strict=True))


def one_number_for_each_row(case: LossCase) -> None:
    """A loss is ``(rows,)``, finite, of the scores' precision, repeatable; its call is the mean, half in float32."""
    exact = case.make().rows(*batch())
    for dtype, atol in ((torch.float64, 1e-9), (torch.float32, 1e-4), (torch.bfloat16, 0.3)):
        positive, negative, negatives = batch(dtype)
        found = case.make().rows(positive, negative, negatives)
        like(found, (ROWS,), found.dtype, "the loss")
        hold(found.is_floating_point(), f"the loss is {found.dtype}")
        near(found, exact, f"the loss of {dtype} scores", atol=atol, rtol=0.05 if dtype == torch.bfloat16 else 1e-4)
        same(case.make().rows(positive, negative, negatives), found, "a second call's loss")
        left, right = positive, negative
        if dtype == torch.bfloat16:
            left, right = positive.float(), negative.float()
        mean = case.make().rows(left, right, negatives).mean()
        near(case.make()(positive, negative, negatives), mean, "the call", atol=1e-6)


def gradients_are_those_of_finite_differences(case: LossCase) -> None:
    """Gradients agree with finite differences, unless numbers are held."""
    if case.held:
        return
    for seed in range(3):
        for weighted in (False, True):
            positive, negative, negatives = batch(weighted=weighted, seed=seed)
            try:
                torch.autograd.gradcheck(
                    lambda p, n, negatives=negatives: case.make().rows(p, n, negatives), (positive, negative)
                )
            except RuntimeError as error:
                raise AssertionError(str(error)) from error


def rows_without_a_negative_cost_nothing(case: LossCase) -> None:
    """A row without an allowed negative has loss zero and gradient zero, whatever its scores and probabilities."""
    positive, negative, negatives = batch()
    for scale in (1.0, 1e4, -1e4):
        for log_q in (-1.0, 0.0, -math.inf, math.inf):
            empty = replace(negatives, ok=torch.zeros_like(negatives.ok), positive_log_q=torch.full((ROWS,), log_q))
            leaves = [(scale * one.detach()).requires_grad_() for one in (positive, negative)]
            loss = case.make().rows(leaves[0], leaves[1], empty)
            what = f"scores times {scale:g}, positive_log_q {log_q:g}"
            same(loss, torch.zeros_like(loss), f"the loss of empty rows ({what})")
            for name, one in zip(("positives", "negatives"), gradients(loss, *leaves), strict=True):
                same(one, torch.zeros_like(one), f"the gradient of the {name} of empty rows ({what})")


def masked_slots_count_for_nothing(case: LossCase) -> None:
    """Whatever stands in a masked slot changes neither the loss nor a gradient."""
    positive, negative, negatives = batch()
    before = case.make().rows(positive, negative, negatives)
    wanted = gradients(before, positive, negative)
    off = ~negatives.ok
    same(wanted[1][off], torch.zeros_like(wanted[1][off]), "the gradient of masked slots")
    assert negatives.log_q is not None
    assert negatives.weight is not None
    for junk in (1e4, math.inf, -math.inf, math.nan):
        spoilt = negative.detach().masked_fill(off, junk).requires_grad_()
        other = replace(
            negatives,
            ids=negatives.ids.masked_fill(off, 7),
            log_q=negatives.log_q.masked_fill(off, junk),
            weight=negatives.weight.masked_fill(off, abs(junk)),
        )
        after = case.make().rows(positive, spoilt, other)
        same(after, before, f"the loss with {junk} in masked slots")
        for one, two in zip(gradients(after, positive, spoilt), wanted, strict=True):
            same(one, two, f"a gradient with {junk} in masked slots")


def weights_are_honoured(case: LossCase) -> None:
    """Weights of one change nothing, a weight of zero silences its slot, and no gradient flows through a weight."""
    positive, negative, bare = batch(weighted=False)
    plain = case.make().rows(positive, negative, bare)
    ones = replace(bare, weight=torch.ones(ROWS, K))
    near(case.make().rows(positive, negative, ones), plain, "the loss with weights of one", atol=1e-9)
    _, _, negatives = batch()
    assert negatives.weight is not None
    weight = negatives.weight.clone()
    weight[:, 2] = 0.0
    watched = replace(negatives, weight=weight.requires_grad_())
    loss = case.make().rows(positive, negative, watched)
    found = gradients(loss, positive, negative)[1][:, 2]
    same(found, torch.zeros_like(found), "the gradient of slots of weight zero")
    through = torch.autograd.grad(case.make().rows(positive, negative, watched).sum(), weight, allow_unused=True)[0]
    hold(through is None, "a gradient flows through the weights")
    heavier = case.make().rows(positive, negative, replace(negatives, weight=3 * negatives.weight))
    lighter = case.make().rows(positive, negative, negatives)
    hold(bool((heavier != lighter).any()), "weights three times as large change nothing")


def groups_are_rows(case: LossCase) -> None:
    """``grouped`` gives the losses and gradients of ``rows`` on the negatives written out."""
    owner = torch.tensor([0, 0, 1, 1, 1, 2, 4, 5, 5])
    key, n = stream(8, Purpose.PROBES), len(owner)
    positive = (3 * uniforms(key, torch.arange(n), 0) - 1.5).requires_grad_()
    noise = (uniforms(key, torch.arange(n), 1) * 0.9 + 0.05).log().float()
    for weighted in (False, True):
        _, negative, negatives = batch(weighted=weighted)
        assert negatives.log_q is not None
        weight = None if negatives.weight is None else negatives.weight[owner]
        whole = Negatives(
            negatives.ids[owner], negatives.log_q[owner], negatives.ok[owner], weight, positive_log_q=noise
        )
        wanted = case.make().rows(positive, negative[owner], whole)
        found = case.make().grouped(positive, negative, replace(negatives, positive_log_q=noise), owner)
        near(found, wanted, "the loss of groups", atol=1e-9)
        for one, two in zip(*(gradients(x, positive, negative) for x in (found, wanted)), strict=True):
            near(one, two, "a gradient of groups", atol=1e-9)


def the_fused_form_is_rows(case: LossCase) -> None:
    """``fused_`` gives the losses and gradients of ``rows``, or None and touches nothing."""
    for weighted in (False, True):
        for masked in (False, True):
            positive, negative, own = batch(torch.float32, weighted=weighted)
            assert own.log_q is not None
            ok = own.ok if masked else torch.ones((1, 1), dtype=torch.bool).expand(ROWS, K)
            negatives = replace(own, ids=own.ids[:1].expand(ROWS, K), log_q=own.log_q[:1].expand(ROWS, K), ok=ok)
            scores = negative.detach().clone()
            with torch.no_grad():
                found = case.make().fused_(positive.detach(), scores, negatives)
            if found is None:
                same(scores, negative.detach(), "fused_ gives None, but the scores")
                continue
            wanted = case.make().rows(positive, negative, negatives)
            slopes = gradients(wanted, positive, negative)
            near(found[0], wanted, "the fused loss")
            near(found[1], slopes[0], "the fused gradient of the positives")
            near(scores, slopes[1], "the fused gradient of the scores")


def equal_draws_may_be_one(case: LossCase) -> None:
    """Where it ``estimates``, slots that stand for two draws each cost what the draws cost side by side."""
    if not case.make().estimates:
        return
    twice, some = 3, torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])
    for weighted in (False, True):
        positive, negative, negatives = batch(weighted=weighted)
        assert negatives.log_q is not None
        stands = torch.ones(K).index_fill(0, torch.arange(twice), 2.0)
        log_q = negatives.log_q + math.log(len(some) / K) - stands.log()
        one = case.make().rows(positive, negative, replace(negatives, log_q=log_q, repeats=stands.expand(ROWS, K)))
        parts = (negatives.ids, negatives.log_q, negatives.ok, negatives.weight)
        apart = Negatives(*(None if part is None else part[:, some] for part in parts))  # type: ignore[arg-type]
        wanted = case.make().rows(positive, negative[:, some], apart)
        near(one, wanted, "equal draws made one: the loss", atol=1e-6)
        for mine, theirs in zip(*(gradients(x, positive, negative) for x in (one, wanted)), strict=True):
            near(mine, theirs, "equal draws made one: a gradient", atol=1e-6)


def better_scores_never_cost_more(case: LossCase) -> None:
    """The loss does not rise with the positive's score, nor fall with a negative's."""
    if not case.monotone:
        return
    for seed in range(5):
        positive, negative, negatives = batch(seed=seed)
        of_positive, of_negative = gradients(case.make().rows(positive, negative, negatives), positive, negative)
        hold(float(of_positive.max()) <= 0, f"the loss rises with a positive's score, at {float(of_positive.max()):g}")
        hold(float(of_negative.min()) >= 0, f"the loss falls with a negative's score, at {float(of_negative.min()):g}")
        hold(float(of_positive.abs().max() + of_negative.abs().max()) > 0, "no score has a gradient")


def extremes_stay_finite(case: LossCase) -> None:
    """Scores of a thousand give finite losses and gradients."""
    for scale in (1e3, -1e3):
        positive, negative, negatives = batch(torch.float32)
        leaves = [(scale * one.detach()).requires_grad_() for one in (positive, negative)]
        loss = case.make().rows(leaves[0], leaves[1], negatives)
        hold(bool(loss.isfinite().all()), f"the loss is {loss.tolist()} for scores times {scale:g}")
        fine = all(bool(one.isfinite().all()) for one in gradients(loss, *leaves))
        hold(fine, f"a gradient is not finite for scores times {scale:g}")


def log_q_is_needed_where_it_says_so(case: LossCase) -> None:
    """Without ``log_q`` a loss that needs it raises ``LogQUnknown``; for others it makes no difference."""
    positive, negative, negatives = batch()
    bare = replace(negatives, log_q=None, positive_log_q=None)
    if not case.needs_log_q:
        wanted = case.make().rows(positive, negative, negatives)
        same(case.make().rows(positive, negative, bare), wanted, "the loss without log_q")
        return
    try:
        case.make().rows(positive, negative, bare)
    except LogQUnknown:
        return
    raise AssertionError("it is computed without log_q, which it is said to need")


def nothing_else_is_touched(case: LossCase) -> None:
    """Scores and negatives are not written to, and no global generator is used."""
    positive, negative, negatives = batch()
    with global_randomness_untouched(), unwritten(positive, negative, negatives):
        case.make()(positive, negative, negatives).backward()  # type: ignore[no-untyped-call]


CHECKS: tuple[Check[LossCase], ...] = (
    one_number_for_each_row,
    gradients_are_those_of_finite_differences,
    rows_without_a_negative_cost_nothing,
    masked_slots_count_for_nothing,
    weights_are_honoured,
    groups_are_rows,
    the_fused_form_is_rows,
    equal_draws_may_be_one,
    better_scores_never_cost_more,
    extremes_stay_finite,
    log_q_is_needed_where_it_says_so,
    nothing_else_is_touched,
)


def check_loss(
    make: Callable[[], Loss], *, needs_log_q: bool = False, monotone: bool = True, held: bool = False
) -> None:
    """Run the contract of a loss.

    Args:
        make: Gives the loss anew.
        needs_log_q: It needs the probabilities of the draws.
        monotone: A larger score of the positive never costs more, and a larger one of a negative never less.
        held: Numbers that it takes from the scores are held as they are: no gradient flows through them.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    run(type(make()).__name__, LossCase(make, needs_log_q, monotone, held), CHECKS)
