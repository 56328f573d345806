"""Peak resident memory: of a training, of draws over ten million items, and of a hundred million known pairs.

    python benchmarks/memory.py --data .../recommend/gowalla     # without --data the training is left out
    python benchmarks/memory.py --quick                          # a hundredth of the size, to see that it runs

Each case runs in a process of its own. From its peak the peak of a process that only imports the package and
compiles the kernels is taken off, so that the figures are those of the data. Linux only: it reads VmHWM.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from negatives import kernels
from negatives.proposals import Popularity, Uniform
from negatives.proposals.base import Proposal
from negatives.randomness import generator
from negatives.types import Catalogue, Context, Csr

MIB = float(1 << 20)
ROWS = 8192
DRAWS = 16
GROUP = 10_000
"""Queries whose known items are made at a time."""


def peak() -> float:
    """Largest resident memory of this process so far, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("this system does not tell VmHWM")


def known_pairs(n_users: int, n_items: int, each: int) -> Csr:
    """``each`` known items per user, sorted and distinct: one in every ``n_items / each`` consecutive ids."""
    width, random = n_items // each, generator(0)
    indices = torch.empty(n_users * each, dtype=torch.int32)
    starts = torch.arange(each, dtype=torch.int32) * width
    for at in range(0, n_users, GROUP):
        users = min(GROUP, n_users - at)
        offset = torch.randint(0, width, (users, each), generator=random, dtype=torch.int32)
        indices[at * each : (at + users) * each] = offset.add_(starts).reshape(-1)
    return Csr(torch.arange(n_users + 1, dtype=torch.int64) * each, indices, n_items)


def draw_all(proposal: Proposal, n_users: int, known: Csr | None, batches: int) -> float:
    """Draw for random batches; million draws per second."""
    random, start = generator(1), time.perf_counter()
    for step in range(batches):
        users = torch.randint(0, n_users, (ROWS,), generator=random)
        examples = torch.arange(step * ROWS, (step + 1) * ROWS)
        proposal.draw(Context(users, users, examples, step=step), DRAWS, 1, known)
    return batches * ROWS * DRAWS / (time.perf_counter() - start) / 1e6


def small() -> None:
    """Everything that the cases use, on next to nothing."""
    known = known_pairs(100, 1_000, 10)
    for proposal in (Uniform(), Popularity()):
        proposal.bind(Catalogue(100, 1_000, torch.ones(1_000, dtype=torch.int64), known))
        draw_all(proposal, 100, known, 2)


def baseline(scale: int) -> None:
    print(f"0 {peak():.0f} 0")


def popularity(scale: int) -> None:
    """An alias table over ten million items; the counts are part of what is held."""
    n_items = 10_000_000 // scale
    counts = (1e9 / torch.arange(1, n_items + 1, dtype=torch.float64)).long() + 1
    proposal = Popularity(counts, alpha=0.75)
    rate = draw_all(proposal, 1_000, None, 50)
    table = proposal._ready().alias
    held = sum(part.numel() * part.element_size() for part in (table.threshold, table.alias, table.probability, counts))
    print(f"{held / MIB:.1f} {peak():.0f} {rate:.1f}")


def exclusion(scale: int) -> None:
    """A million users with a hundred known items each, over a million items."""
    n_users, n_items = 1_000_000 // scale, 1_000_000 // scale
    known = known_pairs(n_users, n_items, 100)
    proposal = Uniform(n_items=n_items)
    rate = draw_all(proposal, n_users, known, 200)
    held = known.indptr.numel() * 8 + known.indices.numel() * 4
    print(f"{held / MIB:.1f} {peak():.0f} {rate:.1f}")


CASES: dict[str, Callable[[int], None]] = {"baseline": baseline, "popularity": popularity, "exclusion": exclusion}


def run(case: str, scale: int) -> tuple[float, float, float]:
    """Size of the data in MiB, peak in MiB and million draws per second of one case in its own process."""
    command = [sys.executable, __file__, "--case", case, "--scale", str(scale)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    held, most, rate = (float(number) for number in done.stdout.split()[-3:])
    return held, most, rate


def training(data: Path) -> float:
    """Peak in MiB of one epoch of ``negatives train recommend``, with loading, evaluation and report."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["train", "recommend", str(data), "--epochs", "1", "--out", str(Path(folder) / "run")]
        subprocess.run([sys.executable, "-m", "negatives", *words], check=True, capture_output=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of pairs for the training")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the size")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--scale", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        kernels.set_threads(2)
        small()
        CASES[given.case](given.scale)
        return
    scale = 100 if given.quick else 1
    if given.data is not None and given.data.exists():
        most = training(given.data)
        print(f"negatives train recommend, one epoch: peak {most:.0f} MiB, target < 1500: {verdict(most < 1500)}")
    else:
        print("the data folder is absent; the training is left out (give --data)")
    _, empty, _ = run("baseline", scale)
    print(f"interpreter, package and compiled kernels alone: peak {empty:.0f} MiB")
    for case, what in (("popularity", "table and counts"), ("exclusion", "known pairs")):
        held, most, rate = run(case, scale)
        share = (most - empty) / held
        line = (
            f"{case}: {what} {held:.1f} MiB, peak {most:.0f} MiB, {share:.2f} x less the baseline, {rate:.0f} M draws/s"
        )
        print(line + (f", target <= 1.1: {verdict(share <= 1.1)}" if case == "exclusion" else ""))


if __name__ == "__main__":
    main()
