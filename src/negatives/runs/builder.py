"""From a configuration and data to everything a run needs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from negatives import kernels
from negatives.config import Part, RunConfig, Values, merge
from negatives.control import build_part
from negatives.data.readers.opening import STANDARD_INPUT
from negatives.errors import ConfigError
from negatives.evaluation import Metrics
from negatives.evaluation.naming import top_of
from negatives.guards import FittingKind
from negatives.integrations import loggers
from negatives.kernels.precision import faster_format
from negatives.losses import registry as losses
from negatives.models import Model
from negatives.models.baselines import CountedModel
from negatives.registry import suggest
from negatives.runs.baselines import Measured
from negatives.sampler import Sampler, preset, presets
from negatives.sampler import build as build_sampler
from negatives.tasks.base import AnyTask, Examples, Task
from negatives.tasks.registry import registry
from negatives.tasks.sizes import batch_size, derived, sized
from negatives.training.engines import Update, engine_for, kind_for
from negatives.training.loop import Loop, Plan
from negatives.training.memory import peak_memory_mb
from negatives.training.optimisers import StepSize
from negatives.training.run_folder import environment

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Trained:
    """A finished training, still in memory.

    Args:
        config: With every field filled.
        task: The task.
        examples: The data.
        model: Holding its best state.
        loop: For its counters.
        sampler: For its state and times.
        per_query: Test metrics of each query, once tested.
        simple: Numbers of the simple methods, by name, that folds have chosen.
        measured: The simple methods on the validation part, where they are measured already.
    """

    config: RunConfig
    task: AnyTask
    examples: Examples[object]
    model: Model
    loop: Loop
    sampler: Sampler
    per_query: Mapping[str, Tensor] = field(default_factory=dict)
    simple: Mapping[str, Values] = field(default_factory=dict)
    measured: Sequence[Measured] | None = None

    def evaluate(self, part: str) -> Metrics:
        """Metrics on ``valid`` or ``test``."""
        return self.task.evaluate(self.model, self.examples, part, self.config)

    def summary(self) -> dict[str, Any]:
        """What metrics.json holds, but for the metrics."""
        parts = self.sampler.seconds
        sampling = parts["draw"] + parts["guard"] + parts["select"]
        seconds = max(self.loop.seconds, 1e-9)
        return {
            "task": self.task.name,
            "data": self.examples.name,
            "sampler": str(self.config.sampler),
            "model": str(self.config.model),
            "loss": str(self.config.loss),
            "seed": self.config.seed,
            "watched": self.loop.plan.watch,
            "epochs": self.loop.steps / self.loop.steps_per_epoch,
            "steps": self.loop.steps,
            "best_step": self.loop.best_step,
            "parameters": sum(table.numel() for table in self.model.parameters()),
            "peak_memory_mb": peak_memory_mb(),
            "train_seconds": self.loop.seconds,
            "sampler_share": sampling / seconds,
            "seconds": self.sampler.seconds | self.loop.engine.seconds,
            "unfilled": self.sampler.unfilled,
            "notes": list(self.examples.notes),
            "environment": environment(self.config.threads),
        }


def task_of(config: RunConfig) -> AnyTask:
    """The task of a configuration."""
    task = registry.get(config.task)()
    assert isinstance(task, Task)
    return task


def check(config: RunConfig) -> None:
    """Look up every part by its name, so that a misspelt one is told before any data is read.

    Raises:
        ConfigError: A name or parameter is not known.
    """
    if config.sampler and config.sampler.name:
        build_sampler(config.sampler)
    if config.loss and config.loss.name:
        build_part(losses, config.loss)
    loggers.check(config.log)
    task_of(config).check(config)


def located(config: RunConfig) -> RunConfig:
    """The configuration with the whole path of its data, so that it can be repeated from any folder."""
    if config.data is None or Path(config.data) == STANDARD_INPUT:
        return config
    return config.model_copy(update={"data": str(Path(config.data).absolute())})


def fill(config: RunConfig, task: AnyTask, examples: Examples[object]) -> RunConfig:
    """Fill what was left out from the task's recipe that fits the data."""
    filled = sized(_merged(config, task, examples), examples.catalogue, examples.feed)
    faster = faster_format(_device(filled.device or "cpu").type)
    if filled.precision == "bfloat16" != faster:
        log.warning("this processor emulates bfloat16, which is far slower than float32; leave precision out")
    return filled.model_copy(update={"precision": faster}) if filled.precision == "auto" else filled


