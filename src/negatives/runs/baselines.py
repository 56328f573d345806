"""The simple methods of a task beside its model: computed, chosen on the validation part, and tested on the same test.

Every task names them in :attr:`negatives.tasks.base.Task.baselines`; each is a :class:`CountedModel`. They share a
limit of time. A method says beforehand what it costs, and one that does not fit into what is left is left out; of its
own numbers, only as many values are tried as there is time for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from types import MappingProxyType

from negatives.config import Part, RunConfig, Values
from negatives.data.pairs import SparseFeatures
from negatives.evaluation import Metrics, p_text, paired
from negatives.models import registry
from negatives.models.baselines import CountedModel, Sizes
from negatives.runs.aligned import aligned, fitting
from negatives.tasks.base import AnyTask, Examples
from negatives.tasks.facts import Facts, Offer, build_model

log = logging.getLogger(__name__)

SHARE = 0.1
"""Share of the training's time that all baselines together may take."""
LEAST = 20.0
"""Seconds that they may take however short the training was."""
LEVEL = 0.05
"""Below this p-value a difference counts as more than chance."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A baseline and how good it is on one part.

    Args:
        name: Its name, a row of the table of models.
        params: The values that the validation part chose among those of its grid.
        metrics: Means, and one value for each query where a metric has them.
        seconds: What computing it and evaluating it took, all tried values together.
        model: It, computed with ``params``.
    """

    name: str
    params: Values
    metrics: Metrics
    seconds: float
    model: CountedModel


@dataclass(frozen=True, slots=True)
class Beside:
    """All baselines of a run.

    Args:
        valid: Measured on the validation part; empty where there is none.
        test: Measured on the test part, in the same order.
    """

    valid: list[Measured] = field(default_factory=list)
    test: list[Measured] = field(default_factory=list)

    def values(self) -> Values:
        """What metrics.json and compare.json hold; nothing where nothing was measured."""
        if not self.test:
            return {}
        told = {"baselines": {one.name: dict(one.metrics.mean) for one in self.test}}
        valid = {one.name: dict(one.metrics.mean) for one in self.valid}
        params = {one.name: {"params": one.params, "seconds": one.seconds} for one in self.test}
        return told | {"baselines_valid": valid, "baselines_chosen": params}

    def best(self, metric: str, besides: str = "") -> Measured | None:
        """The baseline of the highest test value, other than the one of a name."""
        having = [one for one in self.test if metric in one.metrics.mean and one.name != besides]
        return max(having, key=lambda one: one.metrics.mean[metric], default=None)

    def verdict(self, name: str, own: Metrics, metric: str, advice: str) -> str:
        """One sentence about the model and the best baseline; empty where nothing was measured.

        Args:
            name: What the model is called.
            own: Its test metrics.
            metric: The watched metric.
            advice: What to try where the model is behind.
        """
        best = self.best(metric, name)
        if best is None or metric not in own.mean:
            return ""
        itself = any(one.name == name for one in self.test)
        mine, theirs = own.mean[metric], best.metrics.mean[metric]
        chance = _chance(own, best.metrics, metric)
        if theirs > mine:
            against = f"{metric} {mine:.4f} against {theirs:.4f} of {best.name}"
            return f"{name} is below {'another' if itself else 'a'} simple method: {against}{chance}. {advice}"
        told = f"the best, {best.name}, reaches {metric} {theirs:.4f}{chance}."
        if itself:
            return f"{name} is a simple method itself, and no other is ahead of it: {told}"
        return f"No simple method is ahead of {name}: {told}"

    def table(self, name: str, own: Metrics, metric: str) -> str:
        """The model and the baselines on the test part as lines of text; after the watched metric as many as fit."""
        shown = [metric, *(one for one in own.mean if one != metric)]
        rows = [(name, own.mean), *((one.name, one.metrics.mean) for one in self.test if one.name != name)]
        body = [(label, *(f"{mean[one]:.4f}" if one in mean else "" for one in shown)) for label, mean in rows]
        return aligned(fitting([("test part", *shown), *body]))


def _chance(one: Metrics, other: Metrics, metric: str) -> str:
    """Whether a difference is more than chance, where both have values of the same queries."""
    mine, theirs = one.per_query.get(metric), other.per_query.get(metric)
    if mine is None or theirs is None or mine.shape != theirs.shape or mine.numel() < 2:
        return ""
    p_value = paired(mine, theirs).p_value
    told = "more than chance" if p_value < LEVEL else "within chance"
    return f"; the difference is {told} ({p_text(p_value)}, paired over queries)"


def advice(task: AnyTask, config: RunConfig, best: Measured) -> str:
    """What to try where a simple method is ahead."""
    tried = task.rivals(config.recipe)
    others = [name for name in task.recipes() if name != config.recipe and name not in tried]
    recipe = [f"another recipe (--recipe {' or '.join(others[:3])})"] if others else []
    more = [f"more epochs (--epochs {2 * config.epochs})" if config.epochs else "more epochs (--epochs)"]
    more = [] if config.until else more  # folds found that more do not help
    chosen = " ".join([f"--model {best.name}", *(f"--set model.{key}={value:g}" for key, value in best.params.items())])
    other = ", ".join([*recipe, *more])
    return f"Try {other}, or take the simple method itself: {chosen}" if other else f"Try the simple method: {chosen}"


