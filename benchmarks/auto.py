"""The sampler `auto` in a training loop of one's own, beside fixed ones: what it reaches, and what a step costs.

    python benchmarks/auto.py loop --data .../recommend/small/beauty           # matrix factorisation, BPR
    python benchmarks/auto.py loop --data ... --model tower --loss softmax     # two towers, sampled softmax
    python benchmarks/auto.py hidden --data ...      # part of the positives is hidden: planted false negatives
    python benchmarks/auto.py collapse --data ...    # hardest of 256 without brakes
    python benchmarks/auto.py ablation --data ...    # one part of `auto` left out, or put in, at a time

Without ``--data`` the offline dataset serves. All samplers get the same model, start, optimiser, batches and number
of steps; each is trained with every step size of ``--lr``, and the best on a part of the training pairs counts, which
is held back. ``loop --test`` then trains `auto` and the best fixed sampler again, on all pairs and for as many steps as
were best, and ranks the test part once. Seconds are those of the steps, without evaluation.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads of one library must not slow the other

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives import kernels, losses
from negatives.config import RunConfig
from negatives.control import Decision
from negatives.evaluation.ranking import rank
from negatives.randomness import generator
from negatives.runs.builder import task_of
from negatives.sampler import build
from negatives.types import Catalogue, Csr, shared_pool

DIM = 64
K = 20
Spec = str | Mapping[str, Any]
POOL: Mapping[str, Any] = {"name": "softmax", "pool": 256}
HARDEST: Mapping[str, Any] = {"name": "dns", "candidates": 256}


@dataclass(frozen=True, slots=True)
class Data:
    """Pairs to train on and to rank for.

    Args:
        users: ``(n,)`` int64.
        items: ``(n,)`` int64.
        catalogue: What the sampler may know.
        truth: Right answers per user of the part that is ranked.
        seen: Items left out of the ranking, per user.
        canaries: Hidden positives per user, and their share of all.
    """

    users: Tensor
    items: Tensor
    catalogue: Catalogue
    truth: Csr
    seen: Csr
    canaries: tuple[Csr, float]


def load(path: Path | None, held: float | None) -> Data:
    """The pairs of a file or folder, divided as ``negatives train recommend`` does; the offline data for None.

    Args:
        path: Of the data.
        held: Share of the training pairs that is held back and ranked for; None for the test part.
    """
    part = "test" if held is None else "valid"
    asked = {"kind": "auto", "valid": held}
    config = RunConfig(task="recommend", data=None if path is None else str(path), split=asked)
    task = task_of(config)
    examples = task.load(path, config)
    data = examples.data
    seen = ("train",) if part == "valid" else ("train", "valid", "canaries")
    return Data(
        examples.feed.queries,
        examples.feed.items,
        examples.catalogue,
        data.known((part,)),
        data.known(seen),
        (examples.canaries, examples.canary_share),
    )


class Factors(nn.Module):
    """Matrix factorisation: the inner product of two free vectors."""

    def __init__(self, n_users: int, n_items: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(n_users, DIM), nn.Embedding(n_items, DIM)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=0.1)

    def encode_queries(self, users: Tensor) -> Tensor:
        """``(rows, d)``."""
        return self.users(users)  # type: ignore[no-any-return]

    def encode_items(self, items: Tensor) -> Tensor:
        """``(..., d)``."""
        return self.items(items)  # type: ignore[no-any-return]

    def score(self, users: Tensor, items: Tensor) -> Tensor:
        """``(rows,)`` of pairs or ``(rows, k)`` of candidates; a pool that the batch shares is one product."""
        vectors, pool = self.encode_queries(users), shared_pool(items)
        if pool is not None:
            return vectors @ self.encode_items(pool).T
        others = self.encode_items(items)
        return (vectors * others).sum(1) if items.dim() == 1 else torch.einsum("rd,rkd->rk", vectors, others)


class Towers(Factors):
    """Two towers: a small network over each side's vectors, compared by their cosine over a temperature."""

    def __init__(self, n_users: int, n_items: int) -> None:
        super().__init__(n_users, n_items)
        self.user_net = nn.Sequential(nn.Linear(DIM, DIM), nn.ReLU(), nn.Linear(DIM, DIM))
        self.item_net = nn.Sequential(nn.Linear(DIM, DIM), nn.ReLU(), nn.Linear(DIM, DIM))

    def encode_queries(self, users: Tensor) -> Tensor:
        """``(rows, d)`` of length ``1 / T``."""
        vectors = self.users(users)
        return functional.normalize(vectors + self.user_net(vectors), dim=-1) / 0.15

    def encode_items(self, items: Tensor) -> Tensor:
        """``(..., d)`` of length 1."""
        vectors = self.items(items)
        return functional.normalize(vectors + self.item_net(vectors), dim=-1)


