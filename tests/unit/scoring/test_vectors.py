"""What can stand in a model's place: vectors of a batch, encoders, and modules in wrappers."""

import pytest
import torch
from torch import nn

import negatives
from negatives import Csr, KnownPositives, Sampler
from negatives.errors import ConfigError, InputError
from negatives.proposals import Cached, Uniform
from negatives.scoring import Encoders, Items, Vectors, as_scorer, distinct, first_rows, scores_of, unwrapped
from negatives.selection import Hardest
from negatives.types import Catalogue, Context

N_ITEMS, ROWS, DIM = 40, 6, 4


class Encoder(nn.Module):
    """An item tower that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(N_ITEMS, DIM, generator=torch.Generator().manual_seed(1)))
        self.calls, self.items = 0, 0

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        self.calls, self.items = self.calls + 1, self.items + ids.numel()
        return self.table[ids]


class Two(nn.Module):
    """Encodes both sides and does not score."""

    def __init__(self) -> None:
        super().__init__()
        self.users = nn.Parameter(torch.randn(ROWS, DIM, generator=torch.Generator().manual_seed(2)))
        self.encoder = Encoder()

    def encode_queries(self, queries: torch.Tensor) -> torch.Tensor:
        return self.users[queries]

    def encode_items(self, items: torch.Tensor) -> torch.Tensor:
        return self.encoder(items)


@pytest.fixture
def context() -> Context:
    rows = torch.arange(ROWS)
    return Context(torch.tensor([3, 1, 3, 0, 1, 2]), rows, rows)


@pytest.fixture
def vectors() -> torch.Tensor:
    return torch.randn(ROWS, DIM, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", ["table", "embedding", "encoder", "items"])
def test_scores_are_inner_products_of_each_row(kind, similarity, context, vectors):
    encoder = Encoder()
    embedding = nn.Embedding.from_pretrained(encoder.table.detach())
    items = {"table": encoder.table, "embedding": embedding, "encoder": encoder, "items": Items(encoder)}[kind]
    scorer = Vectors(vectors, items, bias=torch.arange(N_ITEMS).float(), similarity=similarity)
    q, v = vectors, encoder.table.detach()
    if similarity == "cosine":
        q, v = nn.functional.normalize(q, dim=1), nn.functional.normalize(v, dim=1)
    want = q @ v.T + torch.arange(N_ITEMS)
    own = torch.randint(0, N_ITEMS, (ROWS, 5), generator=torch.Generator().manual_seed(4))
    pool = torch.tensor([7, 2, 7]).expand(ROWS, 3)
    for ids in (own, pool):
        assert torch.allclose(scores_of(scorer, context, ids), want.gather(1, ids), atol=1e-5)
    assert torch.allclose(scores_of(scorer, context, context.positives), want.diagonal()[:ROWS], atol=1e-5)
    some = torch.tensor([4, 1])  # rows of one query have vectors of their own
    got = scores_of(scorer, context.take(some), own[some])
    assert torch.allclose(got, want[some].gather(1, own[some]), atol=1e-5)
    again = context.take(torch.tensor([5, 4, 1])).take(torch.tensor([1, 2]))
    assert torch.allclose(scores_of(scorer, again, own[some]), got)


def test_an_encoder_sees_each_item_of_a_step_once(vectors):
    encoder = Encoder()
    known = Csr.from_pairs(torch.arange(ROWS), torch.arange(ROWS), ROWS, N_ITEMS)
    sampler = Sampler(Uniform(N_ITEMS), Hardest(), [KnownPositives(known)], candidates=32)
    for step in range(3):
        asked, scorer = encoder.items, Vectors(vectors, encoder)
        wrong = sampler(torch.arange(ROWS), torch.arange(ROWS), scorer)
        assert encoder.items - asked <= N_ITEMS, step  # 192 candidates
        assert not (wrong.ids == torch.arange(ROWS)[:, None]).any()
    best = (vectors @ encoder.table.detach().T).gather(1, wrong.ids)
    assert torch.allclose(wrong.scores.float(), best, atol=1e-5)


def test_a_whole_sequence_is_scored_by_place(vectors):
    hidden = vectors.view(2, 3, DIM)
    scorer = Vectors(hidden, Encoder().table)
    assert scorer.shape == (2, 3)
    mask = torch.tensor([[True, False, True], [False, False, True]])
    assert torch.equal(scorer.take(mask).queries, hidden[mask])


def test_wrapped_modules_are_found(context):
    two = Two()
    wrapped = nn.DataParallel(torch.compile(two, backend="eager"))
    assert unwrapped(wrapped) is two
    scorer = as_scorer(wrapped)
    assert isinstance(scorer, Encoders)
    own = torch.randint(0, N_ITEMS, (ROWS, 5))
    want = (two.users[context.queries] @ two.encoder.table.T).detach().gather(1, own)
    assert torch.allclose(scores_of(scorer, context, own), want, atol=1e-5)
    assert not scores_of(scorer, context, own).requires_grad


def test_what_cannot_be_asked_is_told(vectors):
    with pytest.raises(ConfigError, match=r"a Linear cannot be asked .* Vectors\(queries="):
        as_scorer(nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="queries outside the batch"):
        Vectors(vectors, Encoder()).encode_queries(torch.tensor([1]))
    with pytest.raises(InputError, match="7 rows for 6 vectors"):
        Vectors(vectors, Encoder()).score_places(torch.arange(7), torch.zeros(7, dtype=torch.int64))
    with pytest.raises(InputError, match=r"\(1, 6, 4\) for 6 ids"):
        Items(lambda ids: torch.zeros(1, len(ids), 4)).of(torch.arange(6))
    with pytest.raises(ConfigError, match="items is a str"):
        Vectors(vectors, "item_table")
    with pytest.raises(ConfigError, match=r"\(rows, d\)"):
        Vectors(vectors[0], Encoder())


def test_caches_of_queries_are_refreshed_by_their_own_rows(context, vectors):
    """A query's cache follows the first of its rows, never a row of another query."""
    table = Encoder().table.detach()
    cached = Cached(size=4, fresh=36, temperature=1e-6)
    cached.bind(Catalogue(4, N_ITEMS, torch.ones(N_ITEMS, dtype=torch.int64)))
    for step in range(30):
        rows = torch.arange(ROWS)
        cached.refresh(Context(context.queries, rows, rows, step=step), Vectors(vectors, table))
    kept = cached.state()["cache"]
    first = first_rows(context.queries)
    best = (vectors[first] @ table.T).topk(4).indices
    assert torch.equal(kept.long().sort(1).values, best.sort(1).values)


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", ["table", "encoder"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_vectors_of_any_number_format_are_multiplied_in_float32(dtype, kind, similarity, context, vectors):
    table = Encoder().table.detach().to(dtype)
    rows = vectors.to(dtype)
    lower = Vectors(rows, table if kind == "table" else lambda ids: table[ids], similarity=similarity)
    wanted = Vectors(rows.float(), table.float(), similarity=similarity)
    own = torch.arange(ROWS * 3).view(ROWS, 3)
    for items in (own, own[:1].expand(ROWS, -1), own[:, 0], torch.arange(N_ITEMS).repeat(ROWS, 1)):
        found = scores_of(lower, context, items)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, scores_of(wanted, context, items))


@pytest.mark.parametrize("n", [9, 10_000, None])
def test_ids_are_numbered_alike_by_a_table_and_by_sorting(n):
    ids = torch.tensor([[2, 7], [7, 3]])
    found, places = distinct(ids, n)
    assert found.tolist() == [2, 3, 7]
    assert torch.equal(found[places], ids)
    none, nowhere = distinct(ids[:0], n)
    assert none.numel() == 0
    assert nowhere.shape == (0, 2)


def test_a_training_of_no_steps_is_refused():
    with pytest.raises(ConfigError, match="total_steps is 0"):
        negatives.sampler("curriculum", train=([0, 1], [1, 2]), total_steps=0)