def limit(seconds: float) -> float:
    """Seconds that the baselines may take beside a training of so many seconds."""
    return max(LEAST, SHARE * seconds)


def measure(task: AnyTask, examples: Examples[object], config: RunConfig, part: str, seconds: float) -> list[Measured]:
    """Compute the baselines of a task and evaluate them on a part, with numbers that the validation part chooses.

    A method's numbers are tried one after another, each over the values of its grid while the others stay; the best
    value on the watched metric stays. Without a validation part they keep their defaults. On the test part a method is
    given what the task gives a trained model, such as the validation pairs, and is looked at once.

    Args:
        task: The task.
        examples: Its data.
        config: A filled configuration; ``baselines`` says which.
        part: ``valid`` or ``test``.
        seconds: Time for all of them; what does not fit is left out, and said in one line.

    Raises:
        ConfigError: A baseline that was asked for does not exist.
    """
    choice = "valid" if task.can_evaluate("valid", examples) else ""
    if part == "valid" and not choice:
        return []
    found = list(_chosen(task, examples, config, choice, seconds))
    return found if part == "valid" else tested(task, examples, config, found)


def tested(task: AnyTask, examples: Examples[object], config: RunConfig, found: Sequence[Measured]) -> list[Measured]:
    """The same baselines on the test part, after they were given all that is known when a model is used."""
    again = []
    for one in found:
        start = perf_counter()
        task.complete(one.model, examples)
        metrics = task.evaluate(one.model, examples, "test", config)
        again.append(replace(one, metrics=metrics, seconds=one.seconds + perf_counter() - start))
    return again


def beside(
    task: AnyTask,
    examples: Examples[object],
    config: RunConfig,
    seconds: float,
    known: Mapping[str, Values] | None = None,
    measured: Sequence[Measured] | None = None,
) -> Beside:
    """All baselines of a run on both parts, within so many seconds.

    Args:
        task: The task.
        examples: Its data.
        config: A filled configuration.
        seconds: Time for all of them.
        known: Numbers, by name, that were chosen before, for data without a validation part.
        measured: They on the validation part, where they are measured already.
    """
    choice = "valid" if task.can_evaluate("valid", examples) else ""
    found = measured
    if found is None:
        found = list(_chosen(task, examples, config, choice, seconds, known or {}))
    return Beside(list(found) if choice else [], tested(task, examples, config, found))


def sizes_of(examples: Examples[object], facts: Facts) -> Sizes:
    """What the costs of the methods depend on."""
    features = facts["features"]() if "features" in facts else None
    width = features.n_cols if isinstance(features, SparseFeatures) else 0
    catalogue = examples.catalogue
    lengths = catalogue.known.lengths() if catalogue.known is not None else catalogue.counts
    squares = int(lengths.double().square().sum())
    return Sizes(catalogue.n_queries, catalogue.n_items, int(lengths.sum()), squares, examples.feed.rows, width)


def _chosen(
    task: AnyTask,
    examples: Examples[object],
    config: RunConfig,
    part: str,
    seconds: float,
    known: Mapping[str, Values] = MappingProxyType({}),
) -> Iterator[Measured]:
    """Each baseline that can be afforded, with the best of its values from the known ones on; on ``part`` if any."""
    facts = task.facts(config, examples)
    sizes = sizes_of(examples, facts)
    offer = Offer("this data", facts.keys(), task.feeds, task.family)
    left = seconds
    for name in task.simple_methods(config):
        kind = registry.get(name)
        assert issubclass(kind, CountedModel), f"{name} is no baseline"
        reason = kind.missing() or offer.misfit(Part(name))
        cost = 0.0 if reason else kind.seconds(sizes)
        if cost > left:
            reason = (
                f"it would take about {cost:.0f} s, and {left:.0f} s are left"
                if cost < float("inf")
                else "too much data"
            )
        if reason:
            log.info("baselines: %s is left out: %s", name, reason)
            continue
        best, longest = _best(_Trial(task, examples, config, facts, name, part), kind.grid, left, known.get(name, {}))
        left -= best.seconds + longest  # the test part is still to come
        yield best


@dataclass(frozen=True, slots=True)
class _Trial:
    """One baseline with any values."""

    task: AnyTask
    examples: Examples[object]
    config: RunConfig
    facts: Facts
    name: str
    part: str

    def __call__(self, params: Values) -> Measured:
        start = perf_counter()
        model = build_model(Part(self.name, params), self.facts, self.config.seed)
        assert isinstance(model, CountedModel)
        nothing = Metrics({}, {})
        metrics = self.task.evaluate(model, self.examples, self.part, self.config) if self.part else nothing
        return Measured(self.name, params, metrics, perf_counter() - start, model)

    def value(self, one: Measured) -> float:
        """What the choice is made by."""
        return one.metrics.mean.get(self.task.watched(self.config), -float("inf"))


def _best(trial: _Trial, grid: Mapping[str, tuple[float, ...]], left: float, known: Values) -> tuple[Measured, float]:
    """The best of a method's values, with the time of all trials, and the seconds of the longest trial."""
    best = trial(known)
    spent = longest = best.seconds
    for name, values in grid.items() if trial.part else ():
        for value in values[1:]:
            if spent + 2 * longest > left:
                break
            other = trial(best.params | {name: value})
            spent, longest = spent + other.seconds, max(longest, other.seconds)
            best = other if trial.value(other) > trial.value(best) else best
    return replace(best, seconds=spent), longest
