"""Negatives that trainers have themselves beside ours, after equal steps: the table of docs/integrations.md.

    python benchmarks/trainers.py lightning
    python benchmarks/trainers.py text --data path/to/scifact
    python benchmarks/trainers.py metric --seeds 5
    python benchmarks/trainers.py metric --part valid          # to choose by

What is trained stands in ``examples/``. The interval of a mean is Student's over seeds; the difference to the first arm
is paired by seed. With ``--keep FILE`` finished runs are kept there and not run again.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import negatives
from negatives.evaluation.significance import interval

EXAMPLES = Path(__file__).parents[1] / "examples"
STUDIES = {
    "lightning": ("lightning_towers", "recommend", 400, "recall@20"),
    "text": ("text_negatives", "search", 200, "ndcg@10"),
    "metric": ("metric_miner", None, 200, "MAP@R"),
}
"""File, task whose data is loaded, steps and metric."""


def example(name: str) -> ModuleType:
    """A file of ``examples/`` as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def figures(given: argparse.Namespace) -> dict[str, list[float]]:
    """By arm, the metric of each seed."""
    name, task, steps, _ = STUDIES[given.study]
    module = example(name)
    if hasattr(module, "quiet"):
        module.quiet()
    data: Any = negatives.load(task, given.data) if task else module.digits()
    kept: dict[str, float] = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else {}
    found: dict[str, list[float]] = {}
    for seed in range(given.seeds):
        for arm in given.arms or module.ARMS:
            key = f"{given.study} {given.data} {given.part} {given.steps or steps} {arm} {seed}"
            if key not in kept:
                kept[key] = module.run(data, arm, given.steps or steps, seed, given.part)
                print(key, f"{kept[key]:.4f}", flush=True)
                if given.keep:
                    given.keep.write_text(json.dumps(kept, indent=1))
            found.setdefault(arm, []).append(kept[key])
    return found


def table(found: dict[str, list[float]], metric: str) -> str:
    """Means with intervals, and differences to the first."""
    lines = [f"| negatives | {metric} | less the first |", "|---|---|---|"]
    first = torch.tensor(next(iter(found.values())), dtype=torch.float64)
    for arm, values in found.items():
        column = torch.tensor(values, dtype=torch.float64)
        gap = column - first
        low, high = interval(column)
        below, above = interval(gap)
        told = f"{float(gap.mean()):+.3f} ({below:+.3f} to {above:+.3f})"
        lines.append(f"| {arm} | {float(column.mean()):.3f} ({low:.3f} to {high:.3f}) | {told} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--data", type=str, default=None, help="a path; the offline data when left out")
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--arms", type=lambda text: text.split(";"), default=None, help="some of them, divided by ;")
    parser.add_argument("--keep", type=Path, default=None)
    given = parser.parse_args()
    print(table(figures(given), STUDIES[given.study][3]))


if __name__ == "__main__":
    main()
