"""Which candidates each guard lets through, in cases small enough to see."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from negatives.errors import ConfigError, NoNegativeLeft
from negatives.guards import (
    AbsoluteMargin,
    Duplicates,
    FittingKind,
    Guard,
    KnownPositives,
    OwnPositive,
    RankSkip,
    RelativeMargin,
    SameAnswer,
    ScoreBounds,
    Teacher,
)
from negatives.types import Candidates, Catalogue, Context, Csr

CONTEXT = Context(torch.tensor([0, 1]), torch.tensor([0, 3]), torch.arange(2))


def allowed(guard: Guard, ids: list[list[int]] | Tensor, ok: Tensor | None = None) -> list[list[bool]]:
    ids = torch.as_tensor(ids)
    ok = torch.ones(ids.shape, dtype=torch.bool) if ok is None else ok
    found: list[list[bool]] = guard.allow(CONTEXT, Candidates(ids, None, ok)).tolist()
    return found


def by_score(guard: Guard, scores: list[float], positive: float, ok: list[bool] | None = None) -> list[bool]:
    context = Context(torch.tensor([0]), torch.tensor([0]), torch.arange(1))
    mask = torch.tensor([ok if ok is not None else [True] * len(scores)])
    ids = torch.arange(1, 1 + len(scores))[None]
    drawn = Candidates(ids, None, mask, torch.tensor([scores]), torch.tensor([positive]))
    found: list[bool] = guard.allow(context, drawn)[0].tolist()
    return found


def test_own_positive_marks_the_rows_own_answer_whatever_its_id() -> None:
    assert allowed(OwnPositive(), [[0, 1, 3], [0, 1, 3]]) == [[False, True, True], [True, True, False]]


def test_known_positives_of_the_rows_query_in_rows_and_in_a_pool() -> None:
    known = Csr.from_pairs(torch.tensor([0, 0, 1]), torch.tensor([0, 2, 3]), 2, 5)
    expected = [[False, True, False, True, True], [True, True, True, False, True]]
    assert allowed(KnownPositives(known), [list(range(5))] * 2) == expected
    assert allowed(KnownPositives(known), torch.arange(5).expand(2, 5)) == expected


def test_a_table_that_was_given_stays_and_strict_names_a_full_query() -> None:
    own = Csr.from_pairs(torch.tensor([0]), torch.tensor([1]), 2, 2)
    of_data = Csr.from_pairs(torch.tensor([1, 1]), torch.tensor([0, 1]), 2, 2)
    guard = KnownPositives(own)
    guard.bind(Catalogue(2, 2, torch.ones(2, dtype=torch.int64), of_data))
    assert guard.known is own
    with pytest.raises(NoNegativeLeft, match="query 1 knows all 2"):
        KnownPositives(of_data, strict=True)


def test_later_copies_are_marked_but_not_copies_of_a_forbidden_slot() -> None:
    guard = Duplicates()
    assert not guard.keeps_log_q
    assert allowed(guard, [[5, 3, 5, 5], [1, 1, 2, 2]]) == [[True, True, False, False], [True, False, True, False]]
    ok = torch.tensor([[False, True, True, True], [True, True, False, True]])
    assert allowed(guard, [[5, 3, 5, 5], [1, 1, 2, 2]], ok) == [[True, True, True, False], [True, False, True, True]]
    assert allowed(guard, torch.tensor([4, 4, 1]).expand(2, 3)) == [[True, False, True]] * 2


def test_margins_count_from_the_positives_score() -> None:
    assert by_score(AbsoluteMargin(0.5), [0.4, 0.5, 0.6, 1.2], 1.0) == [True, False, False, False]
    assert by_score(AbsoluteMargin(-0.5), [1.25, 1.5, 1.75], 1.0) == [True, False, False]
    assert by_score(RelativeMargin(0.5), [0.4, 0.5, 0.6], 1.0) == [True, False, False]
    assert by_score(RelativeMargin(0.5), [-1.6, -1.5, -1.4, -0.6], -1.0) == [True, False, False, False]


def test_bounds_are_allowed_themselves() -> None:
    assert by_score(ScoreBounds(0.25, 0.75), [0.2, 0.25, 0.5, 0.75, 0.8], 9.0) == [False, True, True, True, False]


def test_the_best_allowed_candidates_are_skipped() -> None:
    guard = RankSkip(2)
    assert not guard.keeps_log_q
    assert by_score(guard, [1.0, 3.0, 2.0, 0.0], 9.0) == [True, False, False, True]
    found = by_score(guard, [1.0, 3.0, 2.0, 0.0], 9.0, [True, False, True, True])
    assert [found[slot] for slot in (0, 2, 3)] == [False, False, True]
    assert by_score(RankSkip(1), [1.0, 1.0, 0.0], 9.0) == [False, True, True]


def test_the_positives_group_is_marked_and_no_group_is_none() -> None:
    groups = torch.tensor([0, 0, -1, -1, 7])
    # the positive of the first row is item 0 of group 0, that of the second is item 3 without a group
    assert allowed(SameAnswer(groups), [[1, 2, 4], [1, 2, 4]]) == [[False, True, True], [True, True, True]]


def test_a_teacher_compares_cosines_with_its_margin(tmp_path: Path) -> None:
    items = torch.tensor([[2.0, 0.0], [0.6, 0.8], [0.0, 9.0], [0.0, -1.0]])
    path = tmp_path / "teacher.safetensors"
    save_file({"queries": torch.tensor([[3.0, 0.0], [0.0, 1.0]]), "items": items}, path)
    # cosines with query 0: 1, 0.6, 0, 0; with query 1: 0, 0.8, 1, -1; the positives are items 0 and 3
    ids = [[0, 1, 2], [0, 1, 3]]
    assert allowed(Teacher(vectors=str(path)), ids) == [[False, True, True], [False, False, False]]
    assert allowed(Teacher(vectors=str(path), margin=0.5), ids) == [[False, False, True], [False, False, False]]
    assert allowed(Teacher(vectors=str(path), margin=-1.5), ids) == [[True, True, True], [True, False, True]]
    pool = torch.arange(4).expand(2, 4)
    assert allowed(Teacher(vectors=str(path), margin=0.5), pool) == [[False, False, True, True], [False] * 4]


def test_what_does_not_fit_is_not_drawn_where_a_table_of_it_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, kinds = torch.tensor([1, 0, -1]), torch.tensor([0, 0, 1, 1, -1])
    catalogue = Catalogue(3, 5, torch.ones(5), query_kinds=asked, item_kinds=kinds)
    guard = FittingKind()
    guard.bind(catalogue)
    gone = guard.excluded()
    assert gone is not None
    assert [gone.row(query).tolist() for query in range(3)] == [[0, 1, 4], [2, 3, 4], []]
    context = Context(torch.arange(3), torch.tensor([2, 0, 4]), torch.arange(3))
    marks = guard.allow(context, Candidates(torch.arange(5).expand(3, 5), None, torch.ones(3, 5, dtype=torch.bool)))
    assert [row.nonzero()[:, 0].tolist() for row in ~marks] == [[0, 1, 4], [2, 3, 4], []]
    monkeypatch.setattr("negatives.guards.fitting_kind.CELLS", 14)
    guard.bind(catalogue)
    assert guard.excluded() is None
    with pytest.raises(ConfigError, match="has no kinds"):
        FittingKind().bind(Catalogue(3, 5, torch.ones(5)))
