"""GraphSAGE: a node hears the mean of its neighbours beside itself (Hamilton et al., 2017).

``h'_v = W_1 h_v + W_2 mean_{u in N(v)} h_u`` by PyTorch Geometric's layer. All neighbours are heard, none are sampled:
the graphs this is for fit in memory.
"""

from __future__ import annotations

from torch import nn

from negatives.models.graph.network import GraphNetwork
from negatives.models.graph.parts import layers_of_pyg


class GraphSage(GraphNetwork):
    """:class:`GraphNetwork` with mean-aggregating layers; see there for the arguments."""

    def layer(self, dim: int) -> nn.Module:
        made: nn.Module = layers_of_pyg().SAGEConv(dim, dim)
        return made
