"""The search of a sampler's numbers: what is searched, at what cost, and that it finds what was planted."""

from __future__ import annotations

import math
from typing import Any

import pytest

from negatives import guards, proposals, selection
from negatives.config import Part, RunConfig
from negatives.control import build_part
from negatives.control import registry as controls
from negatives.losses import registry as losses
from negatives.parameters import Range
from negatives.runs.numbers import numbers, with_numbers
from negatives.runs.tuning import candidates, cost, planned, rounds, tuned
from negatives.sampler import build, presets


def filled(sampler: Any = "sir", loss: Any = "bpr", **optimiser: float) -> RunConfig:
    given = {"lr": 0.1, "weight_decay": 0.01} | optimiser
    return RunConfig(task="recommend", sampler=sampler, loss=loss, optimiser=given, epochs=8)  # type: ignore[arg-type]


def test_ranges_lead_from_low_over_the_own_value_to_high() -> None:
    width = Range(0.1, 10.0, relative=True)
    assert [width.at(share, 3.0) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == [0.3, 0.9487, 3.0, 9.487, 30.0]
    assert Range(0.0, 1.0, log=False).at(0.75, 0.5) == 0.75
    assert [Range(0.125, 4.0, whole=True, relative=True).at(share, 1) for share in (0.0, 0.2, 1.0)] == [1, 1, 4]
    assert Range(1.0, 4.0).at(1.0, 9.0) == 9.0, "what the recipe says is never out of range"
    for low, high, log in ((0.0, 1.0, True), (2.0, 1.0, False)):
        with pytest.raises(ValueError, match="is no range"):
            Range(low, high, log=log)


@pytest.mark.parametrize(
    ("sampler", "loss", "own"),
    [
        ("sir", "bpr", {"sampler.candidates": 32, "sampler.select.temperature": 0.5}),
        ("softmax", "info_nce", {"sampler.pool": 2048, "loss.temperature": 0.1}),
        (
            "nv_retriever",
            "bpr",
            {"sampler.candidates": 50, "sampler.proposal.stop": 100, "sampler.guards.1.share": 0.95},
        ),
        ("curriculum", "bpr", {"sampler.candidates.start": 2, "sampler.candidates.stop": 128}),
        ("auto", "bpr", {"sampler.candidates": 32}),
        ("auto", "sampled_softmax", {"sampler.pool": 2048, "loss.temperature": 1.0}),
        ("hold", "bpr", {"sampler.candidates": 64, "sampler.select.temperature.target": 0.35}),
        (
            "near_positive",
            {"name": "ccl", "weight": 9.0},
            {
                "sampler.candidates": 5, "sampler.proposal.weights.0": 4.0, "sampler.proposal.parts.0.alpha": 0.75,
                "sampler.proposal.parts.1.n": 100, "loss.margin": 0.9, "loss.weight": 9.0,
            },
        ),
    ],
)  # fmt: skip
def test_a_sampler_names_its_numbers(sampler: str, loss: Any, own: dict[str, float]) -> None:
    found = numbers(filled(sampler, loss))
    both = {"optimiser.lr": 0.1, "optimiser.weight_decay": 0.01}
    assert {path: one.own for path, one in found.items()} == own | both
    whole = {path for path, one in found.items() if one.range.whole}
    assert whole == {path for path in own if path.startswith("sampler.") and isinstance(own[path], int)}


TABLES = (proposals.registry, selection.registry, selection.difficulties, guards.registry, losses, controls)


def test_parts_name_numbers_that_they_have() -> None:
    found = 0
    for table in TABLES:
        for name in table:
            parameters = table.parameters(name)
            for path, width in getattr(table.get(name), "tunable").items():  # noqa: B009
                parameter = parameters[path.partition(".")[0]]
                own = parameter.default
                if isinstance(own, (int, float)) and own > 0 and not width.relative:
                    assert width.low <= own <= width.high, f"{name}.{path}"
                if parameter.annotation is int:
                    assert width.whole, f"{name}.{path}"
                found += 1
    assert found > 35


def test_a_number_at_zero_is_left_alone() -> None:
    assert "optimiser.weight_decay" not in numbers(filled(weight_decay=0.0))
    assert "loss.margin" not in numbers(filled(loss="logistic"))
    assert "loss.margin" in numbers(filled(loss={"name": "logistic", "margin": 9.0}))


@pytest.mark.parametrize("name", sorted(presets))
def test_every_candidate_of_every_preset_can_be_built(name: str) -> None:
    for one in candidates(filled(name, "info_nce"), 16):
        build(one.config.part("sampler"))
        build_part(losses, one.config.part("loss"))
        assert one.config.part("sampler").name == name
        assert {path: number.own for path, number in numbers(one.config).items()} == one.values


def test_what_the_user_set_stays() -> None:
    asked = RunConfig(
        task="recommend",
        sampler={"select": {"temperature": 0.5}},  # type: ignore[arg-type]
        optimiser={"lr": 0.3},  # type: ignore[arg-type]
    )
    assert set(numbers(filled(lr=0.3), asked)) == {"optimiser.weight_decay", "sampler.candidates"}
    given = RunConfig.model_validate(asked.model_dump(exclude_unset=True) | {"sampler": {"candidates": 8}})
    assert "sampler.candidates.stop" not in numbers(filled("curriculum"), given)
    everything = filled("uniform").model_copy(update={"sampler": Part("uniform", {"candidates": 1})})
    assert len(candidates(everything, 8, everything)) == 1
    assert planned([everything], 8, everything) == []
    assert tuned(everything, 8, lambda *_: math.nan, everything).told()["trials"] == []


def test_numbers_are_put_where_they_stand() -> None:
    config = with_numbers(filled("near_positive"), {"optimiser.lr": 0.2, "sampler.proposal.parts.0.alpha": 0.5})
    assert config.optimiser.lr == 0.2
    assert config.part("sampler").params["proposal"]["parts"][0] == {"name": "popularity", "alpha": 0.5}
    own = with_numbers(filled(Part(None, {"proposal": "popularity", "candidates": 3})), {"sampler.proposal.alpha": 0.1})
    assert own.part("sampler").params["proposal"] == {"name": "popularity", "alpha": 0.1}


def test_more_candidates_keep_those_of_fewer() -> None:
    config = filled()
    few, many = ([one.values for one in candidates(config, n)] for n in (4, 16))
    assert many[:4] == few
    assert few[0] == {path: one.own for path, one in numbers(config).items()}
    assert candidates(config, 4)[0].config is config
    assert [one.values for one in candidates(filled(), 4)] == few
    other = config.model_copy(update={"seed": 1})
    assert [one.values for one in candidates(other, 4)][1:] != few[1:]
    for path in few[0]:
        found = [one[path] for one in many]
        assert min(found) < few[0][path] < max(found)


def test_all_samplers_try_the_same_step_sizes() -> None:
    """A sampler must not be ahead because its points were luckier."""
    tried = {}
    for name in ("uniform", "dns", "popularity"):
        found = candidates(filled(name), 8)
        assert len(found[0].values) == {"uniform": 3, "dns": 3, "popularity": 4}[name]
        tried[name] = [(one.values["optimiser.lr"], one.values["optimiser.weight_decay"]) for one in found]
    assert tried["uniform"] == tried["dns"] == tried["popularity"]
    assert len(set(tried["dns"])) == 8


def test_numbers_that_samplers_share_are_tried_alike() -> None:
    """A mixture's weight or an exponent, which only some have, must not deal them another temperature."""
    shared = ("optimiser.lr", "sampler.pool", "loss.temperature")
    tried = []
    for name in ("softmax", "in_batch", "mixed", "auto"):
        found = candidates(filled(name, "sampled_softmax"), 8)
        tried.append([[one.values[path] for path in shared] for one in found])
    assert all(one == tried[0] for one in tried)
    assert len(set(map(tuple, tried[0]))) == 8


FORMS = [filled("auto"), filled("auto", "sampled_softmax", lr=0.02), filled("auto", "logistic")]


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_the_form_that_is_ahead_gets_the_further_candidates(ahead: int) -> None:
    """And these are the numbers that a sampler of one form tries."""
    own = FORMS[ahead].part("loss").name

    def judge(number: int, config: RunConfig, share: float) -> float:
        return float(config.part("loss").name == own) - 0.1 * (number != 7)

    for n, tried in ((8, 10), (5, 7), (4, 5)):
        found = tuned(FORMS[0], n, judge, others=FORMS[1:])
        assert [one.config.part("loss").name for one in found.trials] == [
            *("bpr", "sampled_softmax", "logistic"),
            *[own] * (tried - 3),
        ]
        further = candidates(FORMS[ahead], n)[1:]
        assert [one.values for one in found.trials[3:]] == [one.values for one in further][: tried - 3]
        assert found.best == (7 if n == 8 else ahead)
        assert planned(FORMS, n)[0].trials == len(found.trials) == tried
    for n in (1, 2):
        assert len(tuned(FORMS[0], n, judge, others=FORMS[1:]).trials) == n
    assert planned(FORMS, 1) == planned(FORMS, 0) == []


@pytest.mark.parametrize("forms", [1, 2, 3])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 8, 16, 40])
def test_the_cost_is_what_is_trained(n: int, forms: int) -> None:
    """And no sampler's search costs more than that of another because it has more forms."""
    trained: dict[int, float] = {}
    asked: list[float] = []

    def judge(number: int, config: RunConfig, share: float) -> float:
        asked.append(share - trained.get(number, 0.0))
        trained[number] = share
        return -float(number)

    tuned(FORMS[0], n, judge, others=FORMS[1:forms])
    plan = planned(FORMS[:forms], n)
    assert sum(asked) == pytest.approx(cost(plan))
    assert cost(plan) <= cost(rounds(n))
    assert len(trained) == plan[0].trials >= n
    assert sorted(trained.values())[-1] == 1.0
    assert forms > 1 or (len(trained) == n and sorted(trained.values())[-2:] == [1.0, 1.0])
    assert len(asked) == sum(one.trials for one in plan)
    assert min(asked) >= 0.125


