"""Two checkouts side by side, bit for bit: the same negatives, splits and metrics on one thread?

    python benchmarks/same.py OLD NEW                            # every case; exit status 1 where anything differs
    python benchmarks/same.py OLD NEW --tasks recommend,words    # some tasks
    python benchmarks/same.py OLD NEW --only recommend/dns       # some cases
    python benchmarks/same.py OLD NEW --list                     # names of the cases

``OLD`` and ``NEW`` are folders that hold ``src/negatives``. For each task and each checkout a process of its own trains
the cases of :data:`CASES` through the command ``train``, on the offline dataset and for a few steps, and notes:

- ``catalogue``: what the sampler was told about the data (counts, known positives, groups, ...);
- ``batches``: queries, positives, examples, epoch and progress of each step;
- ``negatives``: ids, allowed slots, probabilities and weights of each step;
- ``signals``: what the sampler measured and what its controllers set;
- ``metrics``: figures of the validation and test parts, to the last bit;
- ``model``: every number of the model that was kept.

A row of the printed table says ``same``, or what differs first and at which step. Names that only one checkout knows
(a new field of the catalogue, a new signal) are told, but do not count.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

STEPS, QUERIES = 40, 300
"""Steps of one run, and validation queries."""
PRESETS = ("dns", "sir", "simans", "nscaching", "hold", "curriculum", "in_batch", "mixed", "ance", "learned_unigram")
FIELDS = ("ids", "ok", "log_q", "weight", "positive_log_q")
"""What is noted of each step's negatives."""
BATCH = ("queries", "positives", "examples", "epoch", "progress")
STEPWISE = ("batches", "negatives", "signals")
PARTS = ("catalogue", *STEPWISE, "metrics", "model")


def recipe(name: str) -> list[str]:
    """The options that ask for a recipe."""
    return ["--recipe", name]


CASES: dict[str, list[str]] = {
    "recommend": [],
    "recommend/pairwise": recipe("pairwise"),
    **{f"recommend/{name}": ["--sampler", name] for name in PRESETS},
    "knowledge": [],
    "knowledge/pairwise": recipe("pairwise"),
    "graph": [],
    "graph/pairwise": recipe("pairwise"),
    "graph/node2vec": recipe("node2vec"),
    "words": [],
    "words/word2vec": recipe("word2vec"),
    "words/glove": recipe("glove"),
    "search": [],
    "similarity": [],
    "classify": [],
    "classify/pairwise": recipe("pairwise"),
    "language": [],
    "language/bigram": recipe("bigram"),
    "sentences": [],
}
"""Case to the options of ``train`` after the task, which is the name's first part; no options: the default recipe."""


# --- the process that trains -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Notes:
    """Digests of what one run did."""

    found: dict[str, Any] = field(default_factory=lambda: {part: [] if part in STEPWISE else {} for part in PARTS})

    def add(self, part: str, step: int, values: Iterable[tuple[str, Any]]) -> None:
        """One step's digests, by name."""
        self.found[part].append([step, {name: digest(value) for name, value in values}])


def digest(value: Any) -> str | None:
    """A short name for a value and all its bits, tensors and tables of sets among them; None stays None."""
    import torch

    if value is None:
        return None
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        raw = plain.flatten().view(torch.uint8) if plain.numel() else plain.flatten()
        text = f"{plain.dtype} {tuple(plain.shape)}".encode() + bytes(memoryview(raw.numpy()))
    elif hasattr(value, "indptr"):
        text = f"{digest(value.indptr)} {digest(value.indices)} {value.n_cols}".encode()
    else:
        text = repr(value).encode()
    return hashlib.sha256(text).hexdigest()[:16]


def watch(notes: list[Notes], steps: int) -> None:
    """Let the sampler note what it is told, given and returns, and let the loop end after ``steps`` steps."""
    from negatives.sampler.core import Sampler
    from negatives.training.loop import Loop

    bind, sample, observe = Sampler.bind, Sampler.sample, Sampler.observe
    length: Callable[[Any], int] = Loop.total_steps.fget  # type: ignore[attr-defined]

    def bound(self: Any, catalogue: Any) -> Any:
        names = sorted(one.name for one in fields(catalogue) if getattr(catalogue, one.name) is not None)
        notes[-1].found["catalogue"] = {name: digest(getattr(catalogue, name)) for name in names}
        return bind(self, catalogue)

    def sampled(self: Any, context: Any, *rest: Any, **named: Any) -> Any:
        negatives = sample(self, context, *rest, **named)
        notes[-1].add("batches", context.step, ((name, getattr(context, name)) for name in BATCH))
        notes[-1].add("negatives", context.step, ((name, getattr(negatives, name)) for name in FIELDS))
        return negatives

    def observed(self: Any, context: Any, *rest: Any, **named: Any) -> Any:
        measured = observe(self, context, *rest, **named)
        if measured:
            notes[-1].add("signals", context.step, sorted(measured.items()))
        return measured

    Sampler.bind, Sampler.sample, Sampler.observe = bound, sampled, observed  # type: ignore[method-assign]
    Loop.total_steps = property(lambda self: min(length(self), steps))  # type: ignore[assignment,method-assign]


def command(case: str, known: Iterable[str], asked: argparse.Namespace, out: Path) -> list[str]:
    """The words of one case's command; sentences were once a recipe of the task ``language``."""
    task, options = case.split("/")[0], CASES[case]
    if task not in known:
        task, options = "language", recipe(task)
    more = ["--epochs", str(asked.epochs)] if asked.epochs else []
    ends = ["--threads", "1", "--seed", str(asked.seed), "--set", f"evaluation.queries={QUERIES}", "--out", str(out)]
    return ["train", task, *options, *more, *ends]


