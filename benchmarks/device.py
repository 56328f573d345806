"""Draws, a softmax over a pool, and the share of a step that goes into choosing negatives, on a GPU.

    python benchmarks/device.py                  # on cuda; where there is none it says so, and ends with code 2
    python benchmarks/device.py --device cpu     # small, to see that everything runs
    python benchmarks/device.py --out DIR        # writes device.json there, too

Each figure is written as soon as it is taken, and a part that fails is told and does not end the others; the exit code
is then 1. On a GPU all three parts together take about a minute, most of it to compile the softmax.

Every figure is the median of turns after a warm-up, with the device waited for at the end of each turn. Beside draws
without known items stand ``torch.randint`` and ``torch.multinomial``, which exclude nothing; beside the softmax that
keeps no scores the one that does; beside a step with each sampler the same step with ``torch.randint``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import negatives
from negatives import kernels
from negatives.kernels.pool_softmax import pool_softmax
from negatives.losses import BPR, SampledSoftmax
from negatives.randomness import Purpose, generator, integers, stream
from negatives.scoring import Vectors
from negatives.types import Csr

KEY = stream(0, Purpose.CANDIDATES)
SAMPLERS = ("uniform", "dns", "softmax", "auto")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large everything is."""

    queries: int = 30_000
    items: int = 41_000
    known: int = 27
    rows: int = 8192
    draws: int = 32
    pool: int = 4096
    d: int = 128
    batches: tuple[int, ...] = (1024, 8192)
    turns: int = 20
    steps: int = 10


SMALL = Sizes(300, 500, 5, 64, 8, 128, 16, (32,), 3, 2)


@dataclass(frozen=True, slots=True)
class Bench:
    """A device, the sizes, and what has been measured so far.

    Args:
        device: Where everything runs.
        sizes: How large it is.
        found: Figures by name, in the order in which they were taken.
        out: File that they are written to, or None.
    """

    device: torch.device
    sizes: Sizes
    found: dict[str, float | str]
    out: Path | None = None

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], object], turns: int | None = None) -> float:
        """Median of the turns, after three that do not count."""
        taken = []
        for turn in range(-3, turns or self.sizes.turns):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            if turn >= 0:
                taken.append(time.perf_counter() - start)
        return statistics.median(taken)

    def peak(self, work: Callable[[], object]) -> float | None:
        """MiB that a piece of work holds at most beside what stood there before; None without a GPU."""
        if self.device.type != "cuda":
            return None
        self.wait()
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        work()
        self.wait()
        return (torch.cuda.max_memory_allocated(self.device) - before) / 2**20

    def say(self, name: str, value: float, unit: str, digits: int = 2) -> None:
        """Keep a figure and print it."""
        self.keep(f"{name} [{unit}]", value)
        print(f"{name:<58} {value:12,.{digits}f} {unit}", flush=True)

    def keep(self, name: str, value: float | str) -> None:
        """Keep a figure, in the file too: what has been measured stays if the machine goes."""
        self.found[name] = value
        if self.out is not None:
            self.out.write_text(json.dumps(self.found, indent=1) + "\n")


def known_items(sizes: Sizes) -> Csr:
    """The same number of items for every query, up to repeats."""
    owners = torch.arange(sizes.queries).repeat_interleave(sizes.known)
    items = integers(stream(0, Purpose.SPLIT), owners, torch.arange(len(owners)), sizes.items)
    return Csr.from_pairs(owners, items, sizes.queries, sizes.items)


def draws(bench: Bench) -> None:
    """Million draws a second, with and without known items."""
    sizes, device = bench.sizes, bench.device
    known, rows = known_items(sizes).to(device), torch.arange(sizes.rows, device=device)
    queries = rows % sizes.queries
    weights = (1.0 + torch.arange(sizes.items)).pow(-0.75)
    table, chances = kernels.build_alias(weights).to(device), weights.to(device)
    shape, k = (sizes.rows, sizes.draws), sizes.draws
    cases: dict[str, Callable[[], object]] = {
        "uniform": lambda: kernels.draw_uniform(rows, k, sizes.items, KEY),
        "uniform, known items left out": lambda: kernels.draw_uniform(
            rows, k, sizes.items, KEY, queries=queries, known=known
        ),
        "by weight": lambda: kernels.draw_alias(table, rows, k, KEY),
        "by weight, known items left out": lambda: kernels.draw_alias(
            table, rows, k, KEY, queries=queries, known=known
        ),
        "torch.randint": lambda: torch.randint(sizes.items, shape, device=device),
        "torch.multinomial": lambda: torch.multinomial(chances, sizes.rows * k, replacement=True),
    }
    for name, work in cases.items():
        bench.say(f"draws: {name}", sizes.rows * sizes.draws / bench.seconds(work) / 1e6, "million/s")


