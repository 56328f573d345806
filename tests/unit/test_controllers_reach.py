"""Every controller against a planted process whose answer is known, with noise: it gets there, and it stays there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest
import torch

from negatives.control import AdaptiveTemperature, BackOff, Bandit, Competence, Controller, Hold, knob
from negatives.errors import ConfigError
from negatives.randomness import Purpose, stream, uniforms


def noise(n: int, seed: int = 0) -> list[float]:
    """Numbers from -1 to 1."""
    return (2.0 * uniforms(stream(seed, Purpose.NOISE), torch.arange(n), 0) - 1.0).tolist()


def driven(one: Controller, plant: Callable[[int, float], Mapping[str, float]], n: int) -> list[float]:
    """Values of a controller whose signals answer to it."""
    values = []
    for step in range(n):
        one.observe(plant(step, one.value))
        values.append(one.value)
    return values


@pytest.mark.parametrize(("target", "rises"), [(0.2, True), (0.6, True), (0.3, False)])
def test_hold_reaches_its_target_and_keeps_it_under_noise_and_drift(target: float, rises: bool) -> None:
    wobble = noise(600)

    def response(step: int, value: float) -> dict[str, float]:
        strength = value * (1.0 if step < 300 else 3.0)  # the process becomes three times as sensitive
        share = strength / (1.0 + strength)
        return {"rate": (share if rises else 1.0 - share) + 0.1 * wobble[step]}

    one = Hold("rate", target, start=0.01, low=0.001, high=100.0, rate=0.2, rises=rises)
    values = driven(one, response, 600)
    for end, sensitivity in ((300, 1.0), (600, 3.0)):
        kept = [sensitivity * value / (1.0 + sensitivity * value) for value in values[end - 100 : end]]
        reached = [share if rises else 1.0 - share for share in kept]
        assert sum(reached) / 100 == pytest.approx(target, abs=0.02)
        assert max(abs(one - target) for one in reached) < 0.1


def test_back_off_leaves_the_cliff_and_says_so() -> None:
    """Above 2 the process collapses; the number goes below the cliff at once and creeps back."""
    wobble = noise(400)
    one = BackOff("size", start=4.0, low=0.5, recovery=1.01, smoothing=0.5)

    def response(step: int, value: float) -> dict[str, float]:
        return {"size": (0.1 if step > 20 and value > 2.5 else 0.8) + 0.05 * wobble[step]}

    values = driven(one, response, 400)
    assert values[20] == 4.0
    assert min(values[21:25]) == 2.0
    assert sum(value > 2.5 for value in values[25:]) < 40
    told = one.decisions()
    assert len(told) >= 2
    assert told[0].changed == "4 to 2: one step back"
    assert told[0].seen.startswith("size 0.")
    assert one.decisions() == []


def test_competence_climbs_as_the_model_learns_and_not_by_the_clock() -> None:
    """A learner whose skill grows only while it is asked something it can nearly do."""
    wobble = noise(2000)

    def reached(speed: float) -> tuple[int | None, float]:
        skill, one = 1.0, Competence("rate", start=1.0, stop=16.0, mastered=0.2, lost=0.6, levels=5, patience=6)
        for step in range(2000):
            failure = 1.0 / (1.0 + (skill / one.value) ** 2)
            skill *= 1.0 + speed * failure * (1.0 - failure)
            one.observe({"rate": min(max(failure + 0.1 * wobble[step], 0.0), 1.0)})
            if one.value == 16.0:
                return step, skill
        return None, skill

    quick, slow = reached(0.1), reached(0.02)
    assert quick[0] is not None
    assert slow[0] is not None
    assert slow[0] > 3 * quick[0]
    for _, skill in (quick, slow):  # the fourth level, 8, was mastered: 1/(1 + (s/8)²) <= .2 where s >= 16
        assert 13.0 < skill < 22.0
    assert reached(0.0) == (None, 1.0)


def test_competence_goes_back_from_a_level_that_is_lost() -> None:
    one = Competence("rate", start=8.0, stop=1.0, mastered=0.1, lost=0.5, levels=4, patience=2)
    values = driven(one, lambda step, value: {"rate": 0.05 if value > 3.0 else 0.7}, 12)
    assert values == pytest.approx([8.0, 4.0, 4.0, 2.0, 2.0, 4.0, 4.0, 2.0, 2.0, 4.0, 4.0, 2.0])
    told = [(decision.seen, decision.changed) for decision in one.decisions()]
    assert told[0] == ("rate 0.05, at most 0.1", "8 to 4, level 2 of 4: harder")
    assert told[2] == ("rate 0.7, above 0.5", "2 to 4, level 2 of 4: one level back")


def test_competence_judges_a_level_by_what_was_seen_at_it() -> None:
    """The good old days do not count: one bad observation after a rise is not averaged with those before."""
    one = Competence("rate", start=1.0, stop=4.0, mastered=0.1, lost=0.5, levels=3, patience=3)
    values = driven(one, lambda step, value: {"rate": 0.0 if step < 3 else 0.2}, 9)
    assert values == pytest.approx([1.0, 1.0, 2.0] + [2.0] * 6)


@pytest.mark.parametrize("seed", range(5))
def test_a_bandit_finds_the_arm_that_gains_most_per_second_and_changes_when_it_changes(seed: int) -> None:
    """The second arm gains most per step, but the third, twice as fast, most per second; later it is the first."""
    wobble, level, seconds, played = noise(800, seed), 0.0, 0.0, []
    one = Bandit("recall", arms=[1.0, 2.0, 3.0], clock="seconds")
    for step in range(800):
        gains = {1.0: 0.2, 2.0: 1.5, 3.0: 1.0} if step < 400 else {1.0: 1.0, 2.0: 0.2, 3.0: 0.1}
        level += gains[one.value] * (1.0 + 0.5 * wobble[step])
        seconds += {1.0: 1.0, 2.0: 2.0, 3.0: 1.0}[one.value]
        one.observe({"recall": level, "seconds": seconds})
        played.append(one.value)
    first, last = played[200:400], played[600:]
    assert first.count(3.0) > 0.6 * len(first)
    assert last.count(1.0) > 0.6 * len(last)
    assert one.decisions()[0].seen.startswith("recall +")


def test_a_bandit_tries_every_arm_first_and_counts_observations_without_a_clock() -> None:
    one = Bandit("recall", arms=[1.0, 2.0, 3.0], stay=3, explore=0.0)
    level, played = 0.0, []
    for _ in range(20):
        level += {1.0: 0.1, 2.0: 0.3, 3.0: 0.2}[one.value]
        one.observe({"recall": level})
        played.append(one.value)
    assert played[:7] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 2.0]
    assert set(played[7:]) == {2.0}
    assert one.decisions()[0].changed == "1 to 2"


def test_adaptive_temperature_gives_the_positive_half_of_the_mass() -> None:
    """Scores of unit variance in small: the softmax at this temperature holds the positive with chance near 1/2."""
    n_items, lead = 2000, 0.4
    one = AdaptiveTemperature("lead", density=1.0 / n_items, start=1.0, low=1e-3, high=10.0)
    wobble = noise(100)
    for step in range(100):
        one.observe({"lead": lead * (1.0 + 0.2 * wobble[step])})
    odds = math.exp(lead / one.value) / n_items
    assert odds == pytest.approx(0.5, rel=0.5)
    assert one.value == pytest.approx(lead / math.log(n_items / 2), rel=0.1)
    before = one.value
    for _ in range(100):
        one.observe({"lead": -1.0})
    assert one.value == 1e-3 or one.value < before  # a lead that vanishes cools down to the bound, and no further
    assert one.value >= 1e-3


def test_adaptive_temperature_takes_the_density_of_the_data_where_none_is_given() -> None:
    one = AdaptiveTemperature("lead", start=1.0, low=1e-3, high=10.0)
    for density in (math.nan, 0.0, 0.5):
        one.observe({"lead": 0.4, "density": density})
    one.observe({"lead": 0.4})
    assert one.value == 1.0
    one.observe({"lead": 0.4, "density": 0.5 / math.e**4})
    assert one.value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"competence": "y", "start": 0, "stop": 1, "mastered": 0.1, "lost": 0.2}, "above zero"),
        ({"competence": "y", "start": 1, "stop": 2, "mastered": 0.3, "lost": 0.2}, "mastered < lost"),
        ({"competence": "y", "start": 1, "stop": 2, "mastered": 0.1, "lost": 0.2, "levels": 1}, "levels is 1"),
        ({"competence": "", "start": 1, "stop": 2, "mastered": 0.1, "lost": 0.2}, "name of a signal"),
        ({"bandit": "y", "arms": [1.0]}, "two numbers or more"),
        ({"bandit": "y", "arms": [1.0, math.nan]}, r"arms\[1\]"),
        ({"bandit": "y", "arms": [1.0, 2.0], "stay": 1}, "stay is 1"),
        ({"bandit": "y", "arms": [1.0, 2.0], "discount": 0.0}, "discount above 0"),
        ({"adaptive_temperature": "y", "density": 0.5, "start": 1, "low": 1, "high": 2}, "below 0.5"),
        ({"adaptive_temperature": "y", "density": 0.1, "start": 3, "low": 1, "high": 2}, "low <= start <= high"),
    ],
)
def test_what_does_not_fit_is_refused(spec: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        knob(spec)
