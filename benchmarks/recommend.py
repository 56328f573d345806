"""Training rates beside implicit and LightFM, and what a step costs beside its matrix products, in one run.

    pip install implicit lightfm-next                                # optional: the libraries to compare with
    OMP_WAIT_POLICY=PASSIVE python benchmarks/recommend.py --data .../recommend/gowalla
    python benchmarks/recommend.py                                   # synthetic data of the size of Gowalla
    python benchmarks/recommend.py --quick                           # small, to see that everything runs

All parties get the same pairs, the same dimension and the same number of threads. What is compared runs in turn,
A B A B, and each figure is the median of its runs, so that other work on the machine hits both alike.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads of one library must not slow the other

import polars
import torch
from torch import Tensor

from negatives import kernels
from negatives.config import RunConfig
from negatives.proposals import Popularity, Uniform
from negatives.proposals.base import Proposal
from negatives.randomness import Purpose, generator, stream
from negatives.runs.builder import Trained, fill, prepare, task_of
from negatives.tasks.base import Examples
from negatives.types import Context

DIM = 64
SGD = {"name": "sgd", "lr": 0.05, "weight_decay": 0.01}
ASYNC = SGD | {"name": "async_sgd"}
ASYNC_BATCH = 65_536
"""Asynchronous steps do not wait for one another, so a batch may be large."""
BATCH = 8192
KEY = stream(0, Purpose.CANDIDATES)


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table; ``value`` must be at least ``target``, or at most if ``most``."""

    name: str
    figures: str
    value: float
    target: float
    most: bool = False

    def line(self) -> str:
        met = self.value <= self.target if self.most else self.value >= self.target
        sign = "<=" if self.most else ">="
        verdict = "met" if met else "MISSED"
        return f"{self.name:<46} {self.figures:<46} {self.value:>8.2f}  {sign} {self.target:<6g} {verdict}"


def synthetic(folder: Path, n_users: int, n_items: int, n_pairs: int) -> Path:
    """A file of users of equal taste over items whose popularity falls as a power of their rank."""
    weights = 1.0 / torch.arange(1, n_items + 1, dtype=torch.float64) ** 0.8
    each = round(n_pairs * 1.04 / n_users)  # some are drawn twice
    items = kernels.draw_alias(kernels.build_alias(weights), torch.arange(n_users), each, KEY).reshape(-1)
    users = torch.arange(n_users).repeat_interleave(each)
    path = folder / "synthetic.parquet"
    polars.DataFrame({"user": users.numpy(), "item": items.numpy()}).unique().write_parquet(path)
    return path


def load(path: Path | None, quick: bool) -> Examples:
    """The training pairs of ``path``, or synthetic ones where it is absent."""
    if path is not None and not path.exists():
        print(f"{path} is absent; synthetic data of the size of Gowalla instead")
    with tempfile.TemporaryDirectory() as folder:
        if path is None or not path.exists():
            sizes = (3_000, 4_100, 81_000) if quick else (30_000, 41_000, 810_000)
            path = synthetic(Path(folder), *sizes)
        config = RunConfig(task="recommend", data=str(path))
        return task_of(config).load(path, config)


def training(examples: Examples, recipe: str, sampler: Any, threads: int, **changed: Any) -> Trained:
    """The product's own loop on a recipe, without evaluation."""
    asked = {"task": "recommend", "recipe": recipe, "sampler": sampler, "threads": threads, "epochs": 1} | changed
    config = RunConfig(**asked)
    task = task_of(config)
    trained = prepare(fill(config, task, examples), examples, task)
    trained.loop.evaluate = lambda: {trained.loop.plan.watch: -float("inf")}
    return trained


def epoch(trained: Trained) -> float:
    """Seconds of one pass through the loop."""
    trained.loop.steps, trained.loop.seconds = 0, 0.0
    start = time.perf_counter()
    trained.loop.run()
    return time.perf_counter() - start


