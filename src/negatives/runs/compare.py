"""Several samplers side by side: equal budget, same data and model, own step size each, and an honest verdict."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from negatives.config import Part, RunConfig, Values
from negatives.diagnostics import Probes, Recorder, write_report
from negatives.errors import InputError, Interrupted, NonFiniteScores
from negatives.evaluation import holm, interval, p_text, paired, seconds_to
from negatives.runs.builder import Trained, check, fill, located, prepare, task_of
from negatives.runs.terminal import Begin, signals_caught
from negatives.tasks.base import AnyTask, Examples
from negatives.training.callbacks import Callback, Evaluation
from negatives.training.run_folder import COMPARE, CONFIG, HISTORY, METRICS, REPORT, RunFolder, environment

log = logging.getLogger(__name__)

TRIALS = ((1.0, 1.0), (3.0, 1.0), (0.3, 1.0), (1.0, 0.1), (3.0, 0.1), (1.0, 10.0), (0.3, 0.1), (3.0, 10.0), (10.0, 1.0))
"""Factors on the recipe's step size and regularisation, in the order in which they are tried."""
TRIAL_SHARE = 0.25
"""Share of a run's budget that a trial may spend."""
EVALUATIONS = 24
"""Points on a learning curve."""


@dataclass(slots=True)
class Curve(Callback):
    """The learning curve of one run.

    Args:
        metric: Which metric to note.
        points: ``[seconds, epoch, value]``.
    """

    metric: str
    points: list[list[float]]

    def on_evaluation(self, evaluation: Evaluation) -> None:
        self.points.append([evaluation.seconds, evaluation.epoch, evaluation.metrics[self.metric]])


@dataclass(slots=True)
class Result:
    """One finished run of a comparison."""

    sampler: str
    seed: int
    trained: Trained
    curve: list[list[float]]
    test: Mapping[str, float]
    per_query: Mapping[str, Tensor]


def compare(
    config: RunConfig, samplers: Sequence[str], *, seeds: int, tune: int, out: Path | None, command: str = ""
) -> Path:
    """Train with each sampler over several seeds and write compare.json and report.html.

    Args:
        config: Everything the runs share.
        samplers: Preset names; the first is the baseline.
        seeds: Runs of each sampler, with seeds ``config.seed``, ``config.seed + 1``, ...
        tune: Trials of step size and regularisation for each sampler, each a quarter of a run long and judged on
            the validation part; 0 for the recipe's own.
        out: Folder; a new one under ``runs/`` when left out.
        command: The command line, for the report.

    Returns:
        The folder.

    Raises:
        Interrupted: A signal ended the comparison; the finished runs stay.
    """
    folder = RunFolder(out) if out else RunFolder.new(config.task, config.data, "compare")
    folder.check_free()
    check(config)
    task = task_of(config)
    config = located(config)
    examples = task.load(Path(config.data) if config.data else None, config)
    if not task.can_validate(examples):
        raise InputError(
            "too few pairs for a validation part", path=config.data, mend="give more data, or raise split.valid"
        )
    for note in examples.notes:
        log.info(note)
    filled = [_shared(config, name, task, examples) for name in samplers]
    results: list[Result] = []
    chosen: dict[str, Values] = {}
    with signals_caught() as caught:
        bar = tqdm(total=len(samplers) * (seeds + tune), unit="run", disable=None, file=sys.stderr)
        for name, one in zip(samplers, filled, strict=True):
            one, tried = _tuned(one, examples, task, tune, bar, caught)
            chosen[name] = {"lr": one.optimiser.lr, "weight_decay": one.optimiser.weight_decay, "trials": tried}
            for seed in range(config.seed, config.seed + seeds):
                bar.set_description(f"{name}, seed {seed}")
                place = RunFolder(folder.path / f"{name}-{seed}")
                results.append(_run(one.model_copy(update={"seed": seed}), name, examples, task, place, caught))
                bar.update(1)
        bar.close()
    metric = task.watched(filled[0])
    _write(folder, results, samplers, metric, chosen, command, config)
    return folder.path


