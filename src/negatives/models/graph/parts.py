"""What graph networks share: adjacency for PyTorch Geometric, and first weights from keyed streams."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from negatives.errors import ConfigError
from negatives.randomness import generator
from negatives.types import Csr


def layers_of_pyg() -> Any:
    """The module ``torch_geometric.nn``, imported when it is first needed.

    Raises:
        ConfigError: It is not installed.
    """
    if importlib.util.find_spec("torch_geometric") is None:
        raise ConfigError(
            "this model needs the package torch-geometric; run: pip install 'negatives[graph]', "
            "or choose --model node2vec or propagation"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about PyTorch's own deprecated functions on import
        return importlib.import_module("torch_geometric.nn")


def adjacency(graph: Csr, without: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """The graph as a sparse CSR matrix ``(n, n)`` of ones, which the layers multiply without compiled extras.

    Args:
        graph: Neighbours of each node, those that it hears.
        without: Edges ``(rows,)``, ``(rows,)`` to leave out, in both directions.
    """
    indptr, indices = graph.indptr, graph.indices.long()
    if without is not None:
        kept = torch.ones(graph.nnz, dtype=torch.bool, device=indices.device)
        kept[_places(graph, torch.cat(without), torch.cat(without[::-1]))] = False
        ends = torch.zeros(graph.nnz + 1, dtype=torch.int64, device=indices.device)
        ends[1:] = kept.cumsum(0)
        indptr, indices = ends[indptr], indices[kept]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls its CSR tensors a beta
        values = torch.ones(indices.numel(), device=indices.device)
        return torch.sparse_csr_tensor(indptr, indices, values, (graph.n_rows, graph.n_cols))


def _places(graph: Csr, rows: Tensor, cols: Tensor) -> Tensor:
    """Where those of the edges that the graph has stand in ``graph.indices``."""
    owners = torch.repeat_interleave(torch.arange(graph.n_rows, device=rows.device), graph.lengths())
    codes, wanted = owners * graph.n_cols + graph.indices, rows * graph.n_cols + cols
    at = torch.searchsorted(codes, wanted).clamp(max=max(0, graph.nnz - 1))
    return at[codes[at] == wanted] if graph.nnz else at[:0]


def initialised(module: nn.Module, key: int) -> None:
    """Draw the weights of a module anew from a keyed stream: matrices as in Glorot and Bengio (2010), vectors zero."""
    random = generator(key)
    with torch.no_grad():
        for weight in module.parameters():
            if weight.dim() > 1:
                bound = (6 / (weight.shape[0] + weight.shape[1])) ** 0.5
                weight.uniform_(-bound, bound, generator=random)
            else:
                weight.zero_()
