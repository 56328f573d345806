"""Two towers over features, on items that training never shows: which negatives, beside popularity and chance.

    python benchmarks/features.py --data .../data                     # citeulike-t, and reviews with their attributes
    python benchmarks/features.py --data .../data --only toys --seeds 3
    python benchmarks/features.py --quick                             # planted data, to see that everything runs

Rows are means over seeds of the model on one split; the test part is looked at once for each row. All rows of a data
set have the same model, passes and step size; only the negatives and what the loss makes of them differ.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from negatives import kernels
from negatives.config import RunConfig
from negatives.data.pairs import PairData
from negatives.models.answers import answers_of_scores
from negatives.randomness import generator
from negatives.runs.builder import fill, prepare, task_of
from negatives.tasks.base import Examples

ARMS: dict[str, dict[str, Any]] = {
    "in-batch, no log q": {"sampler": "in_batch", "loss": "info_nce"},
    "in-batch": {"sampler": "in_batch"},
    "uniform pool": {"sampler": "softmax"},
    "auto: uniform and in-batch": {"sampler": "auto"},
    "dns, one of 32": {"recipe": "pairwise_content"},
}
SHOWN = ("recall@20", "ndcg@20", "popularity@20")


@dataclass(frozen=True, slots=True)
class Data:
    """One data set and how it is divided."""

    path: str
    split: str
    items: str | None = None


SETS = {
    "toys": Data("sequence/toys.txt", "cold_items", "toys_attributes.json"),
    "toys, random": Data("sequence/toys.txt", "random", "toys_attributes.json"),
    "citeulike-t": Data("recommend/citeulike-t", "cold_items"),
    "citeulike-t, random": Data("recommend/citeulike-t", "random"),
    "beauty": Data("sequence/beauty.txt", "cold_items", "beauty_attributes.json"),
    "sports": Data("sequence/sports.txt", "cold_items", "sports_attributes.json"),
}


def planted(folder: Path) -> Path:
    """Users who like one colour each, and items of four."""
    items = ["item,colour,price", *(f"i{n},{'rgby'[n % 4]},{n % 11}" for n in range(200))]
    pairs = ["user,item", *(f"u{n},i{(n % 4 + 4 * (n * 7 + at * at)) % 200}" for n in range(300) for at in range(9))]
    (folder / "items.csv").write_text("\n".join(items) + "\n")
    (folder / "interactions.csv").write_text("\n".join(pairs) + "\n")
    return folder


def config(data: Data, path: Path, seed: int, asked: Mapping[str, Any], given: argparse.Namespace) -> RunConfig:
    """The recipe ``content``, smaller, and what is asked for."""
    values = {
        "task": "recommend",
        "data": str(path),
        "recipe": "content",
        "split": {"kind": data.split, "seed": 0, "valid": 0.02},
        "reading": {"items": data.items} if data.items else {},
        "seed": seed,
        "epochs": given.epochs,
        "threads": given.threads,
        "model": {"dim": given.dim},
        "evaluation": {"every": float(given.epochs)},
    }
    return RunConfig(**values | dict(asked))


def trained(data: Data, path: Path, read: PairData, seed: int, arm: str, given: argparse.Namespace) -> dict[str, float]:
    """Test metrics of one run, and its processor time."""
    asked = config(data, path, seed, ARMS[arm], given)
    task = task_of(asked)
    examples = task.made(read, asked)
    run = prepare(fill(asked, task, examples), examples, task)
    start = time.process_time()
    run.loop.run()
    seconds = time.process_time() - start
    task.complete(run.model, examples)
    return run.evaluate("test").mean | {"seconds": seconds}


def by_scores(kind: str, asked: RunConfig, examples: Examples[PairData]) -> dict[str, float]:
    """Test metrics of items by their count, or in a random order."""
    counts = examples.catalogue.counts.float()
    scores = counts if kind == "popularity" else torch.rand(len(counts), generator=generator(1))

    class Fixed:
        def answers(self) -> object:
            return answers_of_scores(
                lambda queries: scores.expand(len(queries), -1), lambda queries, items: scores[items]
            )

    return task_of(asked).evaluate(Fixed(), examples, "test", asked).mean  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder of the data sets")
    parser.add_argument("--only", default=";".join(SETS), help="data sets, by semicolon")
    parser.add_argument("--arms", default=";".join(ARMS), help="rows, by semicolon")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="planted data and two passes")
    given = parser.parse_args()
    kernels.set_threads(given.threads)
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        sets = {name: SETS[name] for name in given.only.split(";")}
        if given.quick:
            given.epochs, sets = 2, {"planted": Data(str(planted(Path(folder))), "cold_items")}
        for name, data in sets.items():
            path = (given.data or Path()) / data.path
            if not path.exists():
                print(f"{path} is absent; left out")
                continue
            plain = config(data, path, 0, {}, given)
            read = task_of(plain).read(path, plain)
            assert isinstance(read, PairData)
            examples = task_of(plain).made(read, plain)
            for kind in ("popularity", "random"):
                show(name, kind, [by_scores(kind, plain, examples)])
            for arm in given.arms.split(";"):
                show(name, arm, [trained(data, path, read, seed, arm, given) for seed in range(given.seeds)])


def show(name: str, arm: str, found: list[dict[str, float]]) -> None:
    """One row of the table."""
    means = {key: statistics.fmean(one[key] for one in found) for key in SHOWN}
    seconds = statistics.fmean(one.get("seconds", 0.0) for one in found)
    figures = " | ".join(f"{means[key]:.4f}" for key in SHOWN)
    print(f"| {name} | {arm} | {figures} | {seconds:.0f} | {len(found)} |", flush=True)


if __name__ == "__main__":
    main()