def _shared(config: RunConfig, name: str, task: AnyTask, examples: Examples[object]) -> RunConfig:
    """The configuration of one sampler: only the sampler, and the loss it needs, differ from the others."""
    base = (
        config if config.recipe or config.model else config.model_copy(update={"recipe": task.shared_recipe(examples)})
    )
    sampler = Part(name, base.sampler.params if base.sampler else {})  # for instance candidates, the same for all
    asked = RunConfig.model_validate({**base.model_dump(exclude_unset=True), "recipe": base.recipe, "sampler": sampler})
    filled = fill(asked, task, examples)
    every = (filled.epochs or 20) / EVALUATIONS
    seconds = filled.max_seconds / EVALUATIONS if filled.max_seconds else None
    watched = filled.evaluation.model_copy(update={"every": every, "seconds": seconds, "patience": None})
    return filled.model_copy(update={"evaluation": watched})


def _tuned(
    config: RunConfig, examples: Examples[object], task: AnyTask, tune: int, bar: Any, caught: list[int]
) -> tuple[RunConfig, list[Values]]:
    """The configuration with the step size and regularisation that did best on the validation part."""
    best, best_value, tried = config, -1.0, []
    for lr_factor, decay_factor in TRIALS[: min(tune, len(TRIALS))]:
        choice = config.optimiser
        optimiser = choice.model_copy(
            update={"lr": (choice.lr or 0.01) * lr_factor, "weight_decay": (choice.weight_decay or 0.0) * decay_factor}
        )
        epochs = max(1, round((config.epochs or 20) * TRIAL_SHARE))
        seconds = config.max_seconds * TRIAL_SHARE if config.max_seconds else None
        watched = config.evaluation.model_copy(update={"every": float(epochs), "seconds": seconds})
        trial = config.model_copy(
            update={"optimiser": optimiser, "epochs": epochs, "max_seconds": seconds, "evaluation": watched}
        )
        bar.set_description(f"{config.sampler}, lr {optimiser.lr:g}, weight_decay {optimiser.weight_decay:g}")
        trained = prepare(trial, examples, task)
        value = _trial(trained, caught)
        tried.append({"lr": optimiser.lr, "weight_decay": optimiser.weight_decay, "valid": value})
        if value > best_value:
            best, best_value = config.model_copy(update={"optimiser": optimiser}), value
        bar.update(1)
    return best, tried


def _trial(trained: Trained, caught: list[int]) -> float:
    trained.loop.stop = lambda: bool(caught)
    try:
        trained.loop.run()
    except NonFiniteScores:
        return 0.0  # this step size diverges
    if caught:
        raise Interrupted(caught[0])
    return trained.loop.best


def _run(
    config: RunConfig, name: str, examples: Examples[object], task: AnyTask, folder: RunFolder, caught: list[int]
) -> Result:
    trained = prepare(config, examples, task)
    curve = Curve(trained.loop.plan.watch, [[0.0, 0.0, trained.evaluate("valid").mean[trained.loop.plan.watch]]])
    begin = Begin(lambda: folder.write_toml(CONFIG, config.given()))
    probes = Probes(examples.catalogue.counts)
    trained.loop.callbacks = [begin, probes, Recorder(folder.path / HISTORY, probes), curve]
    trained.loop.stop = lambda: bool(caught)
    try:
        trained.loop.run()
    except NonFiniteScores as error:
        log.warning("%s, seed %d: %s; the best state before that is tested", name, config.seed, error)
        trained.loop.restore_best()
    if caught:
        raise Interrupted(caught[0])
    task.complete(trained.model, examples)
    test = trained.evaluate("test")
    whole = trained.summary() | {"test": dict(test.mean), "valid": trained.loop.best_metrics}
    folder.write_json(METRICS, whole)
    return Result(name, config.seed, trained, curve.points, test.mean, test.per_query)


def _write(
    folder: RunFolder,
    results: Sequence[Result],
    samplers: Sequence[str],
    metric: str,
    chosen: Mapping[str, Values],
    command: str,
    config: RunConfig,
) -> None:
    runs = [
        {
            "sampler": one.sampler,
            "seed": one.seed,
            "test": dict(one.test),
            "train_seconds": one.trained.loop.seconds,
            "curve": one.curve,
        }
        for one in results
    ]
    summary = summarise(results, samplers, metric)
    whole = {
        "task": config.task,
        "data": results[0].trained.examples.name,
        "metric": metric,
        "baseline": samplers[0],
        "runs": runs,
        "summary": summary,
        "chosen": chosen,
        "verdict": verdict(summary, metric),
        "command": command,
        "environment": environment(config.threads),
    }
    folder.write_json(COMPARE, whole)
    write_report([folder.path], folder.path / REPORT)
    print(table(summary))
    print(whole["verdict"])


