"""In-batch negatives over the batches of all ranks, for a data-parallel loop of one's own.

    sampler = Sampler(GatheredBatch(counts), pool=rows * world_size, guards=[KnownPositives(known)])

    queries, items = model(query_features, item_features)             # this rank's rows
    negatives = sampler(query_ids, item_ids)                          # its pool: the items of all ranks
    everyone, _ = gather_ranks(items, item_ids)                       # their vectors, in the order of the pool
    positive, negative = (queries * items).sum(1), queries @ everyone.T
    joined_mean(SampledSoftmax().rows(positive, negative, negatives)).backward()

Loss and gradients are those of one process with the joined batch. Every rank must take every step, backward pass
included, for each of these calls waits for all of them. Without a process group each gives what one process needs, so
that the same loop runs with and without ``torchrun``. Where the vectors of all ranks are too many for the memory of
one, :func:`ring_softmax` has the same loss and gradients with those of one other rank at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from negatives.errors import ConfigError
from negatives.integrations.ring import ring_softmax
from negatives.proposals.base import Proposal
from negatives.proposals.in_batch import InBatch
from negatives.ranks import Group, Ranks
from negatives.types import Catalogue, Context, Csr


def gather_ranks(vectors: Tensor, ids: Tensor, group: Group = None) -> tuple[Tensor, Tensor]:
    """The rows of all ranks, rank by rank; gradients flow back to every rank's own rows.

    The gradient of a row is the sum over the ranks of the gradients of their losses, so that no part of it is lost:
    ``DistributedDataParallel`` then takes the mean over the ranks. Ranks may have different numbers of rows.

    Args:
        vectors: ``(rows, ...)`` of this rank; all but the first dimension the same on all ranks.
        ids: ``(rows,)`` int64 of this rank.
        group: Ranks that take part; all when None.

    Returns:
        Vectors ``(total, ...)`` and ids ``(total,)``; the input where no process group is initialised.

    Raises:
        ConfigError: Vectors and ids differ in number.

    Source: gathering passages over GPUs, Karpukhin et al., Dense Passage Retrieval, EMNLP 2020. There the vectors of
    other ranks are constants; here they have gradients, as in CLIP, Radford et al., ICML 2021.

    >>> import torch
    >>> vectors, ids = gather_ranks(torch.eye(2), torch.tensor([7, 9]))
    >>> vectors.shape, ids.tolist()
    (torch.Size([2, 2]), [7, 9])
    """
    if vectors.shape[:1] != ids.shape:
        raise ConfigError(f"gather_ranks: {tuple(vectors.shape)} vectors for {tuple(ids.shape)} ids; give one id each")
    ranks = Ranks.here(group)
    if ranks.count == 1:
        return vectors, ids
    sizes = ranks.sizes(ids)
    return ranks.joined(vectors, sizes), ranks.gathered(ids, sizes)


def joined_mean(losses: Tensor, group: Group = None) -> Tensor:
    """A loss whose gradient, averaged over the ranks, is that of the mean over the rows of all ranks.

    ``sum_i losses_i * ranks / total``: the plain mean where all ranks have equally many rows, right also where the last
    batch is cut unevenly. Its mean over the ranks is the mean loss of the joined batch.

    Args:
        losses: ``(rows,)`` losses of this rank's rows.
        group: Ranks that take part; all when None.

    >>> import torch
    >>> joined_mean(torch.tensor([1.0, 2.0]))
    tensor(1.5000)
    """
    sizes = Ranks.here(group).sizes(losses)
    return losses.mean() if len(sizes) == 1 else losses.sum() * (len(sizes) / sum(sizes))


@dataclass(slots=True)
class GatheredBatch(Proposal):
    """The positives of the batches of all ranks as one pool, in the order of :func:`gather_ranks`.

    As :class:`negatives.proposals.InBatch` in one process with the joined batch, ``log_q`` included; guards mark
    duplicates and known positives in the pool as they do there. Only ids travel here. ``pool`` of the sampler must be
    at least the number of rows of all ranks; all rows serve.

    Args:
        counts: ``(n_items,)`` counts of the training data of all ranks; those of the catalogue when left out.
        group: Ranks that take part; all when None.

    Raises:
        ConfigError: On a draw: the pool is too small, or draws per row were asked for.
    """

    counts: Tensor | None = None
    group: Group = None
    _in_batch: InBatch = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._in_batch = InBatch(self.counts)

    def bind(self, catalogue: Catalogue) -> None:
        """Take the counts from the training data, unless they were given."""
        self._in_batch.bind(catalogue)

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`; refused, for there is only the pool."""
        raise ConfigError("gathered_batch gives one pool for all rows; build the sampler with pool=, not candidates=")

    def pool(self, context: Context, k: int, key: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.pool`."""
        positives = Ranks.here(self.group).gathered(context.positives)
        if k < positives.numel():
            raise ConfigError(
                f"pool is {k} but the batches of all ranks hold {positives.numel()} rows; give the sampler "
                "pool=batch_size * world_size"
            )
        joined = replace(context, queries=positives, positives=positives, examples=positives)
        return self._in_batch.pool(joined, k, key)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; the training frequency."""
        return self._in_batch.log_prob(ids, context)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        return self._in_batch.log_allowed(context, exclude)


__all__ = ["GatheredBatch", "gather_ranks", "joined_mean", "ring_softmax"]
