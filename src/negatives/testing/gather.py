"""Whether a function that gathers the rows of all ranks loses no gradient."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
from torch import Tensor
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

from negatives.ranks import Ranks

Gather = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From vectors ``(rows, d)`` and ids ``(rows,)`` of a rank to those of all ranks, rank by rank."""
ROWS, DIM = 4, 3


def check_gather(gather: Gather, ranks: int = 2, uneven: bool = True) -> None:
    """The loss of a contrastive step and all its gradients are those of one process with the joined batch.

    Each rank's rows are set against the vectors that ``gather`` gives. The gradient that reaches a rank's own vectors
    must be the sum over the losses of all ranks: their mean over the ranks, which ``DistributedDataParallel`` takes, is
    then that of the mean over the joined batch.

    Args:
        gather: From vectors ``(rows, d)`` and ids ``(rows,)`` of this rank to those of all, rank by rank, as
            ``gather_ranks``. Where no process group is initialised, processes are started: it must stand in a module.
        ranks: Processes that are started.
        uneven: Whether ranks may have different numbers of rows.

    Raises:
        AssertionError: A promise is broken; says which.
    """
    if dist.is_available() and dist.is_initialized():
        if told := fault(gather, uneven):
            raise AssertionError(told)
        return
    with tempfile.TemporaryDirectory() as folder:
        spawn(_work, (gather, ranks, folder, uneven), nprocs=ranks)  # type: ignore[no-untyped-call]
        told = "\n".join(dict.fromkeys(one.read_text() for one in sorted(Path(folder).glob("*.txt"))))
    if told:
        raise AssertionError(told)


def fault(gather: Gather, uneven: bool = True) -> str:
    """What is wrong with a function in the process group at hand, the same words on all ranks; empty where nothing."""
    ranks = Ranks.here()
    for more in (0, 1)[: 1 + uneven]:
        own = _fault(gather, ranks, more)
        found = [ranks.told(own)] if ranks.count == 1 else _all(own, ranks)
        if told := next(filter(None, found), ""):
            return told + (" (with one more row on the first rank)" if more else "")
    return ""


def _all(own: str, ranks: Ranks) -> list[str]:
    found = [""] * ranks.count
    dist.all_gather_object(found, own, group=ranks.group)
    return found


def _fault(gather: Gather, ranks: Ranks, more: int) -> str:
    total = ROWS * ranks.count + more
    made = torch.Generator().manual_seed(7)
    asked, given = (torch.randn(total, DIM, generator=made) for _ in range(2))
    ids, rows = 100 + 3 * torch.arange(total), ranks.share(total)
    own = given[rows].clone().requires_grad_()
    vectors, found = gather(own, ids[rows])
    if not torch.equal(found, ids):
        return f"the ids of all ranks are {ids.tolist()}, rank by rank; gather gave {found.tolist()}"
    if vectors.shape != given.shape or not torch.equal(vectors.detach(), given):
        return f"the vectors of all ranks {tuple(given.shape)} do not come rank by rank, as their ids do"
    if not vectors.requires_grad:
        return "no gradient reaches any vector: gather gives constants; keep the graph, as gather_ranks does"
    torch.autograd.backward([_losses(asked[rows], vectors, rows).sum()])
    expected, alone = (_gradient(asked, given, some, rows) for some in (slice(0, total), rows))
    return _told(own.grad, expected, alone, ranks.count)


def _losses(asked: Tensor, vectors: Tensor, rows: slice) -> Tensor:
    """Cross-entropy of each row's own item among all."""
    target = torch.arange(rows.start, rows.stop)
    return torch.nn.functional.cross_entropy(asked @ vectors.T, target, reduction="none")


def _gradient(asked: Tensor, given: Tensor, some: slice, rows: slice) -> Tensor:
    """Gradient of the vectors of ``rows`` by the losses of ``some`` rows, in one process."""
    leaf = given.clone().requires_grad_()
    return torch.autograd.grad(_losses(asked[some], leaf, some).sum(), leaf)[0][rows]


def _told(found: Tensor | None, expected: Tensor, alone: Tensor, count: int) -> str:
    """What is wrong with a gradient, in words; nothing where it is as expected."""
    if found is None or not bool(found.any()):
        return "no gradient reaches the rank's own vectors; put them into their place among the gathered ones"
    if torch.allclose(found, expected, rtol=1e-4, atol=1e-5):
        return ""
    if torch.allclose(found, alone, rtol=1e-4, atol=1e-5):
        return (
            "gather drops gradients: the vectors of other ranks are constants, so a vector gets the gradient of its "
            "own rank's loss only; add up what all ranks ask of it in the backward pass, as gather_ranks does"
        )
    for factor, way in ((1 / count, "small"), (float(count), "large")):
        if torch.allclose(found, factor * expected, rtol=1e-4, atol=1e-5):
            return (
                f"the gradients that gather gives are {count} times too {way}: they must be the sum over the ranks, "
                "whose mean DistributedDataParallel takes"
            )
    off = float((found - expected).abs().max())
    return f"the gradients of gathered vectors are {off:.3g} off those of one process with the joined batch"


def _work(rank: int, gather: Gather, ranks: int, folder: str, uneven: bool) -> None:
    torch.set_num_threads(1)
    where = (Path(folder) / "store").as_uri()
    dist.init_process_group("gloo", where, timedelta(seconds=60), ranks, rank)
    if told := fault(gather, uneven):
        Path(folder, f"{rank}.txt").write_text(told, encoding="utf-8")
    leave()


def leave() -> None:
    """End a process that was started for a check, with the others of its group.

    It ends at once: threads of gloo or of kernels that outlive what they belong to, while an interpreter is taken down,
    abort it now and then.
    """
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)
