"""The sampler in a training loop of one's own, with a module of one's own, on CPU or CUDA.

python examples/own_loop.py
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives import Csr, KnownPositives, Sampler, Softmax, losses
from negatives.proposals import Uniform

USERS, ITEMS, CLUSTERS, TAKEN, KEPT = 400, 300, 12, 14, 11
device = "cuda" if torch.cuda.is_available() else "cpu"


class Ranker(nn.Module):
    """Scores a user and an item by a small network over the product of their embeddings."""

    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(USERS, dim), nn.Embedding(ITEMS, dim)
        self.layers = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1))

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        """``(rows,)`` scores of pairs, or ``(rows, k)`` of candidates: all that the sampler asks for here."""
        vectors = self.users(users) if items.dim() == 1 else self.users(users)[:, None]
        return self.layers(vectors * self.items(items)).squeeze(-1)


torch.manual_seed(0)
user_ids = torch.arange(USERS)
own = (torch.rand(USERS, ITEMS // CLUSTERS).argsort(1)[:, :TAKEN] * CLUSTERS + user_ids[:, None] % CLUSTERS).to(device)
users, items = user_ids.repeat_interleave(KEPT).to(device), own[:, :KEPT].flatten()
known = Csr.from_pairs(users.cpu(), items.cpu(), USERS, ITEMS).to(device)

model = Ranker().to(device)
optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
sampler = Sampler(Uniform(ITEMS), candidates=16, guards=[KnownPositives(known)], select=Softmax(k=4))

for epoch in range(10):
    total = 0.0
    for rows in torch.randperm(len(users), device=device).split(400):
        neg = sampler(users[rows], items[rows], model, examples=rows, epoch=epoch)
        loss = losses.bpr(model.score(users[rows], items[rows]), model.score(users[rows], neg.ids), neg)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(rows) / len(users)
    print(f"epoch {epoch}  loss {total:.4f}")

with torch.no_grad():
    scores = model.score(user_ids.to(device), torch.arange(ITEMS, device=device).expand(USERS, -1))
best = scores.scatter(1, own[:, :KEPT], -torch.inf).topk(20).indices
recall = (best[:, :, None] == own[:, None, KEPT:]).any(1).double().mean()
print(f"recall@20 {recall:.4f}, by chance {20 / (ITEMS - KEPT):.4f}, on {items.device}")