def test_each_round_keeps_the_better_half() -> None:
    values = [0.3, 0.1, 0.8, 0.2, 0.5, 0.4, 0.7, 0.6]
    seen: dict[float, list[int]] = {}

    def judge(number: int, config: RunConfig, share: float) -> float:
        seen.setdefault(share, []).append(number)
        return values[number] if (number, share) != (2, 1.0) else 0.65

    found = tuned(filled(), 8, judge)
    assert seen == {0.25: list(range(8)), 0.5: [2, 4, 6, 7], 1.0: [2, 6]}
    assert found.best == 6
    told = found.told()
    assert told["trial"] == 6
    assert told["values"] == found.trials[6].values
    assert [one["share"] for one in told["trials"]] == [0.25, 0.25, 1.0, 0.25, 0.5, 0.25, 1.0, 0.5]
    assert [one["valid"] for one in told["trials"]] == [0.3, 0.1, 0.65, 0.2, 0.5, 0.4, 0.7, 0.6]


@pytest.mark.parametrize("offset", [0.5, -20.0])
def test_of_equal_candidates_the_recipes_own_is_taken(offset: float) -> None:
    """A log-likelihood is below zero; what diverges must not win by a value of its own."""
    config = filled()
    found = tuned(config, 4, lambda number, *_: offset if number != 3 else -math.inf)
    assert (found.best, found.config) == (0, config)


