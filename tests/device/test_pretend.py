"""The pretended device: what it lets pass, what it refuses, and what it writes down."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from places import PRETENDED
from pretend import DEVICE, Log, Pretended, pretended

from negatives.kernels.dispatch import serve
from negatives.types import Csr, within

pytestmark = pytest.mark.skipif(not PRETENDED, reason="nothing is pretended where there is a device")


@pytest.fixture
def log() -> Iterator[Log]:
    with pretended() as made:
        made.watching = True
        yield made


def numbers(n: int = 4) -> torch.Tensor:
    return torch.arange(n, device=DEVICE)


@pytest.mark.usefixtures("log")
def test_numbers_are_real_and_lie_elsewhere() -> None:
    found = numbers() * 2 + torch.tensor(1)
    assert isinstance(found, Pretended)
    assert (found.device.type, found.is_cuda, found.is_cpu) == ("cuda", True, False)
    assert found.tolist() == [1, 3, 5, 7]
    assert found.cpu().device.type == "cpu"
    assert found[found > 3].tolist() == [5, 7]
    assert torch.tensor([1.5], device=DEVICE).tolist() == [1.5]
    assert numbers(3).expand(2, 3).stride() == (0, 1)


@pytest.mark.usefixtures("log")
def test_views_and_changes_in_place_reach_the_same_numbers() -> None:
    whole = torch.zeros(3, device=DEVICE)
    same = whole[1:].add_(1.0)
    whole[0] = 5.0
    assert whole.tolist() == [5.0, 1.0, 1.0]
    assert same.tolist() == [1.0, 1.0]


@pytest.mark.usefixtures("log")
def test_gradients_and_optimisers() -> None:
    layer = torch.nn.Linear(2, 1, bias=False).to(DEVICE)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1, fused=True)
    before = layer.weight.tolist()
    layer(torch.ones(3, 2, device=DEVICE)).sum().backward()
    optimiser.step()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[3.0, 3.0]]
    assert layer.weight.tolist() != before


@pytest.mark.usefixtures("log")
def test_its_tensors_go_to_the_tensor_backend() -> None:
    assert serve("draw", numbers()).__name__ == "negatives.kernels.tensor.draw"
    with pytest.raises(ValueError, match="move the tensors to the CPU"):
        serve("words", numbers())


MIXES: dict[str, Callable[[], object]] = {
    "a sum": lambda: numbers() + torch.arange(4),
    "a table and indices": lambda: torch.zeros(4)[numbers()],
    "indices on the CPU": lambda: numbers()[torch.arange(2)],
    "a mask on the CPU": lambda: numbers().index_put_((torch.ones(4, dtype=torch.bool),), numbers(1)),
    "gather": lambda: numbers().gather(0, torch.arange(2)),
    "a join": lambda: torch.cat([numbers(), torch.arange(2)]),
    "a search": lambda: torch.searchsorted(numbers(), torch.arange(2)),
    "a product": lambda: torch.eye(4, device=DEVICE) @ torch.eye(4),
}


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.usefixtures("log")
def test_a_mix_of_devices_is_refused(mix: str) -> None:
    with pytest.raises(RuntimeError, match="same device"):
        MIXES[mix]()


@pytest.mark.usefixtures("log")
def test_numpy_is_refused() -> None:
    with pytest.raises(TypeError, match="can't convert"):
        numbers().numpy()


def test_waits_of_the_package_are_written_down(log: Log) -> None:
    within("item", numbers(), 4)
    assert dict(log.syncs) == {("types.py", "all_within", "a copy to the CPU"): 1}
    log.syncs.clear()
    Csr(numbers(3), numbers(2), 2).row(0)
    assert dict(log.syncs) == {("types.py", "Csr.row", "a number"): 2}
    log.syncs.clear()
    int(numbers().sum())  # asked by a test
    log.watching = False
    within("item", numbers(), 4)
    assert not log.syncs


def test_nothing_is_left_behind() -> None:
    before = torch.Generator
    with pretended():
        assert torch.Generator is not before
    assert torch.Generator is before
    with pytest.raises((RuntimeError, AssertionError)):
        torch.zeros(1, device="xpu")
