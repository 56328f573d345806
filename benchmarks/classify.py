"""Sampled softmax beside the exact softmax of the same model, and what an epoch costs with ever more labels.

    python benchmarks/classify.py tags --data PATH        # the tags of citeulike-t: quality and time of both
    python benchmarks/classify.py labels                  # made data with 10,000 to 1,000,000 labels: time and memory
    python benchmarks/classify.py labels --quick          # small sizes, to see that everything runs

``tags``: both train the same classifier on the same rows with the same optimiser for the same number of epochs. The
exact softmax scores a batch's rows against all labels by one matrix product, computes one sum per row, and updates
the whole table; it does nothing that it need not. Its step size is that of
``--exact-lr``; choose it on the validation part.
``labels``: rows, features and pairs stay the same; only the number of labels grows. Time and peak memory of an epoch
are measured in a process of its own for each size; time is that of the processor, which other work does not change.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from negatives import kernels
from negatives.config import apply_sets, build
from negatives.data.labelled import LabelledData
from negatives.data.pairs import Pairs, SparseFeatures
from negatives.models.classify.sparse import SparseClassifier
from negatives.randomness import Purpose, integers, permutation, stream
from negatives.runs.builder import Trained, fill, prepare, task_of
from negatives.tasks.base import Examples
from negatives.tasks.classify import Classify
from negatives.training.grouped_feed import GroupedFeed
from negatives.training.optimisers import RowOptimiser, StepSize
from negatives.types import Csr

SHOWN = ("precision@1", "precision@5", "psp@1", "psp@5")


def prepared(data: Path, sets: list[str]) -> Trained:
    """The task on real data, ready to train."""
    values = apply_sets({"task": "classify", "data": str(data), "recipe": "sampled"}, sets)
    config = build([("the benchmark", values)])
    task = task_of(config)
    examples = task.load(data, config)
    return prepare(fill(config, task, examples), examples, task)


def batches(known: Csr, rows: int, epoch: int) -> Iterator[Tensor]:
    """Rows that have labels, in a random order."""
    labelled = (known.lengths() > 0).nonzero()[:, 0]
    order = permutation(stream(0, Purpose.SHUFFLE, epoch), labelled.numel())
    yield from labelled[order].split(rows)


class Exact:
    """The exact softmax over all labels: one sum per row, a dense update of the whole table.

    Args:
        model: What is trained.
        known: Labels of the training rows.
        optimiser: ``adagrad`` or ``adam``.
    """

    def __init__(self, model: SparseClassifier, known: Csr, optimiser: str) -> None:
        self.model, self.known = model, known
        kinds: dict[str, Any] = {"adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam}
        rest = [p for p in model.parameters() if p is not model.feature_table]
        self.dense = kinds[optimiser](rest, lr=0.01)
        self.features = RowOptimiser(model.feature_table.data, optimiser)

    def step(self, rows: Tensor, lr: float) -> None:
        model, owner = self.model, torch.repeat_interleave(torch.arange(rows.numel()), self.known.lengths()[rows])
        labels = torch.cat([self.known.row(row) for row in rows.tolist()]).long()
        for parameter in model.parameters():
            parameter.grad = None
        scores = model.encode_queries(rows) @ model.item_table.T
        positive = scores[owner, labels]
        others = scores.index_put((owner, labels), torch.tensor(-torch.inf))
        softplus(others.logsumexp(1)[owner] - positive).mean().backward()
        for group in self.dense.param_groups:
            group["lr"] = lr
        self.dense.step()
        grad = model.feature_table.grad
        assert grad is not None
        self.features.step(*kernels.sum_rows(grad._indices()[0], grad._values(), len(model.feature_table)), lr)


@dataclass(frozen=True, slots=True)
class Training:
    """How the exact softmax is trained and timed."""

    lr: float
    optimiser: str
    clock: Callable[[], float]


def exact(trained: Trained, epochs: int, rows: int, how: Training) -> float:
    """Train the model of a prepared run with all labels; gives seconds of training."""
    model = trained.model
    assert isinstance(model, SparseClassifier)
    known = trained.examples.catalogue.known
    assert known is not None
    one, size = Exact(model, known, how.optimiser), StepSize(how.lr, "linear")
    steps = -(-int((known.lengths() > 0).sum()) // rows) * epochs
    done, seconds = 0, 0.0
    for epoch in range(epochs):
        for some in batches(known, rows, epoch):
            start = how.clock()
            one.step(some, size.at(done / steps))
            seconds += how.clock() - start
            done += 1
        found = trained.evaluate("valid").mean
        print(f"  exact, epoch {epoch + 1}: {seconds:.0f} s, " + _text(found), flush=True)
    return seconds


def tags(options: argparse.Namespace) -> None:
    """Quality and time of the sampled and of the exact softmax."""
    torch.set_num_threads(options.threads)
    sets = [f"threads={options.threads}", f"epochs={options.epochs}", *options.set]
    found = {}
    if not options.skip_sampled:
        trained = prepared(options.data, sets)
        trained.loop.evaluate = dict
        start = options.clock()
        trained.loop.run()
        found["sampled"] = options.clock() - start, trained.evaluate("test").mean
        print(f"sampled: {found['sampled'][0]:.1f} s, {_text(found['sampled'][1])}", flush=True)
    if not options.skip_exact:
        trained = prepared(options.data, sets)
        name = trained.config.optimiser.name or "adagrad"
        lr = options.exact_lr or trained.config.optimiser.lr or 0.05
        epochs = options.exact_epochs or options.epochs
        seconds = exact(trained, epochs, options.rows, Training(lr, name, options.clock))
        found["exact"] = seconds, trained.evaluate("test").mean
        print(f"exact: {seconds:.1f} s, {_text(found['exact'][1])}")
    if len(found) == 2:
        share = found["sampled"][0] / found["exact"][0]
        kept = {name: found["sampled"][1][name] / found["exact"][1][name] for name in SHOWN}
        print(f"sampled takes {share:.1%} of the time and keeps " + ", ".join(f"{v:.1%} {k}" for k, v in kept.items()))


def _text(metrics: Any) -> str:
    return ", ".join(f"{name} {metrics[name]:.4f}" for name in SHOWN)


def made(rows: int, labels: int, features: int = 20_000, per_row: int = 40, own: int = 5) -> LabelledData:
    """Rows of random features whose labels are drawn at random: only the cost is of interest."""
    key = stream(1, Purpose.SPLIT)
    index = integers(key, torch.arange(rows)[:, None], torch.arange(per_row), features).reshape(-1)
    owners = torch.arange(rows).repeat_interleave(own)
    items = integers(key, torch.arange(rows)[:, None], torch.arange(per_row, per_row + own), labels).reshape(-1)
    content = SparseFeatures(
        torch.arange(0, rows * per_row + 1, per_row), index.int(), torch.full((index.numel(),), per_row**-0.5), features
    )
    import polars

    empty = Pairs(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64))
    parts = {"train": Pairs(owners, items), "valid": empty, "test": empty, "canaries": empty}
    names = polars.Series(["row"]).new_from_index(0, rows), polars.Series(["label"]).new_from_index(0, labels)
    return LabelledData("made", content, *names, parts, rows)


def one_size(rows: int, labels: int, dim: int, threads: int) -> None:
    """Train two epochs on made data and print the figures of the second as JSON."""
    data = made(rows, labels)
    catalogue = data.catalogue()
    assert catalogue.known is not None
    examples = Examples(
        "made", GroupedFeed(catalogue.known), catalogue, data.known(("canaries",)), 0.0, data.row_names,
        data.label_names, (), data,
    )  # fmt: skip
    values = {"task": "classify", "recipe": "sampled", "threads": threads, "epochs": 2, "model": {"dim": dim}}
    task = Classify()
    trained = prepare(fill(build([("made", values)]), task, examples), examples, task)
    loop, start = trained.loop, 0.0
    while loop.steps < loop.total_steps:
        if loop.steps == loop.steps_per_epoch:
            start = time.process_time()
        loop._step()
    seconds = time.process_time() - start
    table = trained.model.item_table.numel() * 4 * 2  # with Adagrad's accumulator
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"labels": labels, "seconds": seconds, "peak": peak, "table": table}))


def labels(options: argparse.Namespace) -> None:
    """Time and memory of an epoch over the number of labels."""
    sizes = (1_000, 10_000) if options.quick else (10_000, 30_000, 100_000, 300_000, 1_000_000)
    rows, dim = (2_000, 32) if options.quick else (options.rows, 128)
    print(f"{rows:,} rows with 5 labels each, dim {dim}")
    print("|    labels | processor seconds of an epoch | peak memory | of it the labels' vectors and their optimiser |")
    print("|---|---|---|---|")
    for size in sizes:
        command = [sys.executable, __file__, "size", str(rows), str(size), str(dim), "--threads", str(options.threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.strip().splitlines()[-1])
        gb = found["peak"] / 2**30, found["table"] / 2**30
        print(f"| {size:,} | {found['seconds']:.2f} | {gb[0]:.2f} GiB | {gb[1]:.2f} GiB |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("tags")
    one.add_argument("--data", type=Path, required=True, help="folder with tag-item.dat and mult.dat")
    one.add_argument("--epochs", type=int, default=10)
    one.add_argument("--exact-epochs", type=int)
    one.add_argument("--exact-lr", type=float)
    one.add_argument("--rows", type=int, default=256, help="rows per step of the exact softmax")
    one.add_argument("--set", action="append", default=[], help="key=value of the configuration")
    one.add_argument("--skip-exact", action="store_true")
    one.add_argument("--skip-sampled", action="store_true")
    two = commands.add_parser("labels")
    two.add_argument("--quick", action="store_true")
    two.add_argument("--rows", type=int, default=50_000, help="rows of the made data")
    three = commands.add_parser("size")
    for name in ("rows", "labels", "dim"):
        three.add_argument(name, type=int)
    for each in (one, two, three):
        each.add_argument("--threads", type=int, default=2)
        each.add_argument("--processor", action="store_true", help="processor time, which other work does not change")
    options = parser.parse_args()
    options.clock = time.process_time if options.processor else time.perf_counter
    if options.command == "tags":
        if not options.data.is_dir():
            sys.exit(f"{options.data}: no such folder; give the citeulike-t folder with tag-item.dat and mult.dat")
        tags(options)
    elif options.command == "labels":
        labels(options)
    else:
        one_size(options.rows, options.labels, options.dim, options.threads)


if __name__ == "__main__":
    main()
