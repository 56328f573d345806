"""Several samplers side by side: equal budget, same data and model, own numbers each, and an honest verdict."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from negatives.config import RunConfig, Values
from negatives.diagnostics import write_report
from negatives.errors import ConfigError, InputError
from negatives.evaluation import Metrics
from negatives.runs import asked as begun
from negatives.runs import queries, steps
from negatives.runs.asked import Asked
from negatives.runs.baselines import limit
from negatives.runs.builder import prepare
from negatives.runs.compared import Runs
from negatives.runs.enough import enough, further
from negatives.runs.results import Result, mean_test, summarise
from negatives.runs.terminal import RunBar, signals_caught, telling
from negatives.runs.tuning import Round, Tuned, cost, planned
from negatives.runs.verdict import numbers_told, table, verdict
from negatives.tasks.base import AnyTask, Examples
from negatives.training.run_folder import BEGUN, COMPARE, REPORT, RunFolder, environment, plain
from negatives.training.taken import taken, tidy

log = logging.getLogger(__name__)


def compare(asked: Asked, *, out: Path | None, command: str = "") -> Path:
    """Train with each sampler over several seeds and write compare.json, per_query.parquet and report.html.

    Args:
        asked: What is compared. Seeds are ``config.seed``, ``config.seed + 1``, ...; tuning is judged on the
            validation part, see :mod:`negatives.runs.tuning`.
        out: Folder; a new one under ``runs/`` when left out. A comparison that was begun there goes on.
        command: The command line, for the report.

    Returns:
        The folder.

    Raises:
        InputError: The folder holds another comparison, or a finished one.
        Interrupted: A signal ended the comparison; what has been trained is saved.
    """
    config = asked.config
    tidy(out)
    if out is not None and begun.unfinished(RunFolder(out)) is None:
        RunFolder(out).check_free()
    with taken(out, config.task, config.data, "compare") as folder, telling(folder, "compare"):
        _into(folder, asked, command)
    return folder.path


def _into(folder: RunFolder, asked: Asked, command: str) -> None:
    """Compare in a folder that is held."""
    config = asked.config
    goes_on = begun.unfinished(folder) is not None
    if not goes_on:
        folder.check_free()
    config, task, examples = steps.load(config)
    if not task.can_evaluate("valid", examples):
        raise InputError(
            "too few pairs for a validation part", path=config.data, hint="give more data, or raise split.valid"
        )
    config, examples, number = enough(task, config, examples)
    asked = Asked(config, asked.contestants, asked.seeds, asked.tune)
    filled = {one.name: one.forms(config, task, examples) for one in asked.contestants}
    _check(filled, task, examples)
    facts = begun.facts(asked, filled, examples)
    if goes_on:
        begun.check_same(folder, facts)
        log.info("going on with the comparison in %s", folder.path)
    steps.tell_sizes((one.asked(config, task, examples) for one in asked.contestants), task, examples)
    plans = [planned(one, asked.tune, config) for one in filled.values()]
    first = next(iter(filled.values()))[0]
    folds = [examples, *(further(task, config, number) if any(plans) else ())]
    log.info(_announced(asked, first, plans, len(folds)))
    results: list[Result] = []
    found: dict[str, Tuned] = {}
    trainings = sum(asked.seeds + len(folds) * sum(one.trials for one in plan) for plan in plans)
    with signals_caught() as caught, closing(RunBar(trainings)) as bar:
        begin = partial(folder.write_json, BEGUN, facts)
        runs = Runs(task, folds, folder, bar, caught, begin, command)
        for name, one in filled.items():
            found[name] = runs.tuned(one, name, asked.tune, config)
            seeds = range(config.seed, config.seed + asked.seeds)
            results += [runs.run(found[name].config, name, seed) for seed in seeds]
    told = {"task": config.task, "data": examples.name, "command": command, "environment": environment(config.threads)}
    chosen = {name: one.told() for name, one in found.items()}
    _write(folder, results, task.watched(first), chosen, told | beside(results, first, task, examples))


def _check(filled: Mapping[str, Sequence[RunConfig]], task: AnyTask, examples: Examples[object]) -> None:
    """Build each sampler's run once, so that what cannot be trained is told before an hour has gone into the others.

    Raises:
        ConfigError: Names the sampler.
    """
    for name, forms in filled.items():
        try:
            prepare(forms[0], examples, task)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error


def _announced(asked: Asked, filled: RunConfig, plans: Sequence[Sequence[Round]], folds: int) -> str:
    """What the comparison will cost, before it begins."""
    most, seeds = max(cost(plan) for plan in plans), asked.seeds
    length = f"{filled.epochs} epoch{'s' * (filled.epochs != 1)}"
    length += f" or {filled.max_seconds:g} s" if filled.max_seconds else ""
    each, tip = f"{seeds} seed{'s' * (seeds > 1)}", ""
    if most:
        each += f" and {min(asked.tune, max(plan[0].trials for plan in plans if plan))} trials"
        each += f" on {folds} folds" if folds > 1 else ""
        each += f", which are worth {folds * most:g} runs, one of them the first seed's"
        tip = "; --tune 0 leaves the search out"
    elif asked.tune > 1:
        tip = "; every number was set, so nothing is tuned"
    whole = sum(seeds + folds * cost(plan) - bool(plan) for plan in plans)
    return f"{len(plans)} samplers, each with {each}: in all {whole:g} runs' worth of training, a run {length}{tip}"


def beside(results: Sequence[Result], config: RunConfig, task: AnyTask, examples: Examples[object]) -> Values:
    """The task's baselines beside the sampler that did best; what compare.json holds of them."""
    metric = task.watched(config)
    best = max(results, key=lambda one: mean_test(results, one.sampler, metric)).sampler
    runs = [one for one in results if one.sampler == best]
    values = {name: torch.stack([one.per_query[name] for one in runs]).mean(0) for name in runs[0].per_query}
    means = {name: mean_test(results, best, name) for name in runs[0].test}
    return steps.beside(
        task, examples, config, best, Metrics(means, values), limit(sum(one.seconds for one in results))
    )


def _write(
    folder: RunFolder, results: Sequence[Result], metric: str, chosen: Mapping[str, Values], told: Mapping[str, object]
) -> None:
    """Write compare.json and the report, and print the outcome."""
    samplers = list(chosen)
    summary = summarise(results, samplers, metric)
    sentence = verdict(summary, metric)
    outcome = {
        "metric": metric,
        "baseline": samplers[0],
        "runs": [one.values() for one in results],
        "summary": [asdict(row) for row in summary],
        "chosen": chosen,
        "verdict": sentence,
    }
    queries.write_all(folder, results)
    folder.write_json(COMPARE, plain({**told, **outcome}))
    write_report([folder.path], folder.path / REPORT)
    print("\n".join(filter(None, (table(summary), numbers_told(chosen), sentence))))
