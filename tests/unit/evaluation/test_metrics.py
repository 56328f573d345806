"""Every metric of the registry against its definition in plain Python, what it fits, and metrics of other packages."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score

from negatives.errors import ConfigError, InputError
from negatives.evaluation import longest, measure, metric, names_fitting, registry, with_watched
from negatives.evaluation.naming import parse
from negatives.evaluation.values import (
    Decided,
    Likelihood,
    Ranked,
    RankedByCounts,
    RankedByWeights,
    Ranks,
    Rated,
    Scored,
    Value,
)
from negatives.models.language.base import exact

ITEMS, WIDTH = 12, 8


def integers(seed: int, high: int, *shape: int) -> torch.Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def ranked(seed: int) -> dict[str, Any]:
    """Lists of a few queries with grades from 0 to 2 for the items, some lists short."""
    n = 1 + seed % 5
    grades = (integers(seed, 5, n, ITEMS) - 2).clamp(min=0)
    grades[:, seed % ITEMS] += grades.sum(1) == 0
    top = torch.rand(n, ITEMS, generator=torch.Generator().manual_seed(seed + 1)).argsort(1)[:, :WIDTH]
    gains = grades.gather(1, top)
    short = torch.arange(WIDTH) >= integers(seed + 2, WIDTH, n, 1) + 1
    return {
        "items": top.masked_fill(short, -1),
        "gains": gains.masked_fill(short, 0),
        "relevant": (grades > 0).sum(1),
        "n_candidates": ITEMS,
        "ideal": grades.sort(1, descending=True).values[:, :WIDTH],
    }


def binary(seed: int) -> dict[str, Any]:
    found = ranked(seed)
    return found | {"gains": found["gains"] > 0, "ideal": None}


def by_counts(seed: int) -> Value:
    lists = binary(seed)
    wanted = integers(seed + 4, ITEMS, 7)
    return RankedByCounts(counts=integers(seed + 3, 6, ITEMS), wanted=wanted, **lists)


def by_weights(seed: int) -> Value:
    n = 1 + seed % 5
    weights = 1 + torch.rand(ITEMS, generator=torch.Generator().manual_seed(seed)).double()
    right = integers(seed, 3, n, ITEMS) == 0
    right[:, 0] |= ~right.any(1)
    items = torch.rand(n, ITEMS, generator=torch.Generator().manual_seed(seed + 1)).argsort(1)[:, :WIDTH]
    best = (weights * right).sort(1, descending=True).values[:, :WIDTH]
    hits, relevant = right.gather(1, items), right.sum(1)
    return RankedByWeights(items=items, gains=hits, relevant=relevant, n_candidates=ITEMS, weights=weights, best=best)


SAMPLES: dict[type[Value], Callable[[int], Value]] = {
    Ranked: lambda seed: Ranked(**(ranked(seed) if seed % 2 else binary(seed))),
    RankedByCounts: by_counts,
    RankedByWeights: by_weights,
    Ranks: lambda seed: Ranks(1 + integers(seed, 30, 9) / 2),
    Scored: lambda seed: Scored(integers(seed, 7, 9).float(), integers(seed + 1, 6, 5).float()),
    Decided: lambda seed: Decided(integers(seed, 2, 6, 2) > 0, integers(seed + 1, 2, 6, 2) > 0),
    Rated: lambda seed: Rated(integers(seed, 5, 9).double(), integers(seed + 1, 4, 9).double()),
    Likelihood: lambda seed: Likelihood(-integers(seed, 9, 6).double() - 0.5, integers(seed + 1, 9, 6).double() / 8),
}


def rows(value: Ranked, k: int) -> list[tuple[list[int], list[float], int]]:
    """Shown items, gains and number of right answers of each query."""
    lists = value.items[:, :k].tolist(), value.gains[:, :k].double().tolist(), value.relevant.tolist()
    return list(zip(*lists, strict=True))


def right(gains: list[float]) -> int:
    return sum(gain > 0 for gain in gains)


def first(value: Any) -> list[float]:
    """Rank of the first right answer, infinity where there is none."""
    if isinstance(value, Ranks):
        return [float(rank) for rank in value.ranks.tolist()]
    found = []
    for _, gains, _ in rows(value, WIDTH):
        found.append(next((rank for rank, gain in enumerate(gains, 1) if gain > 0), math.inf))
    return found


def ndcg(value: Ranked, k: int) -> list[float]:
    found = []
    for row, (_, gains, right) in enumerate(rows(value, k)):
        best = [1.0] * right if value.ideal is None else value.ideal[row].tolist()
        found.append(
            sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
            / sum(gain / math.log2(rank + 1) for rank, gain in enumerate(best[:k], 1))
        )
    return found


def popularity(value: RankedByCounts, k: int) -> list[float]:
    counts = value.counts.tolist()
    percentile = [sum(other <= one for other in counts) / len(counts) for one in counts]
    shown = [percentile[item] for items, _, _ in rows(value, k) for item in items if item >= 0]
    wanted = [percentile[item] for item in value.wanted.tolist()]
    return [sum(shown) / len(shown) - sum(wanted) / len(wanted)]


def psp(value: RankedByWeights, k: int) -> list[float]:
    weights = value.weights.tolist()
    gained = [
        sum(weights[item] * hit for item, hit in zip(items, hits, strict=True)) for items, hits, _ in rows(value, k)
    ]
    best = [sum(row[:k]) for row in value.best.tolist()]
    return [one * len(best) / sum(best) for one in gained]


def average_precision(value: Scored) -> list[float]:
    right, wrong = value.right.tolist(), value.wrong.tolist()
    found = []
    for own in right:
        good, bad = sum(one >= own for one in right), sum(one >= own for one in wrong)
        found.append(good / (good + bad))
    return found


def spearman(value: Rated) -> list[float]:
    columns = []
    for values in (value.scores.tolist(), value.ratings.tolist()):
        ranks = [sum(other < one for other in values) + (1 + values.count(one)) / 2 for one in values]
        mean = sum(ranks) / len(ranks)
        spread = math.sqrt(sum((rank - mean) ** 2 for rank in ranks) / len(ranks))
        columns.append([(rank - mean) / spread if spread else 0.0 for rank in ranks])
    return [a * b for a, b in zip(*columns, strict=True)]


def log_z_sd(value: Likelihood) -> list[float]:
    values = value.log_z.tolist()
    mean = sum(values) / len(values)
    return [math.sqrt(sum((one - mean) ** 2 for one in values) / len(values))]


def wins(value: Scored) -> list[float]:
    right, wrong = value.right.tolist(), value.wrong.tolist()
    return [sum((own > one) + (own == one) / 2 for one in wrong) / len(wrong) for own in right]


def decided(value: Decided) -> list[float]:
    pairs = zip(value.said.tolist(), value.true.tolist(), strict=True)
    return [sum(a == b for a, b in zip(said, true, strict=True)) / len(said) for said, true in pairs]


LISTS = (Ranked, RankedByCounts, RankedByWeights)
ANSWERS = (*LISTS, Ranks)
CASES: dict[str, tuple[tuple[type[Value], ...], Callable[[Any, Any], list[float]]]] = {
    "recall": (LISTS, lambda v, k: [right(gains) / relevant for _, gains, relevant in rows(v, k)]),
    "precision": (LISTS, lambda v, k: [right(gains) / k for _, gains, _ in rows(v, k)]),
    "ndcg": (LISTS, ndcg),
    "mrr": (ANSWERS, lambda v, k: [1 / rank if k is None or rank <= k else 0.0 for rank in first(v)]),
    "hits": (ANSWERS, lambda v, k: [float(rank <= k) for rank in first(v)]),
    "hr": (ANSWERS, lambda v, k: [float(rank <= k) for rank in first(v)]),
    "coverage": (LISTS, lambda v, k: [len({i for items, _, _ in rows(v, k) for i in items if i >= 0}) / ITEMS]),
    "popularity": ((RankedByCounts,), popularity),
    "psp": ((RankedByWeights,), psp),
    "auc": ((Scored,), lambda v, k: wins(v)),
    "ap": ((Scored,), lambda v, k: average_precision(v)),
    "accuracy": ((Decided,), lambda v, k: decided(v)),
    "spearman": ((Rated,), lambda v, k: spearman(v)),
    "log_likelihood": ((Likelihood,), lambda v, k: v.log_p.tolist()),
    "perplexity": ((Likelihood,), lambda v, k: [math.exp(-sum(v.log_p.tolist()) / v.rows)]),
    "log_z": ((Likelihood,), lambda v, k: v.log_z.tolist()),
    "log_z_sd": ((Likelihood,), lambda v, k: log_z_sd(v)),
}


def name_of(row: str, k: int) -> str:
    return row if registry.get(row).cut == "none" else f"{row}@{k}"


def test_every_metric_has_a_case_and_every_value_a_sample() -> None:
    assert set(CASES) == set(registry)
    for row in registry:
        assert any(issubclass(kind, registry.get(row).needs) for kind in SAMPLES)


@pytest.mark.parametrize("row", CASES)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, WIDTH))
def test_a_metric_is_what_its_definition_says(row: str, seed: int, k: int) -> None:
    kinds, oracle = CASES[row]
    for kind in kinds:
        value, name = SAMPLES[kind](seed), name_of(row, k)
        terms = metric(name, kind).of(value)
        assert terms.tolist() == pytest.approx(oracle(value, k), abs=1e-12)
        assert terms.dtype == torch.float64
        found = measure(value, [name])
        assert found.mean[name] == pytest.approx(sum(oracle(value, k)) / len(oracle(value, k)), abs=1e-12)
        assert list(found.per_query) == ([name] if terms.shape == (value.rows,) and registry.get(row).per_query else [])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_cut_off_means_the_whole_list(seed: int) -> None:
    for kind in CASES["mrr"][0]:
        value = SAMPLES[kind](seed)
        assert metric("mrr").of(value).tolist() == pytest.approx(CASES["mrr"][1](value, None))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, WIDTH))
def test_the_best_order_is_worth_one(seed: int, k: int) -> None:
    lists = ranked(seed)
    lists |= {"gains": lists["ideal"], "items": torch.arange(WIDTH).expand_as(lists["ideal"])}
    assert metric(f"ndcg@{k}").of(Ranked(**lists)).tolist() == pytest.approx([1.0] * len(lists["items"]))
    graded = (lists["gains"] > 0).double().sum(1) / lists["relevant"]
    assert metric(f"recall@{WIDTH}").of(Ranked(**lists)).tolist() == pytest.approx(graded.tolist())


def test_separation_and_correlation_are_those_of_other_libraries() -> None:
    for seed in range(20):
        scored, rated, decisions = (SAMPLES[kind](seed) for kind in (Scored, Rated, Decided))
        assert isinstance(scored, Scored)
        assert isinstance(rated, Rated)
        assert isinstance(decisions, Decided)
        labels, scores = [1] * 9 + [0] * 5, torch.cat([scored.right, scored.wrong]).numpy()
        found = measure(scored, ["auc", "ap"]).mean
        assert found["auc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        assert found["ap"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
        expected = spearmanr(rated.scores.numpy(), rated.ratings.numpy()).statistic
        assert measure(rated, ["spearman"]).mean["spearman"] == pytest.approx(expected, abs=1e-12)
        flat = accuracy_score(decisions.true.reshape(-1).numpy(), decisions.said.reshape(-1).numpy())
        assert measure(decisions, ["accuracy"]).mean["accuracy"] == pytest.approx(flat)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_metric_fits_or_says_in_one_sentence_what_it_needs(kind: type[Value]) -> None:
    fitting, value = names_fitting(kind), SAMPLES[kind](3)
    assert fitting == [row for row in CASES if kind in CASES[row][0] or issubclass(kind, registry.get(row).needs)]
    for row in CASES:
        name = name_of(row, 2)
        if row in fitting:
            assert math.isfinite(measure(value, [name]).mean[name])
            continue
        with pytest.raises(ConfigError, match=f"^{name} needs [^;]*, and here are {kind.what}; ") as error:
            measure(value, [name])
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("recal@20", None, "no metric is called 'recal'; did you mean recall"),
        ("zzz", Scored, "no metric is called 'zzz'; choose one of: ap, auc"),
        ("", None, "no metric is called ''"),
        ("recall", None, "recall: give a length of at least 1, as in recall@10"),
        ("recall@", None, "recall@: give a length"),
        ("recall@0", None, "recall@0: give a length"),
        ("recall@-1", None, "recall@-1: give a length"),
        ("recall@1.5", None, "recall@1.5: give a length"),
        ("mrr@ten", None, "mrr@ten: give a length"),
        ("auc@3", None, "auc takes no length; write auc, not auc@3"),
        ("psp@5", Ranked, "psp@5 needs ranked lists with propensities of the labels, and here are ranked lists; "),
    ],
)
def test_wrong_names_are_refused(name: str, kind: type[Value] | None, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        metric(name, kind)
    assert says in str(error.value)


def test_a_length_ends_where_the_list_ends() -> None:
    with pytest.raises(ConfigError, match=f"ndcg@9: give a length from 1 to {WIDTH}, as in ndcg@{WIDTH}"):
        measure(SAMPLES[Ranked](1), ["ndcg@9"])
    assert measure(SAMPLES[Ranks](1), ["hits@900"]).mean == {"hits@900": 1.0}


def test_names_are_taken_apart_in_one_place() -> None:
    assert parse("hits@10") == ("hits", 10)
    assert parse("auc") == ("auc", None)
    assert longest(["recall@20", "mrr", "ndcg@100"]) == 100
    assert longest(["auc"]) == longest([]) == 1


def test_a_task_takes_the_watched_metric_if_its_values_give_it() -> None:
    names = ["recall@20", "ndcg@20"]
    assert with_watched(names, None, Ranked) == with_watched(names, "ndcg@20", Ranked) == names
    assert with_watched(names, "hr@5", Ranked) == [*names, "hr@5"]
    assert with_watched(names, "recal@20", Ranked) == names
    for wrong, says in (("psp@5", "needs"), ("hr", "give a length"), ("auc", "needs")):
        with pytest.raises(ConfigError, match=says):
            with_watched(names, wrong, Ranked)


THIRD = """
from typing import final

