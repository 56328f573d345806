"""How long samplers take to the quality of many uniform negatives, on histories in their order.

    python benchmarks/sequence.py --data PATH                       # 3,000 uniform, 256 of three kinds, one uniform
    python benchmarks/sequence.py --data PATH --quick               # two epochs, to see that everything runs
    python benchmarks/sequence.py --data PATH --arms uniform mixed --seeds 0 1 2

All arms train the model of the default recipe with the same optimiser, batches and epochs, at a constant step size, so
that no arm's quality depends on when its plan ends. The mark is the best ndcg@10 on the validation part that
``--mark`` (3,000 uniform negatives that a batch shares) reaches; the time of an arm is what its training took to its
first evaluation at or above the mark, evaluations left out. Time is that of the processor, which other work does not
change, or of the clock with ``--clock wall``. The test part is not looked at.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from negatives.config import apply_sets, build
from negatives.runs.builder import Trained, fill, prepare, task_of

METRIC = "ndcg@10"
CLOCKS: Mapping[str, Callable[[], float]] = {"processor": time.process_time, "wall": time.perf_counter}
ARMS: dict[str, dict[str, Any]] = {
    "uniform": {"sampler": {"name": "uniform", "pool": 3000}},
    "mixed": {"sampler": {"name": "auto", "pool": 256}},
    "learned": {"sampler": {"name": "learned_unigram", "pool": 256}},
    "uniform_256": {"sampler": {"name": "uniform", "pool": 256}},
    "one": {"recipe": "pairwise", "loss": "logistic", "sampler": {"name": "uniform", "candidates": 1}},
}
"""What each arm sets; ``one`` is the loss that SASRec was published with, by inner products."""


@dataclass(slots=True)
class Course:
    """How one arm went.

    Args:
        seconds: Training time at each evaluation.
        values: The metric there.
    """

    seconds: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return max(self.values)

    def reached(self, mark: float) -> float | None:
        """Seconds to the first evaluation at or above ``mark``; None where there is none."""
        return next((s for s, v in zip(self.seconds, self.values, strict=True) if v >= mark), None)


def prepared(arm: str, seed: int, options: argparse.Namespace) -> Trained:
    """A run that is ready to train."""
    steady = ["optimiser.schedule=constant", f"seed={seed}", f"threads={options.threads}", f"epochs={options.epochs}"]
    values = {"task": "sequence", "data": str(options.data), **ARMS[arm]}
    config = build([("the benchmark", apply_sets(values, [*steady, *options.set]))])
    task = task_of(config)
    examples = task.load(options.data, config)
    return prepare(fill(config, task, examples), examples, task)


def course(arm: str, seed: int, options: argparse.Namespace) -> Course:
    """Train one arm and evaluate it now and then."""
    trained, clock, found = prepared(arm, seed, options), CLOCKS[options.clock], Course()
    loop, spent = trained.loop, 0.0
    every = max(1, round(loop.steps_per_epoch * options.every))
    while loop.steps < loop.total_steps:
        start = clock()
        loop.advance()
        spent += clock() - start
        if loop.steps % every == 0 or loop.steps == loop.total_steps:
            found.seconds.append(spent)
            found.values.append(trained.evaluate("valid").mean[METRIC])
            if options.verbose:
                print(f"  {arm}, seed {seed}: {spent:.0f} s, {METRIC} {found.values[-1]:.4f}", flush=True)
    return found


def table(courses: Mapping[str, list[Course]], marks: list[float], per_epoch: float) -> list[str]:
    """Lines of the figures: means over the seeds."""
    lines = [
        f"| sampler | best {METRIC} | s for each epoch | s to the mark | seeds that reach it |",
        "|---|---|---|---|---|",
    ]
    for arm, runs in courses.items():
        times = [run.reached(mark) for run, mark in zip(runs, marks, strict=True)]
        done = [one for one in times if one is not None]
        best = statistics.mean(run.best for run in runs)
        cost = statistics.mean(run.seconds[-1] for run in runs) / per_epoch
        took = f"{statistics.mean(done):.0f}" if done else "-"
        lines.append(f"| {arm} | {best:.4f} | {cost:.1f} | {took} | {len(done)} of {len(runs)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="lines `user item item ...`, the oldest first")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--mark", choices=ARMS, default="uniform", help="the arm whose quality is the mark")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--every", type=float, default=0.5, help="epochs between two evaluations")
    parser.add_argument("--share", type=float, default=1.0, help="share of the mark that is to be reached")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="processor")
    parser.add_argument("--set", action="append", default=[], help="any other setting, for all arms")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.epochs, options.every = 2, 1
    if not options.data.exists():
        raise SystemExit(f"{options.data} is not there; give a file with --data")
    arms = list(dict.fromkeys([options.mark, *options.arms]))
    courses = {arm: [course(arm, seed, options) for seed in options.seeds] for arm in arms}
    marks = [options.share * run.best for run in courses[options.mark]]
    print(f"{options.data.name}: {options.epochs:g} epochs, seeds {options.seeds}, {options.clock} time")
    print("\n".join(table(courses, marks, options.epochs)))


if __name__ == "__main__":
    main()
