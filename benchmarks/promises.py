"""The four promises and the four dangers, measured in every task: adaptive negatives beside uniform ones.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/promises.py --data PATH --keep runs.json   # real data where it is there
    python benchmarks/promises.py --quick                                 # offline data, short, to see that it runs
    python benchmarks/promises.py --only recommend,graph                  # some tasks
    python benchmarks/promises.py --only dangers                          # one task, many samplers

``PATH`` holds ``recommend/gowalla``, ``words/wiki_en.txt.xz`` and so on; where a part is absent, the offline dataset
serves. In each task both samplers train the same model with the same loss, step size, batches and number of epochs;
only the sampler differs. Step sizes are the recipe's, tuned for neither. Levels are those of the validation part:
``to its best`` says what the adaptive sampler needs to reach the best level that uniform negatives ever reach, as a
share of what uniform negatives need for it. ``equal quality`` is the number of uniform negatives a row that reach the
adaptive sampler's best level. Figures of the test part are means over seeds, with intervals over seeds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from language import shortened

from negatives import kernels
from negatives.config import RunConfig, apply_sets, build
from negatives.diagnostics import Probes
from negatives.evaluation import interval, seconds_to
from negatives.runs.builder import fill, prepare, task_of
from negatives.runs.results import Curve
from negatives.tasks.base import Examples, Task
from negatives.training.callbacks import Callback, Evaluation

POINTS = 16
"""Evaluations of one run."""
LEAST = 0.1
"""Where uniform negatives bring less than this share of the adaptive sampler's gain over the untrained model, the time
to their best says nothing."""
SECONDS, EPOCH = 0, 1
SHOWN = ("coverage", "entropy", "head_share", "tail_share", "false_negative_lift")


@dataclass(frozen=True, slots=True)
class Case:
    """One task: what is compared, and how.

    Args:
        data: Place below the folder of data.
        uniform: Sampler of uniform negatives.
        adaptive: The adaptive sampler.
        more: The uniform sampler with ever more negatives a row, by their number.
        epochs: Passes over the training part.
        sets: What else both share.
        lines: Only so many lines of a language's training part, and a tenth of the others; None for all.
    """

    data: str
    uniform: Mapping[str, Any]
    adaptive: Mapping[str, Any]
    more: Mapping[int, Mapping[str, Any]]
    epochs: int
    sets: Sequence[str] = ()
    lines: int | None = None


def per_row(*sizes: int, **parts: Any) -> dict[int, dict[str, Any]]:
    """Uniform samplers of some sizes, each row's own."""
    return {n: {"name": "uniform", "candidates": n} | parts for n in sizes}


def shared(*sizes: int) -> dict[int, dict[str, Any]]:
    """Uniform pools of some sizes, shared by the batch."""
    return {n: {"name": "softmax", "pool": n} for n in sizes}


_BELIEF = {"name": "softmax", "k": 5, "temperature": 1.5, "correction": False}
CASES: dict[str, Case] = {
    "recommend": Case("recommend/gowalla", *per_row(1).values(), {"name": "dns"}, per_row(4, 16, 64), 16),
    "words": Case(
        "words/wiki_en.txt.xz",
        *per_row(5, guards=[]).values(),
        {"name": "popularity", "candidates": 12, "guards": [], "select": _BELIEF},
        per_row(10, 20, guards=[]),
        2,
        ["loss=logistic"],
    ),
    "knowledge": Case(
        "knowledge/codex-s",
        *per_row(16).values(),
        {"name": "self_adversarial", "candidates": 16},
        per_row(32, 64, 128),
        10,
        ["recipe=pairwise", "loss.name=logistic"],
    ),
    "graph": Case("graph/facebook", *per_row(1).values(), {"name": "dns"}, per_row(4, 16), 8),
    "search": Case(
        "search/scifact", *shared(384).values(), {"name": "ance"}, shared(1024, 4096), 6, ["loss.name=info_nce"]
    ),
    "similarity": Case("similarity/stsb", *per_row(1).values(), {"name": "curriculum"}, per_row(4, 16), 12),
    "classify": Case(
        "classify/bibtex", *per_row(1).values(), {"name": "sir"}, per_row(4, 16, 64), 12, ["recipe=pairwise"]
    ),
    "language": Case(
        "language/wikitext-2",
        *per_row(8, guards=[]).values(),
        {"proposal": {"name": "cluster", "within": "counts"}, "candidates": 8, "guards": [], "select": "all"},
        per_row(16, 32, 64, guards=[]),
        2,
        ["recipe=bigram"],
        lines=3_000,
    ),
}
DANGER_EPOCHS = 8
DANGERS: dict[str, Any] = {
    "uniform": {"name": "uniform"},
    "hardest of 32": {"name": "dns"},
    "hardest of 512": {"name": "dns", "candidates": 512},
    "one of the 4 hardest of 128": {"name": "dns_mn"},
    "like the positive": {"name": "similar", "candidates": 32},
    "held at a violation rate": {"name": "hold"},
    "curriculum": {"name": "curriculum"},
}


