"""A small problem whose answer is known: users and items fall into clusters, and users take items of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from negatives.randomness import Purpose, integers, permutation, stream
from negatives.types import Catalogue, Csr, less

CLUSTERS, USERS, ITEMS = 8, 300, 200


@dataclass(frozen=True, slots=True)
class Planted:
    """Pairs and the clusters behind them.

    Args:
        users: ``(n,)`` int64.
        items: ``(n,)`` int64.
        user_cluster: ``(n_users,)`` int64.
        item_cluster: ``(n_items,)`` int64.
    """

    users: Tensor
    items: Tensor
    user_cluster: Tensor
    item_cluster: Tensor

    @property
    def n_users(self) -> int:
        return len(self.user_cluster)

    @property
    def n_items(self) -> int:
        return len(self.item_cluster)

    def known(self, share: float = 1.0) -> Csr:
        """The first ``share`` of all pairs, which are in random order."""
        n = round(share * len(self.users))
        return Csr.from_pairs(self.users[:n], self.items[:n], self.n_users, self.n_items)

    def hidden(self, share: float) -> Csr:
        """The pairs that :meth:`known` leaves out."""
        n = round(share * len(self.users))
        return Csr.from_pairs(self.users[n:], self.items[n:], self.n_users, self.n_items)

    def catalogue(self, share: float = 1.0) -> Catalogue:
        """The known pairs as samplers see them; a user's group is the cluster, items of one cluster are neighbours."""
        known = self.known(share)
        counts = torch.bincount(known.indices.long(), minlength=self.n_items)
        near = (self.item_cluster[:, None] == self.item_cluster).nonzero()
        graph = Csr.from_pairs(near[:, 0], near[:, 1], self.n_items, self.n_items)
        anchors = torch.arange(self.n_users) % self.n_items
        clusters = self.user_cluster[:, None] != self.item_cluster
        given = Csr.from_pairs(*clusters.nonzero().unbind(1), self.n_users, self.n_items)
        return Catalogue(
            self.n_users, self.n_items, counts, known, self.user_cluster, anchors, graph, given=less(given, known)
        )

    def write(self, path: Path) -> Path:
        """A CSV file with names instead of numbers."""
        lines = [f"u{user},i{item}" for user, item in zip(self.users.tolist(), self.items.tolist(), strict=True)]
        path.write_text("user,item\n" + "\n".join(lines) + "\n")
        return path

    def write_content(self, folder: Path) -> Path:
        """A folder with the items of each user, and words that tell an item's cluster."""
        folder.mkdir()
        known = self.known()
        baskets = [known.row(user).tolist() for user in range(self.n_users)]
        (folder / "users.dat").write_text("".join(f"{len(b)} {' '.join(map(str, b))}\n" for b in baskets))
        words = integers(stream(5, Purpose.SPLIT), torch.arange(self.n_items)[:, None], torch.arange(10), 30)
        words[:, :7] += 30 * (1 + self.item_cluster[:, None])
        bags = [sorted(set(row)) for row in words.tolist()]
        (folder / "mult.dat").write_text("".join(f"{len(b)} {' '.join(f'{w}:1' for w in b)}\n" for b in bags))
        return folder


def planted(
    own: int = 12, other: int = 2, *, clusters: int = CLUSTERS, users: int = USERS, items: int = ITEMS
) -> Planted:
    """Each user takes ``own`` items of the user's cluster and ``other`` items of any."""
    user_cluster, item_cluster = torch.arange(users) % clusters, torch.arange(items) % clusters
    taken = []
    for user in range(users):
        mine = (item_cluster == user_cluster[user]).nonzero()[:, 0]
        taken.append(mine[permutation(stream(user, Purpose.SPLIT), len(mine))[:own]])
        taken.append(integers(stream(user, Purpose.NOISE), torch.arange(other), 0, items))
    owners = torch.arange(users).repeat_interleave(own + other)
    codes = torch.unique(owners * items + torch.cat(taken))
    codes = codes[permutation(stream(7, Purpose.SHUFFLE), len(codes))]
    return Planted(codes // items, codes % items, user_cluster, item_cluster)
