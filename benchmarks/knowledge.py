"""Training rates on a knowledge graph beside PyKEEN's default loop, in one run.

    pip install pykeen==1.11.*                                       # optional: the library to compare with
    OMP_WAIT_POLICY=PASSIVE python benchmarks/knowledge.py --data .../knowledge/fb15k-237
    python benchmarks/knowledge.py                                   # a synthetic graph of that size
    python benchmarks/knowledge.py --quick                           # small, to see that everything runs

Both train on the same triples with the same model, dimension, loss, optimiser, batch and number of uniform negatives a
triple: PyKEEN by its stochastic local closed world loop, which corrupts heads or tails; this package by one query per
triple (``reading.sides=bernoulli``), whose negatives besides are never known positives. They run in turn, A B A B, and
each figure is the median of its runs.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads of one library must not slow the other

import torch

from negatives import kernels
from negatives.config import RunConfig
from negatives.data.triples import TripleData, Triples
from negatives.randomness import Purpose, integers, permutation, stream
from negatives.runs.builder import Trained, fill, prepare, task_of
from negatives.tasks.base import Examples

BATCH = 1024
KEY = stream(0, Purpose.SPLIT)
ADAM = {"name": "adam", "lr": 0.001, "schedule": "constant"}


@dataclass(frozen=True, slots=True)
class Case:
    """What both parties train.

    Args:
        model: Model here, with its dimension.
        loss: Loss here; PyKEEN takes its model's default, which is the same.
        theirs: Model and its options there.
        negatives: Per triple.
        target: Least ratio; None for information alone.
    """

    model: dict[str, Any]
    loss: dict[str, Any]
    theirs: tuple[str, dict[str, Any]]
    negatives: int
    target: float | None = None

    @property
    def name(self) -> str:
        return f"{self.model['name']} d={self.model['dim']}, {self.negatives} negatives"


COMPLEX = {"name": "complex", "dim": 128}
TRANSE = {"name": "transe", "dim": 256, "norm": 1}
CASES = (
    Case(COMPLEX, {"name": "logistic"}, ("ComplEx", {"embedding_dim": 128}), 64, 10.0),
    Case(TRANSE, {"name": "hinge"}, ("TransE", {"embedding_dim": 256, "scoring_fct_norm": 1}), 64, 10.0),
    Case(COMPLEX, {"name": "logistic"}, ("ComplEx", {"embedding_dim": 128}), 1),
    Case(TRANSE, {"name": "hinge"}, ("TransE", {"embedding_dim": 256, "scoring_fct_norm": 1}), 1),
)


def synthetic(folder: Path, entities: int, relations: int, triples: int) -> Path:
    """A file of random triples in which some entities and relations are much more common than others."""
    places = torch.arange(triples)
    columns = []
    for slot, size in enumerate((entities, relations, entities)):
        few, many = integers(KEY, places, 2 * slot, size), integers(KEY, places, 2 * slot + 1, size)
        columns.append((few * many // size).tolist())
    path = folder / "synthetic.tsv"
    path.write_text("".join(f"e{h}\tr{r}\te{t}\n" for h, r, t in zip(*columns, strict=True)))
    return path


def load(path: Path | None, quick: bool) -> Examples:
    """The training triples of ``path``, or synthetic ones where it is absent."""
    if path is not None and not path.exists():
        print(f"{path} is absent; a synthetic graph of the size of FB15k-237 instead")
    with tempfile.TemporaryDirectory() as folder:
        if path is None or not path.exists():
            path = synthetic(Path(folder), *((500, 20, 9_000) if quick else (14_541, 237, 280_000)))
        config = RunConfig(task="knowledge", data=str(path), reading={"sides": "bernoulli"})
        return task_of(config).load(path, config)


def training(examples: Examples, case: Case, threads: int) -> Trained:
    """The product's own loop, without evaluation."""
    config = RunConfig(
        task="knowledge",
        recipe="pairwise",
        model=case.model,
        loss=case.loss,
        sampler={"name": "uniform", "candidates": case.negatives},
        optimiser=ADAM,
        batch_size=BATCH,
        precision="float32",
        threads=threads,
    )
    task = task_of(config)
    trained = prepare(fill(config, task, examples), examples, task)
    trained.loop.evaluate = dict
    return trained


