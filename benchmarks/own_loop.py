"""What a sampler costs in a loop of one's own: a two-tower of two layers, batch 1,024.

    python benchmarks/own_loop.py
    python benchmarks/own_loop.py --rows 256 --items 20000 --samplers uniform,dns

Prints for each sampler the milliseconds of a step and the shares of it that go to drawing, guarding and selecting, to
all that the sampler itself does (``own``: these three, and reading and answering the batch), and to scoring candidates,
which is the work of the model. One thread; the first third of the steps does not count.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor, nn

import negatives
from negatives import Vectors, losses
from negatives.losses.base import Loss
from negatives.types import Negatives

OWN = ("draw", "guard", "select")


@dataclass(frozen=True, slots=True)
class Case:
    """A sampler and the loss that it is trained with."""

    label: str
    sampler: str
    loss: Loss


CASES = {
    "uniform": Case("uniform", "uniform", losses.BPR()),
    "dns": Case("dns", "dns", losses.BPR()),
    "softmax": Case("softmax", "softmax", losses.SampledSoftmax()),
    "auto": Case("auto", "auto", losses.BPR()),
    "auto-softmax": Case("auto, a softmax loss", "auto", losses.SampledSoftmax()),
}


class Tower(nn.Module):
    """An embedding and two layers."""

    def __init__(self, n: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(n, dim)
        self.layers = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors ``(..., d)`` of ids ``(...)``."""
        vectors: Tensor = self.layers(self.table(ids))
        return vectors


def scores(queries: Tensor, items: Tower, found: Negatives) -> Tensor:
    """``(rows, k)`` scores of the negatives, each distinct vector of a pool computed once."""
    if found.pool is not None:
        return queries @ items(found.pool).T
    return torch.einsum("rd,rkd->rk", queries, items(found.ids))


def measure(case: Case, args: argparse.Namespace) -> tuple[float, dict[str, float]]:
    """Seconds of a step, and of each stage of the sampler in it; ``own`` is its whole call without scoring."""
    random = torch.Generator().manual_seed(1)
    users = torch.randint(args.users, (args.users * 20,), generator=random)
    taken = (args.items * torch.rand(len(users), generator=random).square()).long()
    queries, items = Tower(args.users, args.dim), Tower(args.items, args.dim)
    optimiser = torch.optim.Adam([*queries.parameters(), *items.parameters()], lr=1e-3)
    sampler = negatives.sampler(
        case.sampler, (users, taken), n_queries=args.users, n_items=args.items, loss=case.loss, total_steps=args.steps
    )
    spent, called, before = 0.0, 0.0, dict(sampler.seconds)
    for step in range(args.steps):
        rows = torch.randint(len(users), (args.rows,), generator=random)
        if step == args.steps // 3:
            spent, called, before = 0.0, 0.0, dict(sampler.seconds)
        start = perf_counter()
        of, positive = queries(users[rows]), taken[rows]
        asked = perf_counter()
        found = sampler(users[rows], positive, Vectors(of, items), examples=rows)
        called += perf_counter() - asked
        loss = case.loss((of * items(positive)).sum(-1), scores(of, items, found), found)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        spent += perf_counter() - start
    counted = args.steps - args.steps // 3
    parts = {name: (sampler.seconds[name] - before[name]) / counted for name in before}
    return spent / counted, parts | {"own": called / counted - parts["score"]}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("rows", 1024), ("users", 20_000), ("items", 20_000), ("dim", 64), ("steps", 60)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--samplers", default=",".join(CASES))
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'sampler':22} {'ms a step':>9} {'draw':>8} {'guard':>8} {'select':>8} {'own':>8} {'scoring':>8}")
    for name in args.samplers.split(","):
        case = CASES[name]
        seconds, parts = measure(case, args)
        columns = [f"{parts[one] / seconds:>8.1%}" for one in (*OWN, "own", "score")]
        print(f"{case.label:22} {seconds * 1e3:>9.1f} {' '.join(columns)}")


if __name__ == "__main__":
    main()