@pytest.mark.parametrize("n", [0, 1])
def test_without_a_search_nothing_is_tried(n: int) -> None:
    def judge(*_: object) -> float:
        raise AssertionError("something was tried")

    found = tuned(filled(), n, judge)
    assert found.told() == {
        "lr": 0.1, "weight_decay": 0.01, "loss": "bpr",
        "values": found.trials[0].values, "trial": None, "trials": [],
    }  # fmt: skip
    assert cost(rounds(n)) == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_optimum_is_found(seed: int) -> None:
    """Quality is best at temperature 2 and 100 candidates; the recipe has 0.5 and 32. Early values are noisy."""

    def distance(values: dict[str, float]) -> float:
        temperature, size = values["sampler.select.temperature"], values["sampler.candidates"]
        return math.hypot(math.log(temperature / 2.0), math.log(size / 100))

    def judge(number: int, config: RunConfig, share: float) -> float:
        parts = config.part("sampler").params
        values = {"sampler.select.temperature": 0.5, "sampler.candidates": 32}
        if number:
            values = {
                "sampler.select.temperature": parts["select"]["temperature"],
                "sampler.candidates": parts["candidates"],
            }
        return share - 0.3 * distance(values) + 0.05 * (1 - share) * math.sin(97.0 * number)

    found = tuned(filled().model_copy(update={"seed": seed}), 32, judge)
    assert distance(found.trials[0].values) > 1.7
    assert distance(found.trials[found.best].values) < 0.8
    assert distance(found.trials[found.best].values) < 0.1 + sorted(distance(one.values) for one in found.trials)[1]