def ours(examples: Examples, case: Case, threads: int, triples: int) -> Callable[[], float]:
    """Triples per second of the loop over about ``triples`` triples."""
    trained = training(examples, case, threads)
    steps = max(1, triples // BATCH)

    def run() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            trained.loop._step()
        return steps * min(BATCH, examples.feed.rows) / (time.perf_counter() - start)

    return run


def theirs(data: TripleData, case: Case, triples: int) -> Callable[[], float] | None:
    """Triples per second of PyKEEN's loop over about ``triples`` triples; None where it is not installed."""
    try:
        import pykeen.models
        from pykeen.training import SLCWATrainingLoop
        from pykeen.triples import CoreTriplesFactory
    except ImportError:
        print("pykeen is not installed; left out (pip install pykeen)")
        return None
    logging.getLogger("pykeen").setLevel(logging.ERROR)
    some: Triples = data.part("train")
    some = some.pick(permutation(KEY, len(some))[: max(BATCH, triples // BATCH * BATCH)])
    mapped = torch.stack([some.heads, some.relations, some.tails], 1)
    factory = CoreTriplesFactory(mapped, num_entities=data.n_entities, num_relations=data.n_relations)
    name, options = case.theirs
    model = getattr(pykeen.models, name)(triples_factory=factory, random_seed=0, **options)
    loop = SLCWATrainingLoop(
        model=model,
        triples_factory=factory,
        optimizer="adam",
        optimizer_kwargs={"lr": ADAM["lr"]},
        negative_sampler="basic",
        negative_sampler_kwargs={"num_negs_per_pos": case.negatives},
    )

    def run() -> float:
        start = time.perf_counter()
        loop.train(factory, num_epochs=1, batch_size=BATCH, use_tqdm=False, use_tqdm_batch=False)
        return len(some) / (time.perf_counter() - start)

    return run


def measure(examples: Examples, case: Case, threads: int, repeats: int, seconds: float) -> bool:
    """Run both in turn and print the row; True unless a target is missed."""
    runs = {"ours": ours(examples, case, threads, BATCH)}
    other = theirs(examples.data, case, BATCH)
    if other is not None:
        runs["theirs"] = other
    sized = {name: max(BATCH, int(seconds * run())) for name, run in runs.items()}  # compiles, and finds the size
    runs["ours"] = ours(examples, case, threads, sized["ours"])
    if other is not None:
        again = theirs(examples.data, case, min(sized["theirs"], len(examples.data.part("train"))))
        assert again is not None
        runs["theirs"] = again
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            rates[name].append(run())
    medians = {name: statistics.median(values) for name, values in rates.items()}
    line = f"{case.name:<32}{medians['ours']:>12,.0f} triples/s"
    if other is None:
        print(line)
        return True
    ratio = medians["ours"] / medians["theirs"]
    line += f", PyKEEN {medians['theirs']:>10,.0f}, ratio {ratio:>6.1f}"
    if case.target is None:
        print(line)
        return True
    print(f"{line}  >= {case.target:g} {'met' if ratio >= case.target else 'MISSED'}")
    return ratio >= case.target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a file or folder of triples")
    parser.add_argument("--threads", type=int, default=kernels.threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="about how long each run takes")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    examples = load(args.data, args.quick)
    print(f"{examples.name}: {examples.notes[-1]}; {args.threads} threads, batches of {BATCH}, Adam")
    seconds, repeats = (0.2, 1) if args.quick else (args.seconds, args.repeats)
    met = [measure(examples, case, args.threads, repeats, seconds) for case in CASES]
    raise SystemExit(0 if all(met) or args.quick else 1)


if __name__ == "__main__":
    main()
