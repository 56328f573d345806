"""A tree of decisions that has learnt which items go with a query: noise that is hard to tell from the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels.precision import in_float32
from negatives.proposals.base import Proposal
from negatives.proposals.clusters import bisect, principal
from negatives.proposals.decision_tree import DecisionTree, GoneLeaves
from negatives.proposals.rejection import blocks, conditional_log_q, derived, pick
from negatives.proposals.seen_batch import SeenBatch, all_vectors, next_due
from negatives.randomness import Purpose, bits, stream, uniforms
from negatives.scoring import query_vectors
from negatives.types import Catalogue, Context, Csr, Scorer, State


@dataclass(slots=True)
class AdversarialTree(Proposal):
    """Walk down a balanced binary tree, at each node to the right with probability ``sigmoid(w_v . z_u + b_v)``.

    ``log q(i | u)`` is the sum of the logs of the branches on the way to ``i``. ``z_u`` is the model's vector of the
    query in its ``dim`` principal directions, each of unit variance, and a constant. ``b_v`` is the log-odds of the
    training counts plus ``smoothing`` on either side, so a tree that has learnt nothing draws by count, and every item
    keeps a chance.

    Items are split in halves by their vectors as those directions see them, and ``w`` is fitted to the last
    ``pairs`` (query, positive) pairs that were trained on, with the vectors that the queries had then; both are done
    anew every so many steps, from the pairs of all ranks. The noise is close to the data where it is adversarial, so
    use a loss that corrects by ``log_q``: ``sampled_softmax``, or ``nce``, which is the published one up to where
    ``log q`` is added.

    A draw costs ``O((dim + 1) log n_items)`` and one look at each known positive of the row, of the same cost; nothing
    is rejected. A refresh costs ``O(n_items (d dim + dim log n_items) + pairs (d^2 + dim^2 log n_items))``.

    Differs from the paper: halves are found by item vectors, not together with ``w``; the model learns its own
    features, so the tree is refitted; what known positives take from a branch is left out exactly.

    Source: Bamler and Mandt, ICLR 2020, "Extreme classification via adversarial softmax approximation".

    Args:
        dim: Principal directions of the query's vector.
        every: Steps from one fit to the next; the first are at the steps 1, 4, 16, 64 and so on.
        pairs: Pairs that are kept to fit.
        ridge: Penalty on ``w``.
        smoothing: Added to every count.

    Raises:
        ConfigError: A value is out of range, or the data is not known at the first draw.
    """

    needs_queries = False
    dim: int = 16
    every: int = 500
    pairs: int = 16_384
    ridge: float = 1.0
    smoothing: float = 1.0
    _tree: DecisionTree | None = field(default=None, init=False, repr=False)
    _mass: Tensor = field(default_factory=lambda: torch.empty(0), init=False, repr=False)
    _frame: Tensor = field(default_factory=lambda: torch.empty(0, 0), init=False, repr=False)
    _recent: list[tuple[Tensor, Tensor]] = field(default_factory=list, init=False, repr=False)
    _batch: tuple[Tensor, Tensor] | None = field(default=None, init=False, repr=False)
    _seen: SeenBatch = field(default_factory=SeenBatch, init=False, repr=False)
    _due: int = field(default=1, init=False, repr=False)
    _gone: tuple[Tensor, Csr, GoneLeaves] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, least in (("dim", 1), ("every", 1), ("pairs", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"adversarial_tree: {name} is {getattr(self, name)}; it must be at least {least}")
        for name in ("ridge", "smoothing"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"adversarial_tree: {name} is {getattr(self, name)}; it must be above 0")

    @property
    def conditional(self) -> bool:
        return True

    @property
    def needs_scorer(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Grow a tree that draws by count."""
        self._mass = catalogue.counts.double() + self.smoothing
        self._tree = DecisionTree.build(
            torch.arange(len(self._mass), device=self._mass.device), self._mass, self.dim + 1
        )
        self._recent, self._batch = [], None
        self._frame, self._seen, self._due, self._gone = torch.empty(0, 0), SeenBatch(), 1, None

    def observe(self, context: Context) -> None:
        """Keep the pairs of the batch, if its vectors were seen, for the next fit."""
        if self._batch is None or self._batch[0] is not context.queries:
            return
        order = torch.argsort(bits(context.key(Purpose.PAIRS), context.examples, context.step), stable=True)
        order = order[-self.pairs :]  # which pairs stay, and how they are summed, is no matter of the rows' order
        self._recent.append((self._batch[1][order], context.positives[order]))
        while sum(len(positives) for _, positives in self._recent[1:]) >= self.pairs:
            self._recent.pop(0)

    @torch.no_grad()
    def refresh(self, context: Context, scorer: Scorer) -> None:
        """Fit the tree anew when it is time, and take the vectors of the batch."""
        self._ready()
        self._gone = None
        if context.step >= self._due and self._recent:
            self._fit(context, scorer)
            self._due = next_due(context.step, self.every)
        vectors = query_vectors(scorer, context)
        self._batch = context.queries, vectors
        if self._frame.numel():
            self._seen.keep(context.queries, _seen_along(self._frame, vectors))

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        tree, x = self._ready(), self._vectors(context)
        gone = None if exclude is None else self._gone_of(context, exclude)
        ids, log_prob = tree.draw(x, context, k, key, gone)
        rest = torch.zeros_like(log_prob[:, 0]) if gone is None else gone.log_rest.clamp(min=-1e30)
        if gone is not None and exclude is not None:
            slots = torch.arange(k, device=context.device)
            for rows in blocks(gone.little, gone.n_items):
                logs = tree.log_left(x[rows], exclude, context.queries[rows])
                chance = uniforms(derived(key, tree.depth), context.examples[rows, None], slots)
                ids[rows] = pick((logs - logs.amax(1, keepdim=True)).exp(), chance)
                log_prob[rows] = logs.gather(1, ids[rows])
        return ids, conditional_log_q(log_prob, rest, ids).float()

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; of the tree as it stands."""
        return self._ready().log_prob(self._vectors(context), ids).float()

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        return self._gone_of(context, exclude).log_rest.float()

    def state(self) -> State:
        """The tree, its view of the queries, the pairs to fit next, and when."""
        if self._tree is None:
            return {}
        tree = {"order": self._tree.order.clone(), "weights": self._tree.weights.clone()}
        vectors, positives = self._pairs()
        recent = {"vectors": vectors, "positives": positives}
        rest = {"recent": recent, "frame": self._frame.clone(), "due": self._due}
        return {"tree": tree, "seen": self._seen.state(), **rest}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        if "tree" in state:
            order, weights = state["tree"]["order"].clone(), state["tree"]["weights"].clone()
            tree = DecisionTree.build(order, self._mass.to(order.device), weights.shape[1])
            self._tree = DecisionTree(tree.order, tree.place, tree.starts, tree.bias, weights)
            recent, self._frame = state["recent"], state["frame"].clone()
            self._recent = [(recent["vectors"], recent["positives"])] if recent["positives"].numel() else []
            self._due = int(state["due"])
            self._seen.load_state(state["seen"])
            self._gone = None

    def _pairs(self) -> tuple[Tensor, Tensor]:
        """The last pairs: vectors of queries ``(n, d)`` and positives ``(n,)``."""
        if not self._recent:
            return torch.empty(0, 0), torch.empty(0, dtype=torch.int64)
        vectors, positives = (torch.cat(parts)[-self.pairs :] for parts in zip(*self._recent, strict=True))
        return vectors, positives

    def _fit(self, context: Context, scorer: Scorer) -> None:
        tree = self._ready()
        share = max(1, self.pairs // context.ranks.count)
        vectors, positives = (context.ranks.gathered(one[-share:]) for one in self._pairs())
        self._frame, across = _directions(vectors, self.dim)
        items = all_vectors(scorer, tree.order.numel(), context.device)
        with in_float32(items):
            items = items @ across
        order, _ = bisect(items, tree.depth, stream(context.seed, Purpose.CLUSTERS, context.step))
        tree = DecisionTree.build(order, self._mass, self.dim + 1)
        self._tree = tree.fit(_seen_along(self._frame, vectors), positives, self.ridge)

    def _ready(self) -> DecisionTree:
        if self._tree is None:
            raise ConfigError("adversarial_tree does not know the items; bind the sampler to the data")
        return self._tree

    def _gone_of(self, context: Context, exclude: Csr) -> GoneLeaves:
        """What is excluded of each row's tree; that of the last batch is remembered."""
        last = self._gone
        if last is None or last[0] is not context.queries or last[1] is not exclude:
            gone = GoneLeaves.of(self._ready(), self._vectors(context), exclude, context.queries)
            self._gone = last = context.queries, exclude, gone
        return last[2]

    def _vectors(self, context: Context) -> Tensor:
        return self._seen.vectors_of(context.queries, self.dim + 1)[0]


def _directions(vectors: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Principal directions of ``vectors`` ``(n, d)``.

    Returns:
        ``(d + 1, dim)`` float32, whose last row takes the mean off: the products have unit variance, or are 0 where
        there is no variance; and ``(d, dim)``, which takes items to where their products with those are their scores.
    """
    spread, axes = principal(vectors, dim)
    flat = spread <= 1e-4 * spread.max()
    along = torch.where(flat, 0.0, axes / torch.where(flat, 1.0, spread))
    with in_float32(vectors):
        frame = torch.cat([along, -(vectors.mean(0) @ along)[None]])
    return torch.nn.functional.pad(frame, (0, dim - len(spread))), torch.where(flat, 0.0, axes * spread)


def _seen_along(frame: Tensor, vectors: Tensor) -> Tensor:
    """Vectors ``(n, dim + 1)`` in the principal directions, with a constant 1 at the end."""
    with in_float32(vectors):
        return torch.nn.functional.pad(vectors @ frame[:-1] + frame[-1], (0, 1), value=1.0)