@dataclass(slots=True)
class Run:
    """What one run left.

    Args:
        curve: ``[seconds, epoch, value]`` on the validation part.
        test: The watched metric on the test part.
        rows: Examples of one epoch.
        share: Share of drawing, guarding and selecting in the time.
        shown: Last figures of diversity and of false negatives.
    """

    curve: list[list[float]]
    test: float
    rows: int
    share: float
    shown: dict[str, float] = field(default_factory=dict)

    @property
    def best(self) -> float:
        return max(value for _, _, value in self.curve)

    @property
    def gain(self) -> float:
        """What the best is above the untrained model."""
        return self.best - self.curve[0][2]

    def to(self, level: float, column: int) -> float | None:
        """Seconds or epochs until the level was reached; None if it never was."""
        return seconds_to([(point[column], point[2]) for point in self.curve], level)


@dataclass(slots=True)
class Last(Callback):
    """What the probes measured between the last two evaluations."""

    probes: Probes
    shown: dict[str, float] = field(default_factory=dict)

    def on_evaluation(self, evaluation: Evaluation) -> None:
        self.shown |= self.probes.take()  # a short window may hold none of some figures


@dataclass(slots=True)
class Bench:
    """Runs with one task's data; finished runs are kept in a file and not run again."""

    name: str
    case: Case
    given: argparse.Namespace
    kept: dict[str, Any]
    _loaded: tuple[Task, Examples] | None = None
    _folder: TemporaryDirectory[str] | None = None

    def config(self, sampler: Mapping[str, Any], seed: int) -> RunConfig:
        path = None
        if self.given.data is not None and not self.given.quick:
            path = self.given.data / self.case.data
        values: dict[str, Any] = {"task": self.name, "threads": self.given.threads}
        if path is not None and path.exists():
            values["data"] = str(self._part(path))
        values = apply_sets(values, list(self.case.sets))
        epochs = 1 if self.given.quick else self.case.epochs
        values |= {"sampler": dict(sampler), "seed": seed, "epochs": epochs}
        values["evaluation"] = {"every": epochs / POINTS}
        return build([("the benchmark", values)])

    def _part(self, path: Path) -> Path:
        """The data, or a folder with its first lines."""
        if self.case.lines is None:
            return path
        if self._folder is None:
            self._folder = TemporaryDirectory()
            shortened(path, self.case.lines, Path(self._folder.name))
        return Path(self._folder.name)

    def run(self, label: str, sampler: Mapping[str, Any], seed: int) -> Run:
        key = f"{self.name}/{label}/{seed}"
        if key not in self.kept:
            print(f"{key} ...", flush=True)
            self.kept[key] = self._train(sampler, seed)
            if self.given.keep:
                self.given.keep.write_text(json.dumps(self.kept), encoding="utf-8")
        return Run(**self.kept[key])

    def _train(self, sampler: Mapping[str, Any], seed: int) -> dict[str, Any]:
        config = self.config(sampler, seed)
        if self._loaded is None:
            task = task_of(config)
            self._loaded = task, task.load(Path(config.data) if config.data else None, config)
        task, examples = self._loaded
        if not config.recipe:
            config = config.model_copy(update={"recipe": task.shared_recipe(examples)})
        config = fill(config, task, examples)
        config = config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"patience": None})})
        trained = prepare(config, examples, task)
        metric, loop = trained.loop.plan.watch, trained.loop
        curve = Curve(metric, [[0.0, 0.0, trained.evaluate("valid").mean[metric]]])
        probes = Probes(examples.catalogue.counts)
        last = Last(probes)
        loop.callbacks = [probes, curve, last]
        loop.run()
        task.complete(trained.model, examples)
        summary = trained.summary()
        return {
            "curve": curve.points,
            "test": trained.evaluate("test").mean[metric],
            "rows": examples.feed.rows,
            "share": summary["sampler_share"],
            "shown": {name: last.shown[name] for name in SHOWN if name in last.shown},
        }


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def share_of(ours: Sequence[float | None], theirs: Sequence[float | None]) -> str:
    """Mean of ours over mean of theirs; over the runs that reached the level, with their number if not all did."""
    reached = [one for one in ours if one is not None]
    if not reached:
        return "not reached"
    whole = mean([one for one in theirs if one is not None])
    return f"{mean(reached) / whole:.0%}" + (f" ({len(reached)} of {len(ours)})" if len(reached) < len(ours) else "")


