"""Recipes as data: each is whole, says what it said, and can be copied to a file of one's own.

The values are in ``tests/golden/recipes.json``, which ``python tests/unit/tasks/test_recipes.py`` writes anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tomli_w

from negatives import losses
from negatives.config import Part, RunConfig, Values, build, load_config
from negatives.control import build_part
from negatives.errors import ConfigError
from negatives.models import registry as models
from negatives.runs.builder import fill, task_of
from negatives.sampler.build import build as build_sampler
from negatives.sampler.build import resolve
from negatives.sampler.presets import preset
from negatives.sizing import SIZES
from negatives.tasks.base import AnyTask
from negatives.tasks.recipes import load_recipes, load_samplers
from negatives.tasks.registry import registry

GOLDEN = Path(__file__).parents[2] / "golden" / "recipes.json"
TASKS: dict[str, AnyTask] = {name: task_of(RunConfig(task=name)) for name in registry}
FEW = {
    "transformer": ("search", "similarity"),
    **dict.fromkeys(("word2vec", "default", "adaptive", "cbow"), ("words",)),
}
"""Recipes that take few steps on purpose: of models that have learnt before, as published, or for long texts alone."""
RECIPES = [(name, recipe) for name, task in TASKS.items() for recipe in task.recipes()]


def values() -> dict[str, dict[str, Values]]:
    return {name: dict(task.recipes()) for name, task in TASKS.items()}


def test_recipes_say_what_they_said() -> None:
    assert json.loads(GOLDEN.read_text()) == values()


@pytest.mark.parametrize(("task", "recipe"), RECIPES)
def test_a_recipe_is_whole_and_its_copy_is_a_configuration(task: str, recipe: str, tmp_path: Path) -> None:
    lines = TASKS[task].recipes()[recipe]
    path = tmp_path / "mine.toml"
    path.write_text(tomli_w.dumps({"task": task, **lines}))
    config = build([(str(path), load_config(path))])
    assert config.given() == RunConfig(task=task).filled(lines).given()
    config = config.sized(dict.fromkeys(SIZES, 1_000))
    assert not config.sizing
    assert None not in (config.asked("model"), config.loss, config.sampler, config.batch_size, config.epochs)
    assert None not in (config.optimiser.lr, config.precision, config.evaluation.every)
    TASKS[task].check(config)
    assert TASKS[task].watched(config) in TASKS[task].metric_names(config)


@pytest.mark.parametrize(("task", "recipe"), RECIPES)
def test_a_recipe_draws_in_the_form_that_its_loss_asks_for(task: str, recipe: str) -> None:
    """A pool inherited from a recipe with a softmax took `auto` sixteen times as long under a pairwise loss."""
    lines = TASKS[task].recipes()[recipe]
    config = RunConfig(task=task).filled(lines).sized(dict.fromkeys(SIZES, 1_000))
    sampler = config.part("sampler")
    if sampler.name is not None and preset(sampler.name).listwise is not None:
        loss = build_part(losses.registry, config.part("loss"))
        assert resolve(sampler, loss) == resolve(sampler.name, loss)


@pytest.mark.parametrize(("task", "recipe"), RECIPES)
def test_a_recipe_takes_data_of_every_size(task: str, recipe: str) -> None:
    """From one pair to a thousand million: enough steps on little data, and no more on much than people wait for."""
    filled = RunConfig(task=task).filled(TASKS[task].recipes()[recipe])
    before = 0
    for pairs in (1, 100, 1_000, 10_000, 100_000, 1_000_000, 10**9):
        items = pairs // 2 + 1
        found = filled.sized({"pairs": pairs, "items": items, "per_item": pairs / items})
        batches = -(-pairs // min(found.batch_size or 0, pairs))
        found = found.sized({"batches": batches})
        TASKS[task].check(found)
        assert not found.sizing
        assert (found.batch_size or 0) >= before
        before = found.batch_size or 0
        if pairs >= 1_000 and task not in FEW.get(recipe, ()):
            assert batches * (found.epochs or 0) >= 100, pairs


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('[a]\nextends = "b"\n[b]\nextends = "a"', "the recipe b extends 'a'"),
        ('[a]\nextends = "a"', "the recipe a extends 'a'"),
        ('[a]\nextends = "bs"\n[base]\n', "the recipe a extends 'bs'; did you mean base?"),
    ],
)
def test_a_recipe_extends_another_one_of_its_file(lines: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "recipes.toml"
    path.write_text(lines)
    with pytest.raises(ConfigError) as caught:
        load_recipes(path)
    assert str(caught.value).startswith(message)


WORDS = TASKS["words"]
PICKED = {"name": "softmax", "k": 5, "temperature": 1.5, "correction": False}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "text.txt"
    path.write_text("the cat sat on the mat and the dog sat on the log\n" * 50)
    return path


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ({}, {"proposal": {"name": "popularity", "alpha": 0.75}, "candidates": 12}),
        ({"model": "cbow"}, {"proposal": {"name": "popularity", "alpha": 0.75}, "candidates": 12}),
        ({"sampler": {"name": "auto", "select": {"k": 2}}}, {"candidates": 12, "select": PICKED | {"k": 2}}),
        ({"sampler": {"name": "auto", "pool": 64}}, {"pool": 64, "select": PICKED}),
        ({"sampler": {"name": "auto", "proposal": "uniform"}}, {"proposal": "uniform", "candidates": 32}),
        ({"loss": "bpr"}, {"proposal": "uniform", "candidates": 32}),
        ({"model": "glove"}, {"guards": ["known_positives"]}),
        ({"sampler": "uniform"}, {"proposal": "uniform", "candidates": 1}),
    ],
)
def test_a_preset_is_made_of_what_fits_model_and_loss(asked: Values, parts: Values, text: Path) -> None:
    """Uniform noise leaves in word vectors how frequent words are."""
    config = RunConfig.model_validate({"task": "words", "data": str(text), "sampler": "auto", "threads": 1, **asked})
    filled = fill(config, WORDS, WORDS.load(text, config))
    found = resolve(filled.part("sampler"), build_part(losses.registry, filled.part("loss")))
    assert {key: found[key] for key in parts} == parts


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_what_a_preset_is_made_of_can_be_built(task: AnyTask) -> None:
    for name, made in load_samplers(task._file()).items():
        assert made.models <= set(models)
        build_sampler(Part(name, made.parts), 0, build_part(losses.registry, made.loss))


def test_a_preset_says_for_whom_it_is_made_so(tmp_path: Path) -> None:
    path = tmp_path / "recipes.toml"
    path.write_text('[samplers.auto]\nmodels = ["mf"]\ncandidates = 4')
    with pytest.raises(ConfigError, match=r"\[samplers.auto\] has no 'loss'; it says for which models and loss it is"):
        load_samplers(path)
    assert load_recipes(path) == {}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(values(), indent=1, sort_keys=True) + "\n")
