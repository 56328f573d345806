"""A training step with a pool's equal draws made one beside the same step with all draws.

    python benchmarks/merging.py                                           # the offline datasets
    python benchmarks/merging.py --case knowledge:auto --data .../umls     # data of your own

Both trainings take turns of a few steps on one thread; figures are medians over the turns. Losses are those of the last
step; sums are rounded differently, and the two trainings drift apart by that.
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import dataclass
from pathlib import Path

from negatives.config import build
from negatives.runs import steps
from negatives.runs.builder import Trained, fill, prepare
from negatives.training.callbacks import Callback, Step

CASES = (
    "classify:auto",
    "classify:in_batch",
    "knowledge:auto",
    "language",
    "language:auto",
    "language:in_batch",
    "recommend:softmax",
    "recommend:auto+loss=sampled_softmax",
)
TURNS = 7


@dataclass
class Seen(Callback):
    """The last step."""

    slots: int = 0
    loss: float = math.nan

    def on_step(self, step: Step) -> None:
        self.slots, self.loss = step.negatives.k, step.loss


def training(case: str, data: Path | None, merges: bool) -> tuple[Trained, Seen]:
    """A training that has not begun."""
    name, *more = case.split("+")
    task, _, sampler = name.partition(":")
    asked = {"task": task, "epochs": 1000, "threads": 1} | dict(one.split("=") for one in more)
    asked |= {"sampler": sampler} if sampler else {}
    asked |= {"data": str(data)} if data else {}
    config, kind, examples = steps.load(build([("the case", asked)]))
    trained = prepare(fill(config, kind, examples), examples, kind)
    trained.sampler.merges = merges
    seen = Seen()
    trained.loop.callbacks, trained.loop.evaluate = [seen], dict
    return trained, seen


def turn(trained: Trained, n: int) -> float:
    """Seconds of each of ``n`` more steps."""
    loop = trained.loop
    before, seconds = loop.steps, loop.seconds
    loop.run((before + n) / loop.total_steps)
    return (loop.seconds - seconds) / (loop.steps - before)


def main() -> None:
    read = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    read.add_argument("--case", action="append", help="TASK:SAMPLER+KEY=VALUE; several times for several")
    read.add_argument("--data", type=Path, help="a file or folder in place of the offline dataset")
    read.add_argument("--steps", type=int, default=30, help="steps of a turn")
    asked = read.parse_args()
    print("| case | slots of all draws | merged | ms a step | merged | ratio | loss | merged |")
    print("|---|---|---|---|---|---|---|---|")
    for case in asked.case or CASES:
        both = [training(case, asked.data, merges) for merges in (False, True)]
        for trained, _ in both:
            turn(trained, 3)  # kernels are compiled
        times = [[turn(trained, asked.steps) for trained, _ in both] for _ in range(TURNS)]
        apart, merged = (statistics.median(one) for one in zip(*times, strict=True))
        slots, losses = ([getattr(seen, name) for _, seen in both] for name in ("slots", "loss"))
        told = [*slots, f"{1e3 * apart:.1f}", f"{1e3 * merged:.1f}", f"{merged / apart:.2f}"]
        print(f"| {case} | {' | '.join(map(str, told))} | {losses[0]:.4f} | {losses[1]:.4f} |", flush=True)


if __name__ == "__main__":
    main()
