"""The kernels of co-occurrence against their naive twins."""

from __future__ import annotations

import pytest
import torch

from negatives import kernels
from negatives.kernels import cells
from negatives.randomness import generator
from negatives.types import Negatives

V, D = 30, 9


def counted(path: str) -> dict[int, float]:
    tokens = torch.randint(0, V, (90,), generator=generator(0), dtype=torch.int32)
    keys, values = cells.empty_table(1 << 10)
    with kernels.use(path):
        fresh = cells.count_cells_(tokens[:40], torch.tensor([0, 7, 8, 40]), 3, V, keys, values)
        fresh += cells.count_cells_(tokens[40:], torch.tensor([0, 50]), 3, V, keys, values)
    held = keys >= 0
    assert fresh == int(held.sum())
    return dict(zip(keys[held].tolist(), values[held].tolist(), strict=True))


def test_counts_are_those_of_the_twin() -> None:
    found, expected = counted("numba"), counted("numpy")
    assert found.keys() == expected.keys()
    assert all(found[key] == pytest.approx(expected[key], rel=1e-6) for key in found)


def test_a_pair_counts_one_over_its_distance() -> None:
    keys, values = cells.empty_table(16)
    cells.count_cells_(torch.tensor([4, 2, 4], dtype=torch.int32), torch.tensor([0, 3]), 2, 10, keys, values)
    assert {int(k): float(v) for k, v in zip(keys, values, strict=True) if k >= 0} == {24: 2.0, 44: 0.5}
    with pytest.raises(ValueError, match="power of two"):
        cells.count_cells_(torch.zeros(2).int(), torch.tensor([0, 2]), 2, 10, keys[:15], values[:15])


def test_cells_move_to_another_table() -> None:
    keys, values = cells.empty_table(64)
    codes, counts = torch.tensor([3, 99, 12345]), torch.tensor([0.5, 2.0, 7.0])
    cells.insert_cells_(codes, counts, keys, values)
    assert sorted(zip(keys[keys >= 0].tolist(), values[keys >= 0].tolist(), strict=True)) == [
        (3, 0.5), (99, 2.0), (12345, 7.0),
    ]  # fmt: skip
    cells.count_cells_(torch.tensor([0, 3], dtype=torch.int32), torch.tensor([0, 2]), 2, 10, keys, values)
    assert float(values[keys == 3]) == 1.5


@pytest.mark.parametrize("marked", [None, False, True])
def test_a_pass_over_cells_is_that_of_the_twin(marked: bool | None) -> None:
    random = generator(1)
    some = cells.Cells(
        torch.randint(0, V, (60,), generator=random), torch.randint(0, V, (60,), generator=random),
        torch.randn(60, generator=random), torch.rand(60, generator=random),
    )  # fmt: skip
    ids = torch.randint(0, V, (60, 2), generator=random)
    ok = torch.rand(60, 2, generator=random) < 0.7 if marked else torch.ones(60, 2).bool()
    given = (
        None if marked is None else Negatives(ids, None, ok, torch.rand(60, 2, generator=random) if marked else None)
    )
    start = [torch.randn(V, D + 2, generator=random) * 0.5 for _ in range(2)]
    start[0][:, -1] = start[1][:, -2] = 1.0
    results = []
    for path in ("numba", "numpy"):
        tables, squares = (start[0].clone(), start[1].clone()), (torch.ones(V, 2), torch.ones(V, 2))
        with kernels.use(path):
            cells.fit_cells_(tables, squares, some, given, cells.Zeros(-0.2, 0.3), 0.1)
        results.append([*tables, *squares])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    assert torch.equal(results[0][0][:, -1], start[0][:, -1])
    assert torch.equal(results[0][1][:, -2], start[1][:, -2])
    assert not torch.allclose(results[0][0], start[0])