def medians(runs: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Median seconds of each, run in turn after one uncounted round."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            took = run()
            if turn:
                seconds[name].append(took)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def timed(call: Callable[[], object], times: int = 1) -> Callable[[], float]:
    """Seconds of one of ``times`` calls."""

    def run() -> float:
        start = time.perf_counter()
        for _ in range(times):
            call()
        return (time.perf_counter() - start) / times

    return run


def implicit_epoch(examples: Examples, threads: int) -> Callable[[], float] | None:
    """One pass of implicit's BPR over all pairs; None where it is not installed."""
    try:
        from implicit.cpu.bpr import BayesianPersonalizedRanking
        from scipy.sparse import csr_matrix
    except ImportError:
        print("implicit is not installed; left out (pip install implicit)")
        return None
    pairs = examples.feed.queries.numpy(), examples.feed.items.numpy()
    shape = examples.catalogue.n_queries, examples.catalogue.n_items
    matrix = csr_matrix((torch.ones(len(pairs[0])).numpy(), pairs), shape=shape)

    def run() -> float:
        model = BayesianPersonalizedRanking(
            factors=DIM, learning_rate=0.05, regularization=0.01, iterations=3, num_threads=threads, random_state=1
        )
        taken: list[float] = []
        model.fit(matrix, show_progress=False, callback=lambda number, seconds, *rest: taken.append(seconds))
        return statistics.median(taken)

    return run


def lightfm_epoch(examples: Examples, threads: int) -> Callable[[], float] | None:
    """One more pass of LightFM's WARP; the first, which is slower, is not counted. None where it is not installed."""
    try:
        import lightfm
        from scipy.sparse import coo_matrix
    except ImportError:
        print("LightFM is not installed; left out (pip install lightfm-next)")
        return None
    pairs = examples.feed.queries.int().numpy(), examples.feed.items.int().numpy()
    shape = examples.catalogue.n_queries, examples.catalogue.n_items
    matrix = coo_matrix((torch.ones(len(pairs[0])).numpy(), pairs), shape=shape)
    model = lightfm.LightFM(no_components=DIM, loss="warp", learning_rate=0.05, random_state=1)
    return timed(lambda: model.fit_partial(matrix, epochs=1, num_threads=threads))


def rates(examples: Examples, threads: int, repeats: int) -> list[Result]:
    """Positives per second beside the peers."""
    n = examples.feed.queries.numel() / 1e6
    hardest = {"name": "dns", "candidates": 16}
    asked = [
        ("uniform BPR beside implicit's", "uniform", implicit_epoch(examples, threads)),
        ("hardest of 16 beside LightFM's WARP", hardest, lightfm_epoch(examples, threads)),
    ]
    found = []
    for name, sampler, theirs in asked:
        trained = training(examples, "pairwise", sampler, threads, loss="bpr", optimiser=ASYNC, batch_size=ASYNC_BATCH)
        runs = {"ours": lambda trained=trained: epoch(trained)}
        if theirs is not None:
            runs["theirs"] = theirs
        took = medians(runs, repeats)
        figures = f"{n / took['ours']:.2f} M positives/s"
        if theirs is None:
            print(f"{name:<46} {figures}, nothing to compare with")
            continue
        figures += f", theirs {n / took['theirs']:.2f}"
        found.append(Result(name, figures, took["theirs"] / took["ours"], 1.0))
    return found


def batch(examples: Examples, rows: int, step: int = 0) -> Context:
    """A random batch of training pairs."""
    at = torch.randint(0, examples.feed.queries.numel(), (rows,), generator=generator(step))
    return Context(examples.feed.queries[at], examples.feed.items[at], at, step=step)


def products(trained: Trained, context: Context, half: bool) -> Callable[[], object]:
    """The three matrix products of a step over a shared pool, alone."""
    users, pool = trained.model.query_table.data[context.queries], trained.model.item_table.data[:2048]
    grad = torch.randn(context.rows, len(pool), generator=generator(1))
    if half:
        users, pool, grad = users.bfloat16(), pool.bfloat16(), grad.bfloat16()

    def run() -> tuple[Tensor, Tensor, Tensor]:
        return users @ pool.T, grad @ pool, grad.T @ users

    return run


def pool_steps(examples: Examples, threads: int, repeats: int) -> list[Result]:
    """A whole step (draw, guard, forward, loss, backward, update) beside its matrix products alone."""
    context, found = batch(examples, BATCH), []
    for similarity in ("dot", "cosine"):
        for precision in ("float32", "bfloat16"):
            model = {"name": "mf", "dim": DIM, "similarity": similarity}
            trained = training(examples, "listwise", "softmax", threads, model=model, precision=precision)
            step = timed(lambda trained=trained: trained.loop.engine.step(context, 0.01), 3)
            alone = timed(products(trained, context, precision == "bfloat16"), 3)
            took = medians({"step": step, "products": alone}, 2 * repeats)
            figures = f"{took['step'] * 1e3:.0f} ms, products {took['products'] * 1e3:.0f} ms"
            name = f"softmax step / products, {similarity}, {precision}"
            found.append(Result(name, figures, took["step"] / took["products"], 2.0, most=True))
    return found


def draws(examples: Examples, repeats: int) -> list[Result]:
    """Draws that exclude the query's known items, on one thread."""
    catalogue, context, k = examples.catalogue, batch(examples, BATCH), 32
    assert catalogue.known is not None
    known = catalogue.known
    kernels.set_threads(1)
    torch.set_num_threads(1)
    proposals: dict[str, Proposal] = {"uniform": Uniform(), "popularity": Popularity(alpha=0.75)}
    calls: dict[str, Callable[[], object]] = {
        "draw_uniform": lambda: kernels.draw_uniform(
            context.examples, k, catalogue.n_items, KEY, queries=context.queries, known=known
        )
    }
    for name, proposal in proposals.items():
        proposal.bind(catalogue)
        calls[f"Proposal.draw, {name}, with log_q"] = lambda proposal=proposal: proposal.draw(context, k, KEY, known)
    took = medians({name: timed(call, 5) for name, call in calls.items()}, 3 * repeats)
    size = BATCH * k / 1e6
    return [Result(f"{name} (one thread)", "M/s", size / seconds, 20.0) for name, seconds in took.items()]


def shares(examples: Examples, threads: int) -> list[Result]:
    """Share of draw, guard and select in the steps of one epoch."""
    asked: list[tuple[str, Any]] = [("pairwise", name) for name in ("uniform", "dns", "sir")]
    found = []
    for recipe, sampler in [*asked, ("listwise", "softmax"), ("default", "softmax")]:
        trained = training(examples, recipe, sampler, threads)
        epoch(trained)
        before = dict(trained.sampler.seconds)
        seconds = epoch(trained)
        spent = {part: trained.sampler.seconds[part] - before[part] for part in before}
        sampling = spent["draw"] + spent["guard"] + spent["select"]
        parts = " ".join(f"{part} {taken / seconds:.0%}" for part, taken in spent.items())
        model = str(trained.config.model)
        found.append(Result(f"sampling share %, {sampler} with {model}", parts, 100 * sampling / seconds, 25.0, True))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="file or folder of pairs; synthetic where left out or absent")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small data and few runs")
    parser.add_argument("--only", default="rates,steps,draws,shares", help="parts to run, by comma")
    given = parser.parse_args()
    kernels.set_threads(given.threads)
    torch.set_num_threads(given.threads)
    repeats = 1 if given.quick else given.repeats
    examples = load(given.data, given.quick)
    sizes = examples.catalogue
    print(f"{examples.name}: {sizes.n_queries} users, {sizes.n_items} items, {examples.feed.queries.numel()} pairs")
    print(f"{given.threads} threads on {os.cpu_count()} processors, d={DIM}, load average {os.getloadavg()[0]:.1f}")
    parts: dict[str, Callable[[], list[Result]]] = {
        "rates": lambda: rates(examples, given.threads, repeats),
        "steps": lambda: pool_steps(examples, given.threads, repeats),
        "draws": lambda: draws(examples, repeats),
        "shares": lambda: shares(examples, given.threads),
    }
    for part in given.only.split(","):
        for result in parts[part]():
            print(result.line(), flush=True)
    print(f"load average at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