MODELS: Mapping[str, Callable[[int, int], Factors]] = {"mf": Factors, "tower": Towers}
LOSSES: Mapping[str, losses.Loss] = {"bpr": losses.BPR(), "softmax": losses.SampledSoftmax()}


@dataclass(frozen=True, slots=True)
class Setting:
    """What all samplers share.

    Args:
        model: Name among :data:`MODELS`.
        loss: Name among :data:`LOSSES`.
        steps: Steps of training.
        batch: Rows of a step.
        decay: Weight of the squared lengths of a batch's vectors in the loss.
        seed: Of start, order and draws.
    """

    model: str = "mf"
    loss: str = "bpr"
    steps: int = 1000
    batch: int = 2048
    decay: float = 1e-4
    seed: int = 0


@dataclass(slots=True)
class Run:
    """One training: its step size, levels of recall by step, and seconds a step."""

    lr: float
    levels: list[float] = field(default_factory=list)
    seconds: float = 0.0
    decisions: list[Decision] = field(default_factory=list)

    @property
    def best(self) -> float:
        """Highest level."""
        return max(self.levels)


def quality(model: Factors, data: Data) -> float:
    """Mean recall@20 over the users that have a right answer."""
    with torch.no_grad():
        users = model.encode_queries(torch.arange(data.catalogue.n_queries))
        items = model.encode_items(torch.arange(data.catalogue.n_items))
    asked = data.truth.lengths().nonzero()[:, 0]
    ranking = rank(users, items, queries=asked, truth=data.truth, exclude=data.seen, k=K)
    return float((ranking.hits.sum(1) / ranking.n_truth.clamp(max=K)).mean())