from negatives.evaluation import Metric
from negatives.evaluation.values import Ranked


@final
class LastHit(Metric[Ranked]):
    '''Whether the last place of the list is right.'''

    needs = Ranked
    cut = "needed"

    def of(self, value):
        return value.hits[:, self.at - 1].double()
"""


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with a metric, installed for one test."""
    (tmp_path / "last_hit.py").write_text(THIRD)
    info = tmp_path / "last_hit-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: last-hit\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[negatives.metrics]\nlast_hit = last_hit:LastHit\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_rows", dict(registry._rows))
    monkeypatch.setattr(registry, "_others", None)
    monkeypatch.delitem(sys.modules, "last_hit", raising=False)


@pytest.mark.usefixtures("third_party")
def test_a_metric_of_another_package_serves_all_ranked_lists() -> None:
    from negatives.evaluation import evaluate, rank
    from negatives.evaluation.graded import evaluate_graded
    from negatives.evaluation.labels import label_metrics
    from negatives.types import Csr

    items, queries = torch.tensor([[3.0], [2.0], [1.0]]), torch.arange(2)
    truth = Csr.from_pairs(torch.tensor([0, 1]), torch.tensor([1, 2]), 2, 3)
    ranking = rank(torch.ones(2, 1), items, queries=queries, truth=truth, k=2)
    judged = torch.tensor([0, 1]), torch.tensor([1, 2]), torch.tensor([2, 1])
    results: Sequence[Any] = (
        evaluate(ranking, ["last_hit@2"]),
        evaluate_graded(ranking.top, queries, judged, 3, ["last_hit@2"]),
        label_metrics(ranking.top, queries, truth, ["last_hit@2"], torch.ones(3).double()),
    )
    for found in results:
        assert found.per_query["last_hit@2"].tolist() == [1.0, 0.0]
        assert found.mean["last_hit@2"] == 0.5
    assert with_watched(["recall@20"], "last_hit@3", Ranked) == ["recall@20", "last_hit@3"]
    with pytest.raises(ConfigError, match="last_hit@2 needs ranked lists, and here are ranks of right answers"):
        measure(Ranks(torch.ones(2)), ["last_hit@2"])


