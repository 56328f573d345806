"""Adaptive negatives in a PyTorch Geometric loop of one's own: GraphSAGE on points that know their nearest.

python examples/pyg_links.py
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import SAGEConv

from negatives import losses
from negatives.integrations.pyg import LinkNegatives, inner_product

NODES, EACH, STEPS = 400, 8, 100


class Encoder(nn.Module):
    """Free vectors and two layers."""

    def __init__(self, dim: int = 32) -> None:
        super().__init__()
        self.start = nn.Embedding(NODES, dim)
        self.layers = nn.ModuleList([SAGEConv(dim, dim), SAGEConv(dim, dim)])

    def forward(self, edge_index: Tensor) -> Tensor:
        hidden = self.layers[0](self.start.weight, edge_index).relu()
        return nn.functional.normalize(self.layers[1](hidden, edge_index))


def ranks(z: Tensor, edges: Tensor, known: Tensor) -> Tensor:
    """Rank of each held-back target among all nodes that are no known neighbour of its source."""
    scores = z @ z.T
    scores[known[0], known[1]] = scores[range(NODES), range(NODES)] = -torch.inf
    right = scores[edges[0], edges[1]]
    return 1 + (scores[edges[0]] > right[:, None]).sum(1)


torch.manual_seed(0)
places = torch.rand(NODES, 2)
near = torch.cdist(places, places).argsort(1)[:, 1 : EACH + 1]
edges = torch.stack([torch.arange(NODES).repeat_interleave(EACH), near.flatten()])
edges = torch.unique(edges.sort(0).values, dim=1)
edges = edges[:, torch.randperm(edges.shape[1])]
test, train = edges[:, :200], edges[:, 200:]
messages = torch.cat([train, train.flip(0)], 1)

for name in ("uniform", "dns"):
    torch.manual_seed(1)
    model = Encoder()
    optimiser, negatives = torch.optim.Adam(model.parameters(), lr=0.01), LinkNegatives(messages, NODES, name)
    for step in range(STEPS):
        z = 3 * model(messages)
        wrong = negatives(z, train, epoch=step)
        optimiser.zero_grad()
        losses.bpr(inner_product(z, train), inner_product(z, negatives.edges(train, wrong)), wrong).backward()
        optimiser.step()
    with torch.no_grad():
        print(f"{name:8} mean reciprocal rank {(1 / ranks(model(messages), test, messages)).mean():.4f}")