def figure(values: Sequence[float]) -> str:
    low, high = interval(torch.tensor(values))
    return f"{mean(values):.4f}" + (f" ({low:.4f} to {high:.4f})" if len(values) > 1 else "")


def promises(bench: Bench) -> str:
    """One row of the table."""
    seeds = range(bench.given.seeds)
    uniform = [bench.run("uniform", bench.case.uniform, seed) for seed in seeds]
    adaptive = [bench.run("adaptive", bench.case.adaptive, seed) for seed in seeds]
    level = mean([one.best for one in uniform])
    needed = ["uniform hardly improves"] * 2
    if mean([one.gain for one in uniform]) > LEAST * mean([one.gain for one in adaptive]):
        needed = [
            share_of([run.to(level, column) for run in adaptive], [run.to(run.best, column) for run in uniform])
            for column in (EPOCH, SECONDS)
        ]
    cells = [
        bench.name,
        figure([one.test for one in uniform]),
        figure([one.test for one in adaptive]),
        *needed,
        enough(bench, level, mean([one.best for one in adaptive])),
        f"{mean([one.share for one in adaptive]):.0%}",
    ]
    return "| " + " | ".join(cells) + " |"


def enough(bench: Bench, level: float, wanted: float) -> str:
    """How many uniform negatives a row reach the wanted level; one run of each size."""
    if level >= wanted:
        return "no more"
    for n, sampler in bench.case.more.items():
        if bench.run(f"uniform {n}", sampler, 0).best >= wanted:
            return f"{n}"
    return f"more than {max(bench.case.more)}"


def dangers(bench: Bench) -> list[str]:
    """One row for each sampler."""
    lines = []
    for label, sampler in DANGERS.items():
        run = bench.run(f"danger: {label}", sampler, 0)
        shown = run.shown
        values = [run.test, run.best, run.curve[-1][2], *(shown.get(name, float("nan")) for name in SHOWN), run.share]
        lines.append(f"| {label} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of data; offline datasets where left out")
    parser.add_argument("--keep", type=Path, help="file of finished runs")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default=",".join([*CASES, "dangers"]))
    parser.add_argument("--quick", action="store_true", help="one seed and one epoch of the offline datasets")
    given = parser.parse_args()
    given.seeds = 1 if given.quick else given.seeds
    kernels.set_threads(given.threads)
    torch.set_num_threads(given.threads)
    kept = json.loads(given.keep.read_text(encoding="utf-8")) if given.keep and given.keep.exists() else {}
    names = given.only.split(",")
    rows = [promises(Bench(name, CASES[name], given, kept)) for name in names if name in CASES]
    print("| task | uniform | adaptive | epochs to its best | seconds to its best | equal quality | share of time |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    if "dangers" in names:
        print("\n| sampler | test | best | last | " + " | ".join(SHOWN) + " | share of time |")
        print("|---" * (5 + len(SHOWN)) + "|")
        case = replace(CASES["recommend"], epochs=DANGER_EPOCHS)
        print("\n".join(dangers(Bench("recommend", case, given, kept))))


if __name__ == "__main__":
    main()
