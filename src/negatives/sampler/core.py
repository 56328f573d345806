"""The sampler: propose, guard, score, select. It runs inside the training step and sees the model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, ClassVar

import torch
from torch import Tensor

from negatives.control import Knob, value_of
from negatives.control.base import controllers_in, decided, feed, load_states, schedules_in, states_of
from negatives.control.decisions import Decision
from negatives.control.signals import COUNTS, false_negative_signals, signals
from negatives.errors import ConfigError, NegativesWarning
from negatives.guards import OwnPositive
from negatives.guards.base import Guard
from negatives.parameters import Range
from negatives.proposals.base import Proposal
from negatives.randomness import Purpose
from negatives.ranks import ROWS, Group, Ranks, own_numbers
from negatives.sampler.batch import Batch, as_mask
from negatives.sampler.exclusion import Exclusion
from negatives.sampler.merging import merged
from negatives.sampler.narrowed import Narrowed, Never
from negatives.scoring import PlaceScorer, as_scorer, device_of, scores_of, unwrapped
from negatives.selection import All, QueryScore
from negatives.selection.base import Difficulty, Selection
from negatives.selection.picking import all_ok
from negatives.types import Candidates, Catalogue, Context, Csr, Ids, Negatives, Part, Scorer, State, all_within

OBSERVED_ROWS = 512


@dataclass(slots=True)
class Sampler(Part):
    """Chooses negatives for each batch: ``propose -> guard -> score -> select``.

    Args:
        proposal: Where candidates come from.
        select: Which candidates become negatives; all of them by default.
        guards: Rules against false negatives, all of which must allow a candidate.
        difficulty: What "hard" means; the score for the query by default.
        candidates: Candidates drawn for each row; a knob.
        pool: Candidates drawn once for the whole batch; a knob. Give one of ``candidates`` and ``pool``.
        seed: Seed of all draws.
        observe_every: Signals are measured and controllers fed at every so many steps.
        canaries: Known positives hidden from guards and model, by which false negatives are estimated.
        canary_share: Share of all positives that became canaries.
        total_steps: Calls that the training will make, by which schedules know how far it is.
        merges: Equal draws of a pool become one slot, whose ``log_q`` and ``repeats`` say how many they were. Exact,
            and fewer items to score, for losses whose ``estimates`` is True; on a CPU, with all candidates selected.
        group: Ranks that train together on rows of their own; all of the default process group when None. Give the
            group of data-parallel ranks where others share a batch, as in tensor parallelism.
        measured: The signals of the last step; empty where none were measured.

    Under an initialised process group draws differ by rank where rows have no numbers, and what is learnt from batches
    is learnt from those of all ranks; see :meth:`__call__`.

    Raises:
        ConfigError: Neither or both of ``candidates`` and ``pool`` are given, or one is below 1.

    >>> from negatives.proposals import Uniform
    >>> neg = Sampler(Uniform(n_items=9), candidates=4)(torch.tensor([0, 1]), torch.tensor([3, 5]))
    >>> tuple(neg.ids.shape), round(neg.log_q.exp().mean().item() * 9, 4)
    ((2, 4), 1.0)
    """

    tunable: ClassVar[Mapping[str, Range]] = {
        "candidates": Range(0.125, 4.0, whole=True, relative=True),
        "pool": Range(0.125, 2.0, whole=True, relative=True),
    }
    proposal: Proposal
    select: Selection = field(default_factory=All)
    guards: Sequence[Guard] = field(default_factory=lambda: [OwnPositive()])
    difficulty: Difficulty = field(default_factory=QueryScore)
    candidates: Knob | None = None
    pool: Knob | None = None
    seed: int = 0
    observe_every: int = 8
    canaries: Csr | None = None
    canary_share: float = 0.0
    total_steps: int | None = None
    merges: bool = False
    group: Group = field(default=None, repr=False)
    seconds: dict[str, float] = field(default_factory=dict, repr=False)
    _unfilled: int = 0
    _open: Tensor | None = field(default=None, init=False, repr=False)
    measured: dict[str, float] = field(default_factory=dict, init=False, repr=False)
    _step: int = 0
    _n_queries: int = 0
    _n_items: int = 0
    _never: Never | None = field(default=None, init=False, repr=False)
    _told: bool = field(default=False, init=False, repr=False)
    _device: torch.device | None = field(default=None, init=False, repr=False)
    _exclusion: Exclusion = field(default_factory=Exclusion, init=False, repr=False)
    _candidate_scores: Tensor | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.candidates is None) == (self.pool is None):
            raise ConfigError("a sampler needs either candidates=M (per row) or pool=M (shared by the batch)")
        for name, size in (("candidates", self.candidates), ("pool", self.pool)):
            if isinstance(size, (int, float)) and not size >= 1:
                raise ConfigError(f"{name} is {size}; it must be at least 1")
        if self.total_steps is not None and self.total_steps < 1:
            raise ConfigError(f"total_steps is {self.total_steps}; it must be at least 1")
        if self.pool is not None and self.proposal.conditional:
            raise ConfigError(
                f"{type(self.proposal).__name__} depends on the query, so a batch cannot share its draws; "
                "give candidates=M instead of pool=M"
            )
        self.seconds.update(dict.fromkeys(("draw", "guard", "score", "select"), 0.0) | self.seconds)

    def bind(self, catalogue: Catalogue) -> None:
        """Tell every part about the data; not needed where the parts were given their data."""
        if self._never is not None and self._never.mask.numel() != catalogue.n_items:
            raise ConfigError(
                f"what is never drawn was said of {self._never.mask.numel()} items, and the data has "
                f"{catalogue.n_items}; say it after binding"
            )
        self._n_queries, self._n_items = catalogue.n_queries, catalogue.n_items
        for part in self._parts():
            part.bind(catalogue)
        self.to(catalogue.counts.device)

    def never(self, items: Ids | None) -> None:
        """Say which items are not drawn from now on: padding, sold out, not for sale in a region.

        No draw and no pool holds one of them, whatever the proposal is, and ``log_q`` is that of what is left. They
        may be positives. A later call says it anew, as often as at each step.

        Args:
            items: Ids, or a mask ``(n_items,)`` of bool that is True for them; None for none.

        Raises:
            InputError: No item is left, an id is out of range, or the mask is one of other items.
            ConfigError: The sampler does not know how many items there are.
        """
        if items is None:
            self._never = None
            return
        mask = as_mask(items, self._known_sizes()[1])
        self._never = Never(mask if self._device is None else mask.to(self._device))

    def jump(self, step: int) -> None:
        """Go on at another step, where the caller knows better than by counting calls."""
        self._step = step

    @property
    def needs_scorer(self) -> bool:
        """True when draws look at the model, which must then be given."""
        return self.proposal.needs_scorer or self.select.needs_difficulty or self._needs_scores()

    def to(self, device: torch.device) -> None:
        """See :meth:`Part.to`; called by itself where a batch comes from another device."""
        Part.to(self, device)
        self._device = device

    def __call__(
        self,
        queries: Ids | None,
        positives: Ids,
        scorer: object | None = None,
        *,
        mask: Ids | None = None,
        examples: Ids | None = None,
        epoch: int = 0,
        progress: float | None = None,
    ) -> Negatives:
        """Negatives for one batch of one's own training loop, on the device of its model.

        Args:
            queries: ``(rows,)`` query ids of any whole-number type; ``(batch,)`` or ``(batch, length)`` where positives
                are ``(batch, length)``. None where the loop has none, if no part looks up what a query knows.
            positives: ``(rows,)`` or ``(batch, length)`` item ids.
            scorer: The model, a module with ``encode_queries`` and ``encode_items``, or
                :class:`negatives.scoring.Vectors` of this batch; may be left out when nothing depends on scores.
            mask: Of the shape of the positives, True where there is one and False for padding. Only rows that are
                there are drawn for and scored.
            examples: ``(rows,)`` number of each row in the training set, or ``(batch,)`` of each sequence. Given, the
                draws do not depend on the order of batches: with numbers that no other rank gives, each row has the
                same negatives on 1, 2 or 4 ranks, and all ranks share their pools. Left out, rows have numbers by step
                and rank, so that draws differ by rank, pools too, and are the same after a resume. Where draws depend
                on the batch (``in_batch``, alone or in a mixture), they depend on this rank's rows.
            epoch: Epoch, counted from zero.
            progress: Share of the training that is done, for schedules; by default that of ``total_steps``.

        Raises:
            InputError: Shapes do not go together, or a query or a positive is out of the range of what the sampler was
                bound to or was given.
            ConfigError: There are no queries, and a part needs them.
        """
        batch = Batch.of(queries, positives, mask, scorer, device_of(scorer, positives))
        self._check(batch, queries is None, scorer)
        own, step = (own_numbers(self.group) if examples is None else 0), self._step
        numbers = batch.examples(examples, own + step * ROWS)  # by the step: the state is one for all ranks
        if progress is None:
            self._say_if_schedules_stand_still()
            progress = self.progress
        context = Context(
            batch.queries, batch.positives, numbers, self.seed, epoch, step, progress, batch.places,
            Ranks.here(self.group), own,
        )  # fmt: skip
        self._step += 1
        negatives = self.sample(context, None if scorer is None else as_scorer(scorer))
        if batch.rows and negatives.scores is not None and negatives.positive_scores is not None:
            self.observe(context, negatives, negatives.positive_scores, negatives.scores)
        return batch.answer(negatives)

    @property
    def progress(self) -> float:
        """Share of the training that is done, from 0 to 1, by ``total_steps``; 0 where that is not known.

        A loss with a schedule of its own is told in a loop of one's own: ``loss.progress = sampler.progress``.
        """
        return min(1.0, self._step / self.total_steps) if self.total_steps else 0.0

    @torch.no_grad()
    def sample(self, context: Context, scorer: Scorer | None = None) -> Negatives:
        """Negatives for a context that says all; used by the training loop.

        Raises:
            NonFiniteScores: The model's scores hold NaN or infinity.
            ConfigError: A part needs scores and no scorer was given.
        """
        if context.device != self._device:
            self.to(context.device)
        self._candidate_scores = None  # those of an older batch tell nothing of this one
        if self.proposal.needs_scorer:
            start = perf_counter()
            self.proposal.refresh(context, _given(scorer))
            self._spend("score", start)
        candidates = self._propose(context)
        candidates = self._guard(context, candidates, after=False)
        difficulty = None
        if self._needs_scores():
            candidates = self._score(context, candidates, scorer)
            candidates = self._guard(context, candidates, after=True)
        start = perf_counter()
        if self.select.needs_difficulty:
            difficulty = self.difficulty.of(context, candidates, _given(scorer))
        negatives = self.select.pick(context, candidates, difficulty, context.key(Purpose.SELECTION))
        if negatives.log_q is not None and negatives.repeats is None and self.select.keeps_proposal:
            negatives = replace(negatives, positive_log_q=self._of_positives(context))
        self.proposal.observe(context)
        for guard in self.guards:
            guard.observe(context, negatives)
        self._spend("select", start)
        return negatives

    def observe(self, context: Context, negatives: Negatives, positive: Tensor, negative: Tensor) -> dict[str, float]:
        """Measure signals at every ``observe_every``-th step and feed them to the controllers.

        Args:
            context: The batch.
            negatives: What :meth:`sample` returned for it.
            positive: ``(rows,)`` scores of the positives.
            negative: ``(rows, k)`` scores of the negatives.

        Returns:
            The signals, of all ranks where controllers read them, and the controllers' values under
            ``control.<path>``; empty at other steps.
        """
        self.measured = {}
        if context.step % self.observe_every:
            return {}
        rows = slice(0, OBSERVED_ROWS)
        seen = Negatives(
            negatives.ids[rows],
            None,
            negatives.ok[rows],
            None if negatives.weight is None else negatives.weight[rows],
            repeats=None if negatives.repeats is None else negatives.repeats[rows],
        )
        measured = signals(positive[rows].detach(), negative[rows].detach(), seen, self._candidate_scores)
        gone = self._exclusion.by(self.guards)
        if gone is not None:
            measured["density"] = gone.indices.numel() / (gone.n_rows * gone.n_cols)
        if self.canaries is not None and self._n_items:
            measured |= false_negative_signals(
                negatives,
                context,
                self.canaries,
                self._n_items,
                self.canary_share,
                gone,
            )
        if any(controllers_in(self)):  # all ranks must see the same
            measured = context.ranks.means(measured, context.device, COUNTS)
        measured |= feed(self, measured)
        for name in ("candidates", "pool"):
            if (size := getattr(self, name)) is not None:
                measured[f"control.{name}"] = value_of(size, context.progress)
        self.measured = measured
        return measured

    def decisions(self) -> list[Decision]:
        """What the controllers saw and changed since the last call, in words; ``by`` says which of them."""
        return decided(self)

    def state(self) -> State:
        """Counters, controllers and the state of every part."""
        return {
            "step": self._step,
            "unfilled": self.unfilled,
            "never": None if self._never is None else self._never.mask.clone(),
            "controllers": states_of(self),
            "parts": {str(index): part.state() for index, part in enumerate(self._parts())},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave; the sampler must have the same parts."""
        self._step = state["step"]
        self._unfilled, self._open = state["unfilled"], None
        if "never" in state:
            self._device = None
            self.never(state["never"])
        load_states(self, state["controllers"])
        for index, part in enumerate(self._parts()):
            part.load_state(state["parts"][str(index)])
        self._device = None

    @property
    def unfilled(self) -> int:
        """Slots so far that no item could fill; counted where the batches are, and read when asked for."""
        if self._open is not None:
            self._unfilled, self._open = self._unfilled + int(self._open), None
        return self._unfilled

    def _say_if_schedules_stand_still(self) -> None:
        if self.total_steps is not None or self._told:
            return
        self._told = True
        still = [path for path, one in schedules_in(self) if {one.at(0.5), one.at(1.0)} != {one.at(0.0)}]
        if still:
            warnings.warn(
                f"the sampler's {', '.join(still)} should change while training, and stands at its start; give the "
                "sampler total_steps=, or progress= in each call",
                NegativesWarning,
                stacklevel=3,
            )

    def _check(self, batch: Batch, no_queries: bool, scorer: object | None) -> None:
        """Ids out of range would read, or mark, the rows of others; told where the sampler knows the range."""
        if no_queries:
            needs = [type(one).__name__ for one in self.guards if one.needs_queries]
            if self.proposal.needs_queries:
                needs.append(type(self.proposal).__name__)
            if self.canaries is not None:
                needs.append("canaries")
            if scorer is not None and not isinstance(scorer, PlaceScorer):
                needs.append(type(unwrapped(scorer)).__name__)
            if needs:
                raise ConfigError(
                    f"{needs[0]} looks up the query, and there are none; pass query ids, or leave it out: "
                    'guards=["own_positive"], and Vectors(queries=..., items=...) in place of a model'
                )
        n_queries, n_items = self._known_sizes()
        if n_items:
            queries = ("query", batch.queries, n_queries, "; for more, give negatives.sampler n_queries=")
            positives = ("positive", batch.positives, n_items, "; for more, give negatives.sampler n_items=")
            all_within(*(() if no_queries else (queries,)), positives)

    def _known_sizes(self) -> tuple[int, int]:
        """Numbers of queries and items, 0 where they are not known."""
        gone = self._exclusion.by(self.guards)
        return (self._n_queries, self._n_items) if gone is None else (gone.n_rows, gone.n_cols)

    @property
    def _source(self) -> Proposal:
        """The proposal, without what is never drawn."""
        return self.proposal if self._never is None else Narrowed(self.proposal, self._never)

    def _parts(self) -> list[Part]:
        return [self.proposal, *self.guards, self.difficulty, self.select]

    def _needs_scores(self) -> bool:
        by_difficulty = self.select.needs_difficulty and self.difficulty.needs_scores
        return by_difficulty or any(guard.needs_scores for guard in self.guards)

    def _propose(self, context: Context) -> Candidates:
        start = perf_counter()
        key, repeats = context.key(Purpose.CANDIDATES), None
        if self.pool is not None:
            m = max(1, round(value_of(self.pool, context.progress)))
            ids, log_q = self._source.pool(context, m, key)
            if self.merges and self.select.takes_all and ids.device.type == "cpu":  # elsewhere it waits for the device
                ids, log_q, repeats = merged(ids, log_q)
            ids, log_q = ids[None], log_q[None]
        else:
            m = max(1, round(value_of(self.candidates or 1, context.progress)))
            ids, log_q = self._source.draw(context, m, key, exclude=self._exclusion.by(self.guards))
        if not ids.numel() or (ids.device.type == "cpu" and int(ids.min()) >= 0):
            ok = torch.ones((1, 1), dtype=torch.bool, device=ids.device)  # expanded, it costs no pass to see
        else:
            ok = ids >= 0
            left = (~ok).sum()
            self._open = left if self._open is None else self._open + left
            ids = ids.clamp(min=0)
        shape = context.rows, ids.shape[1]
        ids, log_q, ok = ids.expand(shape), log_q.expand(shape), ok.expand(shape)
        self._spend("draw", start)
        return Candidates(ids, log_q, ok, repeats=None if repeats is None else repeats.expand(shape))

    def _of_positives(self, context: Context) -> Tensor:
        """``(rows,)``: the proposal's log-probability of the positives, on the scale of the negatives' ``log_q``.

        Draws per row never give an excluded item; NCE compares both under one density, so the same
        normalisation is applied to the positive as to the negatives. 0 in rows whose query has no item left.
        """
        log_q = self._source.log_prob(context.positives[:, None], context)[:, 0]
        gone = None if self.pool is not None else self._exclusion.by(self.guards)
        if gone is None:
            return log_q
        scaled = log_q - self._source.log_allowed(context, gone)  # infinite, or no number, where nothing is left
        return scaled.nan_to_num_(0.0, posinf=0.0, neginf=-torch.inf)

    def _guard(self, context: Context, candidates: Candidates, *, after: bool) -> Candidates:
        start = perf_counter()
        for guard in self.guards:
            if guard.needs_scores is not after:
                continue
            if self.pool is None and guard.excluded() is not None:
                continue  # the proposal has left these items out already
            allowed = guard.allow(context, candidates).expand(candidates.ok.shape)
            candidates = replace(
                candidates,
                ok=allowed if all_ok(candidates.ok) else candidates.ok & allowed,
                log_q=candidates.log_q if guard.keeps_log_q else None,
            )
        self._spend("guard", start)
        return candidates

    def _score(self, context: Context, candidates: Candidates, scorer: Scorer | None) -> Candidates:
        start = perf_counter()
        scorer = _given(scorer)
        what = f"scores at step {context.step} (epoch {context.epoch})"
        scores = scores_of(scorer, context, candidates.ids, what)
        positive = scores_of(scorer, context, context.positives, what)
        self._candidate_scores = scores[:OBSERVED_ROWS]
        self._spend("score", start)
        return replace(candidates, scores=scores, positive_scores=positive)

    def _spend(self, part: str, start: float) -> None:
        self.seconds[part] += perf_counter() - start


def _given(scorer: Scorer | None) -> Scorer:
    if scorer is None:
        raise ConfigError("this sampler reads scores; pass the model as the third argument")
    return scorer