@pytest.mark.parametrize("name", ["recall@²", "recall@٣", "recall@05", "recall@5@5", "recall@ 5", "recall@5:hard"])
def test_an_odd_length_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="give a length of at least 1, as in recall@10"):
        metric(name)


NOTHING = torch.empty(0)
EMPTY: dict[str, Value] = {
    "recall@2": Ranked(
        items=torch.empty(0, 2, dtype=torch.int64),
        gains=torch.empty(0, 2, dtype=torch.bool),
        relevant=torch.empty(0, dtype=torch.int64),
        n_candidates=4,
    ),
    "mrr": Ranks(NOTHING),
    "auc": Scored(NOTHING, torch.ones(2)),
    "accuracy": Decided(torch.empty(0, 2, dtype=torch.bool), torch.empty(0, 2, dtype=torch.bool)),
    "spearman": Rated(NOTHING, NOTHING),
    "perplexity": Likelihood(NOTHING.double(), NOTHING.double()),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_part_is_an_error_and_no_number(name: str) -> None:
    with pytest.raises(InputError, match=r"nothing to evaluate: there are no .*; hold out more data"):
        measure(EMPTY[name], [name])
    if registry.get(parse(name)[0]).per_query:
        assert metric(name).of(EMPTY[name]).tolist() == []


def test_a_metric_that_is_no_number_is_an_error() -> None:
    with pytest.raises(InputError, match="auc has no value"):
        measure(Scored(torch.ones(3), NOTHING), ["ap", "auc"])
    shown = RankedByCounts(
        **(binary(2) | {"items": torch.full((3, WIDTH), -1)}), counts=torch.ones(ITEMS), wanted=torch.tensor([1])
    )
    with pytest.raises(InputError, match="popularity@3 has no value"):
        measure(shown, ["popularity@3"])
    with pytest.raises(InputError, match="nothing to evaluate"):
        measure(Likelihood(*exact(iter([]), torch.ones(3, 2))), ["perplexity"])
