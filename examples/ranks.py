"""In-batch negatives over the batches of all ranks, in a DistributedDataParallel loop of one's own.

torchrun --nproc-per-node 2 examples/ranks.py      (with python in its place: one process)
"""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from negatives import Csr, KnownPositives, Sampler
from negatives.integrations.distributed import GatheredBatch, gather_ranks, joined_mean
from negatives.losses import SampledSoftmax

QUERIES, ITEMS, DIM, BATCH, EPOCHS = 2_000, 500, 16, 200, 15

if "RANK" in os.environ:
    dist.init_process_group("gloo")
rank, ranks = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


class Towers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.item = nn.Linear(DIM, 32), nn.Linear(DIM, 32)

    def forward(self, queries: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        return self.query(queries), self.item(items)


torch.manual_seed(0)  # the same data, order and first weights on all ranks
answers, items = torch.randint(ITEMS, (QUERIES,)), torch.randn(ITEMS, DIM)
queries = items[answers] @ torch.randn(DIM, DIM) / DIM**0.5 + 0.3 * torch.randn(QUERIES, DIM)
known = Csr.from_pairs(torch.arange(QUERIES), answers, QUERIES, ITEMS)
towers = Towers()
model = DistributedDataParallel(towers) if ranks > 1 else towers
optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
batches = GatheredBatch(counts=torch.bincount(answers, minlength=ITEMS))
sampler = Sampler(batches, pool=BATCH, guards=[KnownPositives(known)])

for epoch in range(EPOCHS):
    for batch in torch.randperm(QUERIES).split(BATCH):
        mine = batch.tensor_split(ranks)[rank]  # ranks may have different numbers of rows
        found, right = model(queries[mine], items[answers[mine]])
        negatives = sampler(mine, answers[mine], epoch=epoch)
        everyone, _ = gather_ranks(right, answers[mine])
        loss = joined_mean(SampledSoftmax().rows((found * right).sum(1), found @ everyone.T, negatives))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
best = (towers.query(queries) @ towers.item(items).T).argmax(1)
if rank == 0:
    print(f"ranks {ranks}, right at the first place {(best == answers).double().mean():.4f}")
if ranks > 1:
    dist.destroy_process_group()
