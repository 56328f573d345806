"""Two towers over features, on items that training never shows: which negatives, beside popularity and chance.

    python benchmarks/features.py --data .../data                     # citeulike-t, and reviews with their attributes
    python benchmarks/features.py --data .../data --only toys --seeds 3
    python benchmarks/features.py --quick                             # planted data, to see that everything runs

Each seed divides the data anew and starts its models anew; the test part is looked at once for each row and seed. All
rows of a data set have the same model, passes and step size; only the negatives and what the loss makes of them differ.
Rows of the table are means over seeds and half-widths of 95 % intervals over them by Student's t; differences are
paired by seed. ``chosen`` is the hardness of ``auto`` that the validation part of the same seed likes better, as the
command chooses it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
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

SOFT = {"name": "sampled_softmax", "temperature": 0.2}
ARMS: dict[str, dict[str, Any]] = {
    "in-batch": {"sampler": "in_batch"},
    "auto": {"sampler": "auto"},
    "auto, soft": {"sampler": "auto", "loss": SOFT},
    "dns": {"recipe": "pairwise_content"},
    "in-batch, no log q": {"sampler": "in_batch", "loss": "info_nce"},
    "in-batch, soft": {"sampler": "in_batch", "loss": SOFT},
    "uniform pool": {"sampler": "softmax"},
}
BASE, CHOICE = "in-batch", ("auto", "auto, soft")
SHOWN = ("recall@20", "ndcg@20", "popularity@20")
WATCHED = "recall@20"
STUDENT = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776}
"""97.5th percentile of Student's t by number of seeds."""
Found = dict[str, float]


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
        "split": {"kind": data.split, "seed": seed, "valid": 0.02},
        "reading": {"items": data.items} if data.items else {},
        "seed": seed,
        "epochs": given.epochs,
        "threads": given.threads,
        "model": {"dim": given.dim},
        "evaluation": {"every": float(given.epochs)},
    }
    return RunConfig(**values | dict(asked))


def trained(data: Data, path: Path, read: PairData, seed: int, arm: str, given: argparse.Namespace) -> Found:
    """Test metrics of one run, what its validation part said, and its processor time."""
    asked = config(data, path, seed, ARMS[arm], given)
    task = task_of(asked)
    examples = task.made(read, asked)
    run = prepare(fill(asked, task, examples), examples, task)
    start = time.process_time()
    run.loop.run()
    seconds = time.process_time() - start
    task.complete(run.model, examples)
    return run.evaluate("test").mean | {"seconds": seconds, "valid": run.loop.best_metrics[WATCHED]}


def by_scores(kind: str, asked: RunConfig, examples: Examples[PairData]) -> Found:
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
    parser.add_argument("--arms", default=";".join(list(ARMS)[:5]), help="rows, by semicolon")
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
            rows: dict[str, dict[int, Found]] = {}
            for seed in range(given.seeds):
                of_seed(name, data, path, seed, given, rows)
            for row, found in rows.items():
                print(line(name, row, found, rows.get(BASE, {})), flush=True)


def of_seed(
    name: str, data: Data, path: Path, seed: int, given: argparse.Namespace, rows: dict[str, dict[int, Found]]
) -> None:
    """All rows on one division of the data; each is printed as it comes."""
    plain = config(data, path, seed, {}, given)
    read = task_of(plain).read(path, plain)
    assert isinstance(read, PairData)
    examples = task_of(plain).made(read, plain)

    def keep(row: str, found: Found) -> None:
        rows.setdefault(row, {})[seed] = found
        figures = " ".join(f"{found[key]:.4f}" for key in (*SHOWN, "valid") if key in found)
        print(f"{name}; {row}; seed {seed}: {figures} {found.get('seconds', 0):.0f} s", flush=True)

    for kind in ("random", "popularity"):
        keep(kind, by_scores(kind, plain, examples))
    for arm in given.arms.split(";"):
        keep(arm, trained(data, path, read, seed, arm, given))
    tried = [rows[arm][seed] for arm in CHOICE if seed in rows.get(arm, {})]
    if len(tried) == len(CHOICE):
        keep("chosen", max(tried, key=lambda found: found["valid"]))


def line(name: str, row: str, found: Mapping[int, Found], base: Mapping[int, Found]) -> str:
    """One row of the table: means, intervals, and the difference to the row that all are held against."""
    cells = [name, row, str(len(found))]
    for key in SHOWN[:2]:
        paired = [found[seed][key] - base[seed][key] for seed in found if seed in base]
        cells += [spread([one[key] for one in found.values()]), spread(paired) if row != BASE and paired else ""]
    cells.append(f"{statistics.fmean(one[SHOWN[2]] for one in found.values()):+.2f}")
    return "| " + " | ".join(cells) + " |"


def spread(values: Sequence[float]) -> str:
    """Mean, and half the width of its 95 % interval where there are several.

    >>> spread([0.1, 0.2, 0.3]), spread([0.1])
    ('0.2000 ± 0.2484', '0.1000')
    """
    mean = f"{statistics.fmean(values):.4f}"
    if len(values) not in STUDENT:
        return mean
    return f"{mean} ± {STUDENT[len(values)] * statistics.stdev(values) / len(values) ** 0.5:.4f}"


if __name__ == "__main__":
    main()