def softmax(bench: Bench, compiled: bool) -> None:
    """Forward and backward through a shared pool: time and peak memory."""
    sizes, random = bench.sizes, generator(3)
    shapes = (sizes.rows, sizes.d), (sizes.rows, sizes.d), (sizes.pool, sizes.d)
    vectors, good, pool = (torch.randn(shape, generator=random).to(bench.device).requires_grad_() for shape in shapes)
    bias = torch.randn(sizes.pool, generator=random).to(bench.device)
    ok = (torch.rand(sizes.rows, sizes.pool, generator=random) < 0.99).to(bench.device)

    def plain() -> None:
        logits = (vectors @ pool.T + bias).masked_fill(~ok, -torch.inf)
        softplus(logits.logsumexp(1) - (vectors * good).sum(1)).mean().backward()

    def kept(fused: bool) -> Callable[[], None]:
        def work() -> None:
            positive = (vectors * good).sum(1)
            pool_softmax(vectors, positive, pool, 1.0, bias, ok, compiled=fused).mean().backward()

        return work

    cases: dict[str, Callable[[], None]] = {"all scores kept (PyTorch)": plain, "no scores kept": kept(False)}
    if compiled:
        cases["no scores kept, compiled"] = kept(True)
    for name, work in cases.items():
        work()  # compiles, and makes the gradients' room
        bench.say(f"softmax over a pool: {name}", 1e3 * bench.seconds(work), "ms")
        if (most := bench.peak(work)) is not None:
            bench.say(f"softmax over a pool: {name}", most, "MiB at most")


def two_layers(n: int, d: int, device: torch.device) -> nn.Sequential:
    """A tower of two layers over an embedding."""
    layers = nn.Linear(d, 2 * d), nn.ReLU(), nn.Linear(2 * d, d)
    return nn.Sequential(nn.Embedding(n, d), *layers).to(device)


def share(bench: Bench, batch: int) -> None:
    """How much longer a step of one's own two towers is with a sampler than with ``torch.randint``."""
    sizes, device = bench.sizes, bench.device
    torch.manual_seed(0)
    queries, items = (two_layers(n, sizes.d, device) for n in (sizes.queries, sizes.items))
    optimiser = torch.optim.Adam([*queries.parameters(), *items.parameters()], lr=1e-3)
    known, rows = known_items(sizes).to(device), torch.arange(batch, device=device)
    users, positives = rows % sizes.queries, rows * 7 % sizes.items
    catalogue = negatives.types.Catalogue(
        sizes.queries, sizes.items, torch.ones(sizes.items, dtype=torch.int64, device=device), known
    )

    def step(choose: Callable[[Tensor], tuple[Tensor, negatives.types.Negatives | None]], pooled: bool) -> None:
        optimiser.zero_grad(set_to_none=True)
        vectors = queries(users)
        ids, found = choose(vectors)
        good, bad = items(positives), items(ids[0] if pooled else ids)
        scores = vectors @ bad.T if pooled else (vectors[:, None] * bad).sum(-1)
        positive = (vectors * good).sum(1)
        if found is None:
            every = torch.ones(1, 1, dtype=torch.bool, device=device).expand(scores.shape)
            found = negatives.types.Negatives(ids, torch.zeros_like(scores), every)
        loss = SampledSoftmax() if pooled else BPR()
        loss(positive, scores, found).backward()
        optimiser.step()

    def drawn(shape: tuple[int, int]) -> Callable[[Tensor], tuple[Tensor, None]]:
        return lambda vectors: (torch.randint(sizes.items, shape, device=device).expand(batch, -1), None)

    for name in SAMPLERS:
        loss = SampledSoftmax() if name in ("softmax", "auto") else BPR()
        sampler = negatives.sampler.build(name, loss=loss)
        sampler.bind(catalogue)

        def choose(vectors: Tensor) -> tuple[Tensor, negatives.types.Negatives]:
            found = sampler(users, positives, Vectors(vectors, items), progress=0.5)  # noqa: B023 (used in its turn)
            return found.ids, found

        one = choose(queries(users))[1]
        shape = (1 if one.pool is not None else batch, one.k)
        pooled = one.pool is not None
        mine = bench.seconds(lambda: step(choose, pooled), sizes.steps)  # noqa: B023 (used in its turn)
        usual = bench.seconds(lambda: step(drawn(shape), pooled), sizes.steps)  # noqa: B023 (used in its turn)
        bench.say(f"{batch:,} rows, a step with {name}", 1e3 * mine, "ms")
        bench.say(f"{batch:,} rows, {name} beside torch.randint", 100 * (1 - usual / mine), "% of it", 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, or cpu for a small run")
    parser.add_argument("--out", type=Path, help="folder for device.json")
    given = parser.parse_args()
    device = torch.device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("device.py: there is no CUDA device here; --device cpu runs the same program, small", file=sys.stderr)
        sys.exit(2)
    on_gpu = device.type == "cuda"
    named = torch.cuda.get_device_name(device) if on_gpu else "the CPU, small: these figures say nothing of a GPU"
    print(f"{named}; torch {torch.__version__}, negatives {negatives.__version__}")
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(device, Sizes() if on_gpu else SMALL, {}, given.out and given.out / "device.json")
    bench.keep("device", named)
    parts = {"draws": draws, "softmax": partial(softmax, compiled=on_gpu)}
    parts |= {f"share of {batch:,} rows": partial(share, batch=batch) for batch in bench.sizes.batches}
    failed = [name for name, part in parts.items() if not done(name, part, bench)]
    if failed:
        sys.exit(1)


def done(name: str, part: Callable[[Bench], None], bench: Bench) -> bool:
    """Whether a part came to its end; what went wrong is told, and kept."""
    start = time.perf_counter()
    try:
        part(bench)
    except Exception as error:  # the other parts still have something to say
        traceback.print_exc()
        bench.keep(f"{name} failed", f"{type(error).__name__}: {error}")
        return False
    print(f"{name}: {time.perf_counter() - start:.1f} s", flush=True)
    return True


if __name__ == "__main__":
    main()