def train(data: Data, spec: Spec, setting: Setting, lr: float, points: int = 8, canaries: bool = False) -> Run:
    """Train one model with one sampler, in a loop that knows nothing of the library but sampler and loss."""
    torch.manual_seed(setting.seed)
    model = MODELS[setting.model](data.catalogue.n_queries, data.catalogue.n_items)
    optimiser, loss_of, run = torch.optim.Adam(model.parameters(), lr=lr), LOSSES[setting.loss], Run(lr)
    sampler = build(spec, setting.seed, LOSSES[setting.loss])
    sampler.bind(data.catalogue)
    if canaries:
        sampler.canaries, sampler.canary_share = data.canaries
    order, at, epoch = torch.randperm(len(data.users), generator=generator(setting.seed)), 0, 0
    size = min(setting.batch, len(order))
    for step in range(setting.steps):
        if at + size > len(order):
            epoch, at = epoch + 1, 0
            order = torch.randperm(len(order), generator=generator(setting.seed + epoch))
        rows, at = order[at : at + size], at + size
        start = time.perf_counter()
        users, items = data.users[rows], data.items[rows]
        neg = sampler(users, items, model, examples=rows, epoch=epoch)
        user, item, pool = model.encode_queries(users), model.encode_items(items), neg.pool
        others = model.encode_items(neg.ids if pool is None else pool)
        scores = torch.einsum("rd,rkd->rk", user, others) if pool is None else user @ others.T
        loss = loss_of((user * item).sum(1), scores, neg)
        loss = loss + setting.decay * (user.square().sum() + item.square().sum()) / size
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        run.seconds += (time.perf_counter() - start) / setting.steps
        if (step + 1) % max(1, setting.steps // points) == 0:
            run.levels.append(quality(model, data))
    run.decisions = sampler.decisions()
    return run


def best(data: Data, spec: Spec, setting: Setting, given: argparse.Namespace, canaries: bool = False) -> list[Run]:
    """The runs of all seeds at the step size whose mean level is best."""
    found = []
    for lr in given.lr:
        runs = [
            train(data, spec, replace(setting, seed=seed), lr, given.points, canaries) for seed in range(given.seeds)
        ]
        found.append((statistics.fmean(run.best for run in runs), lr, runs))
    level, lr, runs = max(found, key=lambda one: one[0])
    last = statistics.fmean(run.levels[-1] for run in runs)
    spread = statistics.stdev(run.best for run in runs) if len(runs) > 1 else 0.0
    milliseconds = 1e3 * statistics.fmean(run.seconds for run in runs)
    name = spec if isinstance(spec, str) else ", ".join(f"{key} {value}" for key, value in spec.items())
    print(
        f"{name[:70]:<70} best {level:.4f} ({spread:.4f})  last {last:.4f}  lr {lr:g}  {milliseconds:.1f} ms",
        flush=True,
    )
    return runs


def loop(given: argparse.Namespace, setting: Setting) -> None:
    """`auto` beside the fixed samplers that fit the loss; levels and seconds a step."""
    data = load(given.data, given.held)
    fixed = given.samplers.split(",") if given.samplers else FIXED[setting.loss]
    found = {str(spec): best(data, spec, setting, given) for spec in (*fixed, "auto")}
    levels = {name: statistics.fmean(run.best for run in runs) for name, runs in found.items()}
    seconds = {name: statistics.fmean(run.seconds for run in runs) for name, runs in found.items()}
    auto = levels.pop("auto")
    name = max(levels, key=lambda one: levels[one])
    beside = next(one for one in ("dns", "softmax", name) if one in seconds)
    times = seconds["auto"] / seconds[beside]
    print(f"auto / best fixed ({name}): {auto / levels[name]:.3f}; its step takes {times:.2f} x that of {beside}")
    for one in found["auto"][0].decisions:
        print(f"  {one.by}: {one.seen} -> {one.changed}")
    if given.test:
        del data
        whole = load(given.data, None)
        for one in (name, "auto"):
            tested(whole, one, setting, found[one], given)


def tested(data: Data, spec: Spec, setting: Setting, runs: Sequence[Run], given: argparse.Namespace) -> None:
    """Train on all pairs for as many steps as were best, and rank the test part once."""
    means = [statistics.fmean(levels) for levels in zip(*(run.levels for run in runs), strict=True)]
    steps = (means.index(max(means)) + 1) * max(1, setting.steps // given.points)
    for seed in range(given.seeds):
        run = train(data, spec, replace(setting, seed=seed, steps=steps), runs[0].lr, points=1)
        print(f"{spec}, seed {seed}: test {run.levels[-1]:.4f} after {steps} steps", flush=True)


def hidden(given: argparse.Namespace, setting: Setting) -> None:
    """A share of the positives is hidden from training, and ranked for besides: what hard draws lose, `auto` wins back.

    What is lost is measured against the better of hard and uniform draws that are told of the hidden positives.
    """
    whole = load(given.data, given.held)
    for share in given.hide:
        gone = torch.rand(len(whole.users), generator=generator(99)) < share
        known = Csr.from_pairs(whole.users[~gone], whole.items[~gone], *sizes(whole))
        counts = torch.bincount(whole.items[~gone], minlength=whole.catalogue.n_items)
        users, items = whole.users[~gone], whole.items[~gone]
        data = replace(whole, users=users, items=items, catalogue=replace(whole.catalogue, counts=counts, known=known))
        told = replace(data, catalogue=replace(data.catalogue, known=whole.catalogue.known))
        print(f"{share:.0%} of the positives hidden")
        known_best = max(last(told, spec, setting, given) for spec in ("uniform", HARDEST))
        low, auto = (last(data, spec, setting, given) for spec in (HARDEST, "auto"))
        lost = known_best - low
        print(
            f"hard draws lose {lost:+.4f}; auto wins back {auto - low:+.4f}, {(auto - low) / max(lost, 1e-9):.0%} of it"
        )


def last(data: Data, spec: Spec, setting: Setting, given: argparse.Namespace) -> float:
    """Mean last level."""
    return statistics.fmean(run.levels[-1] for run in best(data, spec, setting, given))


def collapse(given: argparse.Namespace, setting: Setting) -> None:
    """Hardest of 256 without brakes, uniform, and `auto`: the best level and the last."""
    data = load(given.data, given.held)
    for spec in ("uniform", HARDEST, "auto"):
        best(data, spec, setting, given)


def ablation(given: argparse.Namespace, setting: Setting) -> None:
    """`auto` with one part left out, or put in, at a time."""
    data = load(given.data, given.held)
    print(f"{given.data or 'offline data'}: {sizes(data)} users and items, {len(data.users)} pairs")
    for spec in ("auto", *LEFT_OUT[setting.loss]):
        best(data, spec, setting, given)


def sizes(data: Data) -> tuple[int, int]:
    """Numbers of users and of items."""
    return data.catalogue.n_queries, data.catalogue.n_items


FIXED: Mapping[str, Sequence[Spec]] = {
    "bpr": ("uniform", "dns", "dns_mn", "sir", "softmax", "popularity", "self_adversarial"),
    "softmax": ("softmax", "mixed", "popularity", "sir"),
}
EASY_FIRST: Mapping[str, Any] = {
    "competence": "violation_rate",
    "start": 0.5,
    "stop": 1.0,
    "mastered": 0.5,
    "lost": 0.9,
    "levels": 4,
    "patience": 1,
}
LEFT_OUT: Mapping[str, Sequence[Spec]] = {
    "bpr": (
        {"name": "auto", "select": {"hardness": EASY_FIRST}},
        {"name": "auto", "select": {"any": 0.05}},
        {"name": "auto", "select": {"any": 1e-6}},
        {"name": "auto", "select": {"n_items": 1_000_000_000}},
        "uniform",
    ),
    "softmax": (
        {"name": "auto", "proposal": {"name": "popularity", "alpha": 1.0}},
        {"name": "auto", "proposal": {"name": "popularity", "alpha": 0.75, "smoothing": 1.0}},
        {"name": "auto", "proposal": {"name": "mixed", "parts": ["uniform", "in_batch"]}},
        {"name": "auto", "proposal": "in_batch"},
        {"name": "auto", "proposal": "uniform"},
    ),
}
"""For BPR: easy first; any item more often; the hardest alone; hard whatever the size of the catalogue; none of it.
For the softmax: by count itself; items without a positive too; half uniform and half other rows' positives; these
alone; uniform alone."""
COMMANDS = {"loop": loop, "hidden": hidden, "collapse": collapse, "ablation": ablation}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--data", type=Path, help="file or folder of pairs; the offline dataset where left out")
    parser.add_argument("--model", choices=MODELS, default="mf")
    parser.add_argument("--loss", choices=LOSSES, default="bpr")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--decay", type=float, default=1e-4, help="weight of squared lengths in the loss")
    parser.add_argument("--lr", type=float, nargs="+", default=[0.003])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--points", type=int, default=8, help="evaluations of a run")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--samplers", help="fixed ones of `loop`, separated by commas")
    parser.add_argument("--hide", type=float, nargs="+", default=[0.1, 0.3], help="shares of `hidden`")
    parser.add_argument("--held", type=float, default=0.2, help="share of the training pairs to choose by")
    parser.add_argument("--test", action="store_true", help="at the end of `loop`, the test part")
    given = parser.parse_args()
    kernels.set_threads(given.threads)
    torch.set_num_threads(given.threads)
    setting = Setting(given.model, given.loss, given.steps, given.batch, given.decay)
    COMMANDS[given.command](given, setting)


if __name__ == "__main__":
    main()
