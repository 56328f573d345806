"""GCN: neighbours and the node itself, weighted by their degrees (Kipf and Welling, 2017).

``H' = D^-1/2 (A + I) D^-1/2 H W`` by PyTorch Geometric's layer.
"""

from __future__ import annotations

from torch import nn

from negatives.models.graph.network import GraphNetwork
from negatives.models.graph.parts import layers_of_pyg


class Gcn(GraphNetwork):
    """:class:`GraphNetwork` with convolutions; see there for the arguments."""

    def layer(self, dim: int) -> nn.Module:
        made: nn.Module = layers_of_pyg().GCNConv(dim, dim)
        return made