def child(asked: argparse.Namespace, cases: list[str]) -> None:
    """Train each case and print one line of JSON for it."""
    from safetensors.torch import load_file

    import negatives
    from negatives.cli import main as run
    from negatives.tasks.registry import registry

    at = Path(negatives.__file__).resolve()
    assert at.is_relative_to(asked.old), f"{at} is not in {asked.old}"
    notes: list[Notes] = []
    watch(notes, asked.steps)
    answers, sys.stdout = sys.stdout, sys.stderr
    for case in cases:
        notes.append(Notes())
        found = notes[-1].found
        with TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            found["status"] = run(command(case, registry, asked, out))
            if found["status"] == 0:
                metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
                parts = {part: metrics.get(part) or {} for part in ("valid", "test")}
                found["metrics"] = {f"{part} {name}": value for part in parts for name, value in parts[part].items()}
                found["metrics"] |= {name: metrics[name] for name in ("steps", "best_step", "unfilled")}
                tensors = load_file(out / "model.safetensors")
                found["model"] = {name: digest(tensors[name]) for name in sorted(tensors) if name[:6] == "model."}
        print(json.dumps({"case": case} | found), file=answers, flush=True)


# --- the process that compares -----------------------------------------------------------------------------------


def trained(checkout: Path, cases: list[str], asked: argparse.Namespace) -> dict[str, Any]:
    """What a checkout does in each case."""
    words = [sys.executable, str(Path(__file__).resolve()), str(checkout), str(checkout), "--child"]
    words += ["--only", ",".join(cases), "--steps", str(asked.steps), "--seed", str(asked.seed)]
    words += ["--epochs", str(asked.epochs)] if asked.epochs else []
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    environment = os.environ | threads | {"PYTHONPATH": str(checkout / "src"), "PYTHONHASHSEED": "0"}
    with TemporaryDirectory() as folder:
        done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    found = {one["case"]: one for one in map(json.loads, done.stdout.splitlines())}
    for case in cases:
        if found.get(case, {"status": 1})["status"] != 0:
            tail = "\n    ".join(done.stderr.strip().splitlines()[-8:])
            found[case] = {"status": f"failed in {checkout}:\n    {tail}"}
    return found


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What differs, and what only one of both knows."""
    for one in (old, new):
        if one["status"] != 0:
            return [str(one["status"])], []
    faults, alone = [], []
    for part in PARTS:
        if part not in STEPWISE:
            unequal, only = _unequal(old[part], new[part])
            alone += [f"{part}.{name}" for name in only]
            more = f" and {len(unequal) - 4} more" if len(unequal) > 4 else ""
            faults += [f"{part}: {', '.join(unequal[:4])}{more}"] if unequal else []
            continue
        if len(old[part]) != len(new[part]):
            faults.append(f"{part}: of {len(old[part])} steps and of {len(new[part])}")
        for (step, before), (other, after) in zip(old[part], new[part], strict=False):
            unequal, only = _unequal(before, after)
            alone += [f"{part}.{name}" for name in only]
            if unequal or step != other:
                faults.append(f"{part}: {', '.join(unequal) or 'the number'} from step {step}")
                break
    return faults, sorted(set(alone))


def _unequal(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    shared = [name for name in old if name in new]
    return [name for name in shared if old[name] != new[name]], sorted(set(old) ^ set(new))


def compare(asked: argparse.Namespace, cases: list[str]) -> int:
    """Print one row for each case; the number of those that differ."""
    differing = 0
    width = max(map(len, cases))
    for task in dict.fromkeys(case.split("/")[0] for case in cases):
        mine = [case for case in cases if case.split("/")[0] == task]
        old, new = trained(asked.old, mine, asked), trained(asked.new, mine, asked)
        for case in mine:
            faults, alone = differences(old[case], new[case])
            differing += bool(faults)
            steps = len(old[case].get("negatives", []))
            told = "differs: " + "; ".join(faults) if faults else f"same over {steps} steps"
            print(f"{case:<{width}}  {told}", flush=True)
            if alone:
                print(f"{'':<{width}}  only in one: {', '.join(alone)}")
    return differing


def main() -> int:
    """Compare two checkouts; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, nargs="?", help="folder that holds src/negatives")
    parser.add_argument("new", type=Path, nargs="?", help="folder that holds src/negatives")
    parser.add_argument("--tasks", help="these tasks alone, separated by commas")
    parser.add_argument("--only", help="these cases alone, separated by commas")
    parser.add_argument("--epochs", type=int, help="passes over the data at most; the recipe's by default")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps of each run at most; {STEPS} by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.old, asked.new = (one and one.resolve() for one in (asked.old, asked.new))
    cases = asked.only.split(",") if asked.only else list(CASES)
    if asked.tasks:
        cases = [case for case in cases if case.split("/")[0] in asked.tasks.split(",")]
    if asked.list:
        print("\n".join(cases))
        return 0
    if unknown := [case for case in cases if case not in CASES]:
        parser.error(f"no case is called {', '.join(unknown)}")
    if asked.new is None or not cases:
        parser.error("give two checkouts and at least one case")
    if asked.child:
        child(asked, cases)
        return 0
    return int(compare(asked, cases) > 0)


if __name__ == "__main__":
    sys.exit(main())
