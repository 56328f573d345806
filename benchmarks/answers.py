"""From a trained model to answers: the best items of many users and of one, and how long a run takes to load.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/answers.py           # 10,000 users and 1,000,000 items of 64 dimensions
    OMP_WAIT_POLICY=PASSIVE python benchmarks/answers.py many one load --quick      # small, to see that it runs
    python benchmarks/answers.py load --run runs/shop

Beside ``kernels.best`` stand FAISS's flat index and ``recommend`` of implicit, where they are installed, with the same
vectors and the same number of threads; beside one query stands reading its table once (``torch.sum``). All take turns,
so that other work on the machine hits them alike: a figure is a median over turns, a ratio the median of the turns'
ratios. ``--processor`` counts the time of all threads on the processor, for a machine that others use as well. ``load``
starts processes that import torch and then load a run, and tells the two times apart.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from negatives import kernels
from negatives.randomness import generator

Contestant = Callable[[Tensor], Tensor]
"""Takes queries ``(n, d)`` and gives ids ``(n, k)``."""
OURS, READING = "kernels.best", "torch.sum of the table"
LOADS = """
import json, sys, time
clock = getattr(time, sys.argv[2])
start = clock()
import torch
middle = clock()
import negatives
negatives.load(sys.argv[1])
print(json.dumps([middle - start, clock() - middle]))
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is asked."""

    users: int
    items: int
    dim: int
    k: int
    block: int
    """Users of one turn."""
    alone: int
    """Turns of one query."""


FULL, QUICK = Sizes(10_000, 1_000_000, 64, 100, 1_000, 100), Sizes(200, 20_000, 64, 100, 100, 5)


def contestants(items: Tensor, k: int, threads: int) -> dict[str, Contestant]:
    """All that are installed, by name; each has the items already."""
    kernels.set_threads(threads)
    torch.set_num_threads(threads)
    found: dict[str, Contestant] = {OURS: lambda queries: kernels.best(queries, items, k)[0]}
    for name, make in (("FAISS IndexFlatIP", faiss_flat), ("implicit recommend", implicit_recommend)):
        try:
            found[name] = make(items, k, threads)
        except ImportError as error:
            print(f"{name} is left out: {error}")
    return found


def faiss_flat(items: Tensor, k: int, threads: int) -> Contestant:
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(items.shape[1])
    index.add(items.numpy())
    return lambda queries: torch.from_numpy(index.search(queries.numpy(), k)[1])


def implicit_recommend(items: Tensor, k: int, threads: int) -> Contestant:
    """Its threads split the users; as its documentation advises, those of BLAS are switched off."""
    limits = importlib.import_module("threadpoolctl").threadpool_limits
    with limits(1, "blas"):
        model = importlib.import_module("implicit.cpu.als").AlternatingLeastSquares(num_threads=threads)
    model.item_factors = items.numpy()

    def ask(queries: Tensor) -> Tensor:
        model.user_factors = queries.numpy()
        users = np.arange(len(queries))
        with limits(1, "blas"):
            return torch.from_numpy(model.recommend(users, None, N=k, filter_already_liked_items=False)[0])

    return ask


def turns(calls: dict[str, list[Callable[[], object]]], clock: Callable[[], float]) -> dict[str, list[float]]:
    """Seconds of each call, after one of each that is not counted; in every other turn the order is reversed."""
    for some in calls.values():
        some[0]()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(len(calls[OURS])):
        for name in list(calls)[:: -1 if turn % 2 else 1]:
            start = clock()
            calls[name][turn]()
            taken[name].append(clock() - start)
    return taken


def table(taken: dict[str, list[float]], beside: str, unit: str, scale: float) -> dict[str, float]:
    """Print the medians, and the ratio of ours to each; give the ratios."""
    ratios = {
        name: statistics.median(own / other for own, other in zip(taken[OURS], some, strict=True))
        for name, some in taken.items()
    }
    for name, some in taken.items():
        low, middle = min(some) * scale, statistics.median(some) * scale
        print(f"  {name:<28} median {middle:9.2f} {unit}, fastest {low:9.2f}, ours is {ratios[name]:6.3f} of it")
    if beside in ratios:
        print(f"  beside {beside}: {ratios[beside]:.3f}")
    return ratios


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def vectors(sizes: Sizes) -> tuple[Tensor, Tensor]:
    random = generator(0)
    users = torch.randn(sizes.users, sizes.dim, generator=random)
    return users, torch.randn(sizes.items, sizes.dim, generator=random)


def many(sizes: Sizes, threads: int, clock: Callable[[], float]) -> None:
    """Blocks of users, one a turn; and whether all give the same items."""
    users, items = vectors(sizes)
    print(f"{sizes.users:,} users, {sizes.items:,} items, d={sizes.dim}, k={sizes.k}, {threads} threads; per block:")
    asked = contestants(items, sizes.k, threads)
    blocks = torch.split(users, sizes.block)
    answers = {name: ask(blocks[0]).sort(1).values for name, ask in asked.items()}
    for name, answer in answers.items():
        same = float((answer == answers[OURS]).double().mean())
        print(f"  {name:<28} gives the same items in {same:.4%} of the places")
    calls: dict[str, list[Callable[[], object]]] = {
        name: [partial(ask, block) for block in blocks] for name, ask in asked.items()
    }
    taken = turns(calls, clock)
    ratios = table(taken, "", "s", 1.0)
    for name, some in taken.items():
        print(f"  {name:<28} all {sizes.users:,} users {sum(some):9.2f} s")
    if "FAISS IndexFlatIP" in ratios:
        ratio = ratios["FAISS IndexFlatIP"]
        print(f"not slower than FAISS's flat index: {ratio:.3f} of its time, target <= 1: {verdict(ratio <= 1)}")


def one(sizes: Sizes, threads: int, clock: Callable[[], float]) -> None:
    """One query a turn."""
    users, items = vectors(sizes)
    print(f"one user, {sizes.items:,} items, d={sizes.dim}, k={sizes.k}, {threads} threads:")
    asked = contestants(items, sizes.k, threads)
    queries = [users[i % sizes.users][None] for i in range(sizes.alone)]
    calls: dict[str, list[Callable[[], object]]] = {
        name: [partial(ask, query) for query in queries] for name, ask in asked.items()
    }
    calls[READING] = [lambda: items.sum()] * len(queries)
    ratio = table(turns(calls, clock), READING, "ms", 1e3)[READING]
    print(f"one query: {ratio:.3f} of reading its table once, target <= 1.5: {verdict(ratio <= 1.5)}")


def trained(folder: Path, sizes: Sizes) -> Path:
    """A run over all items, hardly trained."""
    random, pairs = generator(1), 2 * sizes.items
    users = torch.randint(0, sizes.alone, (pairs,), generator=random)  # few users, which are soon evaluated
    items = torch.arange(pairs) % sizes.items
    data = folder / "pairs.csv"
    np.savetxt(data, torch.stack([users, items], 1).numpy(), fmt="%d", delimiter=",", header="user,item", comments="")
    words = ["train", "recommend", str(data), "--max-seconds", "5", "--baselines", "none", "--out", str(folder / "run")]
    subprocess.run([sys.executable, "-m", "negatives", *words], check=True, stdout=subprocess.DEVNULL)
    return folder / "run"


def loading(run: Path, repeats: int, clock: Callable[[], float]) -> None:
    """``negatives.load`` beside ``import torch``, each time in a new process; the first one is not counted."""
    taken = []
    for _ in range(repeats + 1):
        command = [sys.executable, "-c", LOADS, str(run), clock.__name__]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        taken.append(json.loads(done.stdout.splitlines()[-1]))
    torch_seconds, ours = (statistics.median(some) for some in zip(*taken[1:], strict=True))
    size = sum(path.stat().st_size for path in run.glob("*.safetensors")) / 2**20
    print(f"loading {size:.0f} MiB of weights: {ours:.2f} s beside {torch_seconds:.2f} s of importing torch")
    print(f"loading, target < 1 s: {verdict(ours < 1)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="many, one, load; many and one where left out")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--users", type=int, help="users in place of 10,000")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processor", action="store_true", help="count the time of all threads on the processor")
    parser.add_argument("--repeats", type=int, default=5, help="processes that load a run")
    parser.add_argument("--run", type=Path, help="run to load; one is trained where left out")
    given = parser.parse_args()
    sizes = QUICK if given.quick else FULL
    if given.users:
        sizes = Sizes(given.users, sizes.items, sizes.dim, sizes.k, min(given.users, sizes.block), sizes.alone)
    clock = time.process_time if given.processor else time.perf_counter
    for part in given.parts or ("many", "one"):
        if part == "load" and given.run is not None:
            loading(given.run, given.repeats, clock)
        elif part == "load":
            with tempfile.TemporaryDirectory() as folder:
                loading(trained(Path(folder), sizes), given.repeats, clock)
        else:
            {"many": many, "one": one}[part](sizes, given.threads, clock)


if __name__ == "__main__":
    main()
