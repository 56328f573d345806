"""What every feed promises: each example once in an epoch, and batches that depend on their place alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.testing.promises import Check, global_randomness_untouched, hold, run, same, unwritten
from negatives.training.feeds import Batch, Feed

SIZES = (7, 16, 64)


@dataclass(frozen=True, slots=True)
class FeedCase:
    """A feed under test.

    Args:
        make: Gives it anew.
        stored: Its examples are the same pairs in every epoch; False where they are made anew.
        exact: All batches but the last of an epoch are as large as asked for.
        sizes: Batch sizes to try.
    """

    make: Callable[[], Feed]
    stored: bool = True
    exact: bool = True
    sizes: tuple[int, ...] = SIZES


def epoch(feed: Feed, seed: int, number: int, size: int) -> list[Batch]:
    """All batches of an epoch."""
    return [feed.batch(seed, number, index, size) for index in range(feed.steps(size))]


def joined(batches: list[Batch]) -> Batch:
    """The batches as one."""
    queries, items, examples = (
        torch.cat([getattr(one, name) for one in batches]) for name in ("queries", "items", "examples")
    )
    return Batch(queries, items, examples)


def equal(found: Batch, wanted: Batch, what: str) -> None:
    """Two batches hold the same."""
    for name in ("queries", "items", "examples"):
        same(getattr(found, name), getattr(wanted, name), f"{name} of {what}")


def batches_have_their_shape(case: FeedCase) -> None:
    """Queries, items and examples are int64, one for each row, none below zero and none too many."""
    for size in case.sizes:
        feed = case.make()
        batches = epoch(feed, 0, 0, size)
        hold(len(batches) > 1, f"an epoch in batches of {size} has {len(batches)} of them; try a smaller one")
        for index, batch in enumerate(batches):
            rows = batch.queries.numel()
            hold(rows > 0, f"batch {index} of size {size} is empty")
            for name in ("queries", "items", "examples"):
                values: Tensor = getattr(batch, name)
                hold(values.dtype == torch.int64 and values.shape == (rows,), f"{name} is {values.dtype}")
                hold(int(values.min()) >= 0, f"{name} holds {int(values.min())}")
            if case.exact:
                wanted = size if index < len(batches) - 1 else feed.rows - size * (len(batches) - 1)
                hold(rows == wanted, f"batch {index} has {rows} rows, not {wanted}")


def every_example_comes_once(case: FeedCase) -> None:
    """An epoch gives each example once, whatever the size of its batches."""
    for size in case.sizes:
        examples = joined(epoch(case.make(), 3, 1, size)).examples
        distinct = torch.unique(examples).numel()
        hold(distinct == examples.numel(), f"{examples.numel() - distinct} examples come twice in batches of {size}")
        if case.exact:
            hold(distinct == case.make().rows, f"{distinct} examples came, rows says {case.make().rows}")


def epochs_hold_the_same_pairs_in_another_order(case: FeedCase) -> None:
    """Stored examples keep their pairs over epochs and batch sizes; other epochs and seeds come in other orders."""
    size = case.sizes[0]
    first = joined(epoch(case.make(), 0, 0, size))
    for what, other in {
        "another epoch": joined(epoch(case.make(), 0, 1, size)),
        "another seed": joined(epoch(case.make(), 1, 0, size)),
    }.items():
        alike = first.items.shape == other.items.shape and torch.equal(first.items, other.items)
        hold(not alike, f"{what} gives the same items in the same order")
    if not case.stored:
        return
    wanted = pairs(first)
    for what, batch in (
        ("another epoch", joined(epoch(case.make(), 0, 1, size))),
        *((f"batches of {n}", joined(epoch(case.make(), 0, 0, n))) for n in case.sizes),
    ):
        same(pairs(batch), wanted, f"the pairs of {what}")


def pairs(batch: Batch) -> Tensor:
    """Queries and items ``(n, 2)`` in the order of their numbers."""
    both = torch.stack([batch.queries, batch.items], 1)
    return both[torch.argsort(both[:, 0] * (int(both[:, 1].max()) + 1) + both[:, 1], stable=True)]


def a_batch_depends_on_its_place_alone(case: FeedCase) -> None:
    """A batch is a function of seed, epoch, place and size: what was asked before makes no difference."""
    size = case.sizes[0]
    walked = case.make()
    wanted = {(number, index): one for number in (0, 1) for index, one in enumerate(epoch(walked, 5, number, size))}
    jumping = case.make()
    for number, index in sorted(wanted, key=lambda place: (place[1] * 7 % 5, -place[1], place[0])):
        jumping.batch(4, number, 0, case.sizes[1])
        equal(jumping.batch(5, number, index, size), wanted[number, index], f"batch {index} of epoch {number}")
    last = max(wanted)
    equal(case.make().batch(5, *last, size), wanted[last], "a batch that a resumed run asks for first")


def nothing_else_is_touched(case: FeedCase) -> None:
    """No global generator is used, and given batches do not change."""
    with global_randomness_untouched():
        feed = case.make()
        first = feed.batch(0, 0, 0, case.sizes[0])
        with unwritten(first):
            epoch(feed, 0, 0, case.sizes[0])
            epoch(feed, 1, 1, case.sizes[1])


def it_moves_to_a_device(case: FeedCase) -> None:
    """Moved to the processor, where it is already, a feed gives the same batches."""
    there = case.make().to(torch.device("cpu"))
    size = case.sizes[0]
    equal(joined(epoch(there, 0, 1, size)), joined(epoch(case.make(), 0, 1, size)), "the feed after to('cpu')")
    hold(there.rows == case.make().rows, "rows after to('cpu')")


CHECKS: tuple[Check[FeedCase], ...] = (
    batches_have_their_shape,
    every_example_comes_once,
    epochs_hold_the_same_pairs_in_another_order,
    a_batch_depends_on_its_place_alone,
    nothing_else_is_touched,
    it_moves_to_a_device,
)


def check_feed(
    make: Callable[[], Feed], *, stored: bool = True, exact: bool = True, sizes: tuple[int, ...] = SIZES
) -> None:
    """Run the contract of a feed.

    Args:
        make: Gives the feed anew.
        stored: Its examples are the same pairs in every epoch; False where they are made anew.
        exact: All batches but the last of an epoch are as large as asked for.
        sizes: Two batch sizes or more, each below the number of examples.

    Raises:
        AssertionError: A promise is broken; says which, with the numbers.
    """
    run(type(make()).__name__, FeedCase(make, stored, exact, sizes), CHECKS)