def from_data(config: RunConfig, task: AnyTask, examples: Examples[object]) -> list[str]:
    """The numbers that :func:`fill` derives from the sizes of the data, each with what it came from."""
    return derived(_merged(config, task, examples), examples.catalogue, examples.feed)


def _merged(config: RunConfig, task: AnyTask, examples: Examples[object]) -> RunConfig:
    """Filled, with rules where numbers follow from the data."""
    name = task.recipe_name(config, examples.data)
    recipe = dict(task.recipes()[name])
    asked = config.sampler
    if asked and asked.name in presets and config.loss is None:
        loss, own = preset(asked.name).brings, recipe["loss"]
        recipe["loss"] = own if loss in (None, Part.of(own).name) else loss
    model, loss = config.asked("model") or task.model_of(name), config.asked("loss") or str(Part.of(recipe["loss"]))
    if asked:  # draws per row and a shared pool exclude each other
        own = {*asked.params, *(key.removeprefix("sampler.") for key in config.sizing)}
        over = {"pool"} if "candidates" in own else {"candidates"} if "pool" in own else set()
        drawn = Part.of(recipe["sampler"])
        recipe["sampler"] = Part(drawn.name, {key: drawn.params[key] for key in drawn.params if key not in over}).plain
        parts = {key: part for key, part in task.made_of(asked.name, model, loss).items() if key not in over}
        if parts and "proposal" not in own:
            config = config.model_copy(update={"sampler": Part(asked.name, merge(parts, asked.params))})
    recipe["optimiser"] = task.optimiser_for(name, model, loss)
    return config.filled(recipe, f"the recipe {name}").model_copy(update={"recipe": name})


def prepare(config: RunConfig, examples: Examples[object], task: AnyTask) -> Trained:
    """Build everything a run needs, from a filled configuration; nothing is trained yet."""
    device = _device(config.device or "cpu")
    threads = config.threads or kernels.threads()
    kernels.set_threads(threads)
    torch.set_num_threads(threads)
    model = task.model(config, examples)
    choice = config.optimiser
    update = Update(choice.name or "adam", choice.weight_decay or 0.0, config.precision == "bfloat16")
    by_itself = config.device == "auto" and kind_for(model, update.optimiser).on_cpu
    if isinstance(model, CountedModel) or by_itself:
        device = torch.device("cpu")  # what is computed once is computed, and asked, there
    model = model.to(device)
    loss = build_part(losses, config.part("loss"))
    sampler = build_sampler(config.part("sampler"), config.seed, loss)
    if examples.catalogue.item_kinds is not None:
        sampler.guards = [*sampler.guards, FittingKind()]
    sampler.merges = loss.estimates
    sampler.bind(replace(examples.catalogue, top=top_of(task.watched(config))))
    sampler.canaries, sampler.canary_share = examples.canaries, examples.canary_share
    engine = engine_for(model, sampler, loss, update)
    plan = plan_of(config, task, examples)
    loop = Loop(engine, examples.feed.to(device), plan, dict)
    trained = Trained(config, task, examples, model, loop, sampler)
    if task.can_evaluate("valid", examples):
        loop.evaluate = lambda: trained.evaluate("valid").mean
    return trained


def plan_of(config: RunConfig, task: AnyTask, examples: Examples[object]) -> Plan:
    """How long and in what portions a filled configuration trains.

    Raises:
        ConfigError: The task has no such metric to watch.
    """
    choice = config.optimiser
    watched = config.evaluation
    metric, metrics = task.watched(config), task.metric_names(config)
    if metric not in metrics:
        raise ConfigError(f"evaluation.metric: no metric is called {metric!r}; {suggest(metric, metrics)}")
    return Plan(
        epochs=config.epochs or 20,
        batch_size=batch_size(config, examples.feed),
        step_size=StepSize(choice.lr or 0.01, choice.schedule or "constant", choice.warm_up or 0.0),
        seed=config.seed,
        max_seconds=config.max_seconds,
        evaluate_every=watched.every or 1.0,
        evaluate_seconds=watched.seconds,
        until=config.until,
        watch=metric,
        patience=watched.patience,
        save_every=config.save_every,
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no CUDA device is available; leave device out or set device=cpu")
    return torch.device(name)
