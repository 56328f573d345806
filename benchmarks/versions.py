"""Two checkouts side by side: how long the same training steps and draws take, as ratios of one run.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/versions.py OLD NEW                          # offline data, small
    OMP_WAIT_POLICY=PASSIVE python benchmarks/versions.py OLD NEW --pairs gowalla --triples fb15k-237 --text wiki.txt

``OLD`` and ``NEW`` are folders that hold ``src/negatives``. A process for each trains the cases of :data:`CASES`. They
take turns, A B B A, for a fraction of a second each, so that other work on the machine hits both alike; a figure is
the median of the turns' ratios, new over old: below 1 is faster. Where a process happens to lie in memory alone makes
it some percent faster or slower, so several pairs of processes are started. ``--processor`` counts the time of all
threads on the processor, for a machine that others use as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SGD = {"name": "async_sgd", "lr": 0.05, "weight_decay": 0.01}
TABLES: dict[str, Any] = {"model": {"name": "mf", "dim": 64, "similarity": "dot"}, "batch_size": 8192}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "uniform BPR": ("recommend", {**TABLES, "sampler": "uniform", "loss": "bpr", "optimiser": SGD}),
    "hardest of 16": (
        "recommend",
        {**TABLES, "sampler": {"name": "dns", "candidates": 16}, "loss": "bpr", "optimiser": SGD},
    ),
    "softmax pool": ("recommend", {**TABLES, "sampler": "softmax", "optimiser": {"name": "adagrad"}}),
    "default recommender": ("recommend", {"sampler": "softmax"}),
    "skip-gram": ("words", {"recipe": "word2vec"}),
    "64 negatives a triple": (
        "knowledge",
        {"recipe": "pairwise", "sampler": {"name": "uniform", "candidates": 64}, "loss": "logistic"},
    ),
    "ComplEx, shared pool": ("knowledge", {"recipe": "default"}),
}
DRAWS = ("uniform", "popularity")


def first(*names: str) -> Any:
    """The first of some modules that this checkout has."""
    for name in names[:-1]:
        if importlib.util.find_spec(name.rpartition(".")[0]) and importlib.util.find_spec(name):
            return importlib.import_module(name)
    return importlib.import_module(names[-1])


def steps_of(task_name: str, options: dict[str, Any], data: str | None, loaded: dict[str, Any]) -> Callable[[], object]:
    """One training step of a configuration."""
    builder = first("negatives.runs.builder", "negatives.tasks.builder")
    config = builder.RunConfig(task=task_name, data=data, threads=2, **options)
    task = builder.task_of(config)
    if task_name not in loaded:
        loaded[task_name] = task.load(Path(data) if data else None, config)
    trained = builder.prepare(builder.fill(config, task, loaded[task_name]), loaded[task_name], task)
    return trained.loop._step  # type: ignore[no-any-return]


def draws_of(name: str, examples: Any) -> Callable[[], object]:
    """8,192 rows of 16 draws each, none of them known to its query."""
    import torch

    from negatives import proposals
    from negatives.types import Context

    catalogue = examples.catalogue
    proposal = proposals.registry.build(name)
    proposal.bind(catalogue)
    rows = torch.arange(8192)
    queries = rows % catalogue.n_queries
    return lambda: proposal.draw(Context(queries, rows % catalogue.n_items, rows), 16, 7, catalogue.known)


def serve(data: dict[str, str | None], processor: bool) -> None:
    """Answer each line of standard input, a case and a number of times, with seconds."""
    clock = time.process_time if processor else time.perf_counter
    loaded: dict[str, Any] = {}
    made = {name: steps_of(task, options, data[task], loaded) for name, (task, options) in CASES.items()}
    made |= {f"draws, {name}": draws_of(name, loaded["recommend"]) for name in DRAWS}
    print(json.dumps(list(made)), flush=True)
    for line in sys.stdin:
        name, times = json.loads(line)
        start = clock()
        for _ in range(times):
            made[name]()
        print(json.dumps(clock() - start), flush=True)


class Checkout:
    """A process that runs the cases with the sources of one folder."""

    def __init__(self, folder: str, data: str, processor: bool) -> None:
        env = os.environ | {"PYTHONPATH": str(Path(folder).resolve() / "src")}
        command = [sys.executable, __file__, "--serve", data, *["--processor"] * processor]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self.names: list[str] = self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a checkout could not run the cases")
        return json.loads(line)

    def seconds(self, name: str, times: int) -> float:
        """How long so many steps of a case take."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([name, times]) + "\n")
        self.process.stdin.flush()
        return float(self._answer())


def main() -> None:
    """Print one row for each case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--pairs")
    parser.add_argument("--triples")
    parser.add_argument("--text")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of processes")
    parser.add_argument("--turns", type=int, default=12, help="of a round")
    parser.add_argument("--seconds", type=float, default=0.4, help="of a turn")
    parser.add_argument("--processor", action="store_true", help="processor time in place of the clock's")
    parser.add_argument("--serve")
    asked = parser.parse_args()
    if asked.serve:
        return serve(json.loads(asked.serve), asked.processor)
    data = json.dumps({"recommend": asked.pairs, "knowledge": asked.triples, "words": asked.text})
    ratios: dict[str, list[float]] = {}
    for number in range(asked.rounds):
        for name, found in one_round(asked, data, number % 2 == 1).items():
            ratios.setdefault(name, []).extend(found)
    for name, found in ratios.items():
        low, high = statistics.quantiles(found, n=4)[::2]
        print(f"{name:<24}{statistics.median(found):.3f} of the time ({low:.3f} to {high:.3f})", flush=True)


def one_round(asked: argparse.Namespace, data: str, turned: bool) -> dict[str, list[float]]:
    """Ratios of each case from two fresh processes, the newer checkout's started first if ``turned``."""
    started = {folder: Checkout(folder, data, asked.processor) for folder in asked.folders[:: -1 if turned else 1]}
    old, new = (started[folder] for folder in asked.folders)
    ratios: dict[str, list[float]] = {}
    for name in new.names:
        for one in (old, new):
            one.seconds(name, 3)
        times = max(1, round(asked.seconds / (old.seconds(name, 3) / 3)))
        for turn in range(asked.turns):
            order = (old, new) if turn % 2 else (new, old)
            took = {one: one.seconds(name, times) for one in order}
            ratios.setdefault(name, []).append(took[new] / took[old])
    for one in started.values():
        one.process.terminate()
    return ratios


if __name__ == "__main__":
    main()