def summarise(results: Sequence[Result], samplers: Sequence[str], metric: str) -> list[Values]:
    """One row per sampler and metric: mean, interval over queries, corrected p-value against the baseline, times."""
    names = list(results[0].per_query)
    rows: list[Values] = []
    by_sampler = {name: [one for one in results if one.sampler == name] for name in samplers}
    level = _baseline_level(by_sampler[samplers[0]])
    for measured in names:
        means = {name: _over_seeds(by_sampler[name], measured) for name in samplers}
        base = means[samplers[0]]
        tests = {name: paired(means[name], base) for name in samplers[1:]}
        corrected = dict(zip(tests, holm([one.p_value for one in tests.values()]), strict=True))
        for name in samplers:
            mine = by_sampler[name]
            own = name == samplers[0]  # the baseline's time is the one to its own best
            times = [_seconds(one, _best(one) if own else level) for one in mine] if measured == metric else []
            reached = [time for time in times if time is not None]
            rows.append(
                {
                    "sampler": name,
                    "metric": measured,
                    "mean": float(means[name].mean()),
                    "interval": list(interval(means[name])),
                    "seeds": [one.test[measured] for one in mine],
                    "gain": float((means[name].mean() - base.mean()) / base.mean().abs().clamp(min=1e-12)),
                    "difference_interval": list(tests[name].interval) if name in tests else None,
                    "p_value": corrected.get(name),
                    "train_seconds": sum(one.trained.loop.seconds for one in mine) / len(mine),
                    "seconds_to_baseline": sum(reached) / len(reached)
                    if reached and len(reached) == len(mine)
                    else None,
                }
            )
    return rows


def _best(run: Result) -> float:
    return max(value for _, _, value in run.curve)


def _baseline_level(runs: Sequence[Result]) -> float:
    """The baseline's best validation value, averaged over its seeds."""
    return sum(map(_best, runs)) / len(runs)


def _seconds(run: Result, value: float) -> float | None:
    return seconds_to([(seconds, reached) for seconds, _, reached in run.curve], value)


def _over_seeds(runs: Sequence[Result], metric: str) -> Tensor:
    return torch.stack([one.per_query[metric] for one in runs]).mean(0)


def verdict(summary: Sequence[Values], metric: str) -> str:
    """One sentence that says who won, and whether that is more than chance."""
    rows = [row for row in summary if row["metric"] == metric]
    best = max(rows, key=lambda row: row["mean"])
    base = rows[0]
    if best is base:
        return f"{base['sampler']} did best: no other sampler had a higher {metric} than {base['mean']:.4f}."
    chance = (
        f"more than chance ({p_text(best['p_value'])}, paired over queries, Holm-corrected)"
        if best["p_value"] is not None and best["p_value"] < 0.05
        else f"within chance ({p_text(best['p_value'])})"
    )
    sentence = (
        f"{best['sampler']} did best: {metric} {best['mean']:.4f} against {base['mean']:.4f} of {base['sampler']} "
        f"({best['gain']:+.1%}), which is {chance}."
    )
    if best["seconds_to_baseline"] is not None and base["seconds_to_baseline"]:
        share = best["seconds_to_baseline"] / base["seconds_to_baseline"]
        sentence += f" It reached {base['sampler']}'s best validation {metric} in {share:.0%} of its time."
    return sentence


def table(summary: Sequence[Values]) -> str:
    """The summary as lines of text."""
    lines = [f"{'sampler':<18}{'metric':<14}{'mean':>8}  {'95 % interval':<18}{'gain':>8}{'p':>10}{'to baseline':>13}"]
    for row in summary:
        low, high = row["interval"]
        p_value = "" if row["p_value"] is None else p_text(row["p_value"])[2:].removeprefix("= ")
        time = "" if row["seconds_to_baseline"] is None else f"{row['seconds_to_baseline']:.1f} s"
        lines.append(
            f"{row['sampler']:<18}{row['metric']:<14}{row['mean']:>8.4f}  {f'{low:.4f} to {high:.4f}':<18}"
            f"{row['gain']:>+8.1%}{p_value:>10}{time:>13}"
        )
    return "\n".join(lines)
