"""A miner for PyTorch Metric Learning whose negatives are chosen by any selection of this package.

    miner = SamplerMiner("semi_hard")                                     # once
    loss = TripletMarginLoss()(embeddings, labels, miner(embeddings, labels))

The library's own miners give all negatives of a kind or the hardest one. Here the choice is any row of the table of
selections, with its knobs: a softmax of the scores, mostly hard with a known chance of any, the top few, a share that
follows a signal. What has the anchor's label is never chosen; guards of this package leave out more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from negatives import guards as guard_table
from negatives import selection as selection_table
from negatives.control import build_part
from negatives.errors import ConfigError
from negatives.guards import SameAnswer
from negatives.guards.base import Guard
from negatives.integrations.upstream import base, fault
from negatives.proposals import Every
from negatives.registry import Spec
from negatives.sampler import Sampler
from negatives.selection.base import Selection
from negatives.types import Catalogue, Negatives, shared_pool

BaseMiner, BROKEN = base("BaseMiner", "pytorch_metric_learning.miners", otherwise=torch.nn.Module)
POSITIVES = ("all", "hardest", "easiest")


class SamplerMiner(BaseMiner):  # type: ignore[misc,valid-type]
    """Gives ``(anchors, positives, negatives)``, as the losses of PyTorch Metric Learning take them.

    A row is an anchor with a positive; its candidates are all references of other labels.

    Args:
        select: A selection's name, with its parameters, or one that is built already. Selections that weight all
            negatives in place of choosing some cannot be handed on as triplets.
        guards: Further rules against false negatives: ``"relative_margin"``, ``"rank_skip"``, ... or built ones.
        positives: ``"all"`` pairs of one label, or one for each anchor: its ``"hardest"``, the least similar one, or
            its ``"easiest"`` (Xuan et al., WACV 2020).
        distance: A distance of PyTorch Metric Learning; give the one of the loss. Euclidean distances of normalised
            vectors when left out, as for the library's own miners. Guards that compare a score with a share of the
            positive's want ``CosineSimilarity``.
        seed: Seed of all draws.
        total_steps: Batches that the training will have, by which schedules know how far it is.

    Attributes:
        sampler: The sampler behind it. Its state is part of :meth:`torch.nn.Module.state_dict`.
        last: The last :class:`Negatives`, with scores; rows in the order of anchors.

    Raises:
        ConfigError: The library is missing or broken, or a part is not known.
    """

    def __init__(
        self,
        select: Spec | Selection = "semi_hard",
        guards: Sequence[Spec | Guard] = (),
        positives: str = "all",
        distance: Any = None,
        seed: int = 0,
        total_steps: int | None = None,
    ) -> None:
        if BROKEN is not None:
            raise fault("the miner", "'negatives[metric-learning]'", BROKEN)
        if positives not in POSITIVES:
            raise ConfigError(f"positives is {positives!r}; choose one of: {', '.join(POSITIVES)}")
        super().__init__(distance=distance)
        self.positives, self.last = positives, cast(Negatives | None, None)
        chosen = select if isinstance(select, Selection) else build_part(selection_table.registry, select)
        rules = [one if isinstance(one, Guard) else build_part(guard_table.registry, one) for one in guards]
        self.sampler = Sampler(
            Every(), select=chosen, guards=[SameAnswer(), *rules], pool=1, seed=seed, total_steps=total_steps
        )

    def mine(self, embeddings: Tensor, labels: Tensor, ref_emb: Tensor, ref_labels: Tensor) -> tuple[Tensor, ...]:
        """See ``BaseMiner.mine``.

        Raises:
            ConfigError: The selection gives weights.
        """
        found = self.distance(embeddings, ref_emb).detach().float()
        table = found if self.distance.is_inverted else -found
        own = embeddings is ref_emb or (ref_emb.data_ptr() == embeddings.data_ptr() and len(ref_emb) == len(embeddings))
        anchors, positives = self._pairs(table, labels, ref_labels, own)
        if not len(anchors):
            return anchors, positives, anchors.clone()
        groups = torch.unique(torch.cat([labels, ref_labels]), return_inverse=True)[1][len(labels) :]
        ones = torch.ones(len(ref_labels), dtype=torch.int64, device=labels.device)
        self.sampler.bind(Catalogue(len(labels), len(ref_labels), ones, item_groups=groups))
        negatives = self._draw(anchors, positives, Batch(table, embeddings.detach(), ref_emb.detach()))
        rows, slots = negatives.ok.nonzero(as_tuple=True)
        return anchors[rows], positives[rows], negatives.ids[rows, slots]

    def get_extra_state(self) -> Mapping[str, Any]:
        """See ``torch.nn.Module``."""
        return self.sampler.state()

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """See ``torch.nn.Module``."""
        self.sampler.load_state(state)

    def _pairs(self, table: Tensor, labels: Tensor, ref_labels: Tensor, own: bool) -> tuple[Tensor, Tensor]:
        same = labels[:, None] == ref_labels
        if own:
            same = same.clone().fill_diagonal_(False)
        if self.positives == "all":
            anchors, positives = same.nonzero(as_tuple=True)
            return anchors, positives
        anchors = same.any(1).nonzero()[:, 0]
        sign = 1.0 if self.positives == "easiest" else -1.0
        return anchors, (sign * table).masked_fill(~same, -torch.inf).argmax(1)[anchors]

    def _draw(self, anchors: Tensor, positives: Tensor, batch: Batch) -> Negatives:
        found = self.sampler(anchors, positives, batch)
        if found.weight is not None:
            raise ConfigError(
                f"{type(self.sampler.select).__name__} weights negatives, which triplets cannot hold; choose a "
                "selection that picks some, such as softmax or hardest"
            )
        self.last = found
        return found


@dataclass(frozen=True, slots=True)
class Batch:
    """A scorer of a batch whose similarities are known already; queries are anchors, items are references.

    Args:
        table: ``(n, m)`` similarities.
        anchors: ``(n, d)``.
        references: ``(m, d)``.
    """

    table: Tensor
    anchors: Tensor
    references: Tensor

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Embeddings of anchors."""
        return self.anchors[queries]

    def encode_items(self, items: Tensor) -> Tensor:
        """Embeddings of references."""
        return self.references[items]

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Similarities of pairs ``(rows,)``, of candidates ``(rows, k)`` or of a shared pool."""
        if (pool := shared_pool(items)) is not None:
            return self.table[queries][:, pool]
        return self.table[queries, items] if items.dim() == 1 else self.table[queries[:, None], items]
