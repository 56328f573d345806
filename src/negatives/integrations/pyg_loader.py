"""Wrong edges in the batches of PyTorch Geometric's loaders of links, before the neighbours of nodes are sampled."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.integrations.workers import epoch_of_workers
from negatives.types import Negatives


class EdgeNegatives(Protocol):
    """What draws for the batches of a loader: ``LinkNegatives``, or ``TemporalNegatives`` for edges with times."""

    timed: ClassVar[bool]
    """Whether it knows the times of the edges, and draws what was there before; then it sees no embeddings."""

    @property
    def needs_scorer(self) -> bool:
        """Whether draws look at embeddings."""
        ...

    def of_batch(self, src: Tensor, dst: Tensor, times: Tensor | None, epoch: int) -> Negatives:
        """Wrong targets for edges; ``times`` are those of a loader of edges with times."""
        ...


def with_negatives(loader: Any, negatives: EdgeNegatives) -> Any:
    """Put wrong edges into every batch of a loader of links, before the neighbours of its nodes are sampled.

    In a batch ``edge_label`` is 1 for the right edges, which come first, and 0 for the wrong ones; ``edge_label_index``
    has both, numbered within the batch as ever. A sampler that looks at embeddings sees those that the loop gave last:
    ``negatives.remember(z, batch.n_id)`` after each step; before the first, all nodes are alike. Workers of the loader
    draw differently from each other and in each epoch, by the seed of PyTorch.

    Args:
        loader: A ``LinkNeighborLoader``, or another ``LinkLoader``, without ``neg_sampling``.
        negatives: For the whole graph; ``TemporalNegatives`` where the loader has ``edge_label_time``.

    Returns:
        The same loader.

    Raises:
        ConfigError: It is no such loader, draws negatives of its own, has labels, has times that the negatives do not
            know, or has workers where the sampler asks the model.
    """
    if not all(hasattr(loader, name) for name in ("link_sampler", "neg_sampling", "input_data")):
        raise ConfigError(f"{type(loader).__name__} is no loader of links; give a LinkNeighborLoader or a LinkLoader")
    if loader.neg_sampling is not None or loader.input_data.label is not None:
        raise ConfigError("the loader has negatives or labels of its own; leave neg_sampling and edge_label out")
    times = loader.input_data.time is not None
    if times and not negatives.timed:
        raise ConfigError("the loader has times, and nodes that come later would be drawn; give TemporalNegatives")
    if negatives.timed and not times:
        raise ConfigError("the loader has no times; give it edge_label_time, or give LinkNegatives")
    if negatives.needs_scorer and (negatives.timed or loader.num_workers):
        told = (
            "edges with times are drawn for before the model sees them" if negatives.timed else "workers have no model"
        )
        raise ConfigError(f"{told}, and this sampler asks it; choose one that does not, or draw in the loop")
    loader.link_sampler = WithNegatives(loader.link_sampler, negatives)
    return loader


class WithNegatives:
    """A sampler of neighbourhoods that is given wrong edges beside the right ones; all else is the inner one's.

    Args:
        inner: A ``torch_geometric.sampler.BaseSampler``.
        negatives: What draws.
    """

    def __init__(self, inner: Any, negatives: EdgeNegatives) -> None:
        self.inner, self.negatives = inner, negatives

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # not yet there, in a worker that is sent it
            raise AttributeError(name)
        return getattr(self.inner, name)

    def sample_from_edges(self, inputs: Any, neg_sampling: Any = None) -> Any:
        """See ``torch_geometric.sampler.BaseSampler``."""
        found = self.negatives.of_batch(inputs.row, inputs.col, inputs.time, epoch_of_workers())
        ok = found.ok.cpu()
        rows = ok.nonzero()[:, 0]
        both = type(inputs)(
            input_id=inputs.input_id,
            row=torch.cat([inputs.row, inputs.row[rows]]),
            col=torch.cat([inputs.col, found.ids.cpu()[ok].to(inputs.col)]),
            label=torch.cat([torch.ones(len(inputs.row)), torch.zeros(len(rows))]),
            time=None if inputs.time is None else torch.cat([inputs.time, inputs.time[rows]]),
            input_type=inputs.input_type,
        )
        return self.inner.sample_from_edges(both, neg_sampling=None)


__all__ = ["EdgeNegatives", "with_negatives"]
