"""Encoders of texts: static token vectors against brute force, and Sentence Transformers models from a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from negatives.data.pairs import SparseFeatures
from negatives.data.tokens import bags_of, learn_tokenizer, saturated
from negatives.errors import ConfigError
from negatives.models import registry
from negatives.models.encoders.latent import latent_vectors
from negatives.models.encoders.static import StaticEncoder, TokenTable

DOCUMENTS = ["the cat sat on the mat", "dogs and cats and dogs", "a mat for the dog", "stars shine at night", ""]
QUERIES = ["cat mat", "night stars", "dog"]


def make(**more: object) -> StaticEncoder:
    tokenizer = learn_tokenizer(DOCUMENTS, 60)
    values = {"dim": 8, "scale": 4.0} | more
    return StaticEncoder(bags_of(QUERIES, tokenizer), bags_of(DOCUMENTS, tokenizer), tokenizer, **values)  # type: ignore[arg-type]


def dense(bags: SparseFeatures) -> Tensor:
    table = torch.zeros(bags.n_rows, bags.n_cols)
    table[torch.repeat_interleave(torch.arange(bags.n_rows), bags.indptr.diff()), bags.indices] = bags.values
    return table


def test_bags_count_tokens() -> None:
    tokenizer = learn_tokenizer(DOCUMENTS, 200)
    bags = bags_of(DOCUMENTS, tokenizer)
    some = bags.pick(torch.tensor([1]))
    row = dict(zip(some.indices.tolist(), some.values.tolist(), strict=True))
    assert row[tokenizer.token_to_id("▁dogs")] == row[tokenizer.token_to_id("▁and")] == 2
    assert bags.indptr[5] == bags.indptr[4]  # the empty text
    assert tokenizer.to_str() == learn_tokenizer(DOCUMENTS, 200).to_str()


def test_saturation_is_that_of_bm25() -> None:
    bags = bags_of(DOCUMENTS, learn_tokenizer(DOCUMENTS, 200))
    counts, found = dense(bags), dense(saturated(bags))
    lengths = counts.sum(1, keepdim=True)
    expected = counts * 1.9 / (counts + 0.9 * (0.6 + 0.4 * lengths / lengths.mean())).where(counts > 0, 1.0)
    torch.testing.assert_close(found, expected)


def test_latent_vectors_are_singular_vectors() -> None:
    random = torch.Generator().manual_seed(2)
    table = torch.rand(12, 20, generator=random) * (torch.rand(12, 20, generator=random) < 0.4)
    rows, cols = table.nonzero(as_tuple=True)
    indptr = torch.nn.functional.pad(torch.bincount(rows, minlength=12).cumsum(0), (1, 0))
    bags, weights = SparseFeatures(indptr, cols, table[rows, cols], 20), torch.linspace(0.5, 2.0, 20)
    found = latent_vectors(bags, weights, 2, 1)
    matrix = torch.nn.functional.normalize(dense(bags) * weights, dim=1)
    expected = torch.linalg.svd(matrix, full_matrices=False).Vh[:2]
    torch.testing.assert_close(found.T @ found, torch.eye(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(found @ found.T, expected.T @ expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("start", ["latent", "random"])
def test_scores_are_scaled_cosines_of_weighted_sums(start: str) -> None:
    model = make(tokens=TokenTable(start=start, speed=2.0))
    with torch.no_grad():
        model.token_weight.uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
    sums = [dense(one) @ (model.weights()[:, None] * model.token_table) for one in (model._queries, model._documents)]
    expected = 4.0 * torch.nn.functional.cosine_similarity(sums[0][:, None], sums[1][None], dim=2)
    pool = torch.arange(5).expand(3, 5)
    torch.testing.assert_close(model.score(torch.arange(3), pool), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model.score(torch.arange(3), pool.clone()), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model.score(torch.arange(3), torch.tensor([4, 3, 3])), expected[range(3), [4, 3, 3]])
    tables = model.tables()
    torch.testing.assert_close(tables[0] @ tables[1].T, expected, atol=1e-5, rtol=1e-4)
    model.block = 2  # type: ignore[misc]
    torch.testing.assert_close(model.tables()[1], tables[1])


def test_vectors_and_weights_learn() -> None:
    model = make()
    model.score(torch.arange(3), torch.tensor([0, 3, 2])).sum().backward()
    assert model.token_table.grad is not None
    assert model.token_weight.grad is not None
    assert bool((model.token_weight.grad != 0).any())
    assert make(tokens=TokenTable(speed=0.0)).token_weight.requires_grad is False


def test_new_texts_are_encoded_as_the_known_ones() -> None:
    model = make()
    tables = model.tables()
    torch.testing.assert_close(model.encode_texts(QUERIES), tables[0])
    torch.testing.assert_close(model.encode_texts(DOCUMENTS, "item"), tables[1])


def test_the_state_of_another_tokenizer_is_refused() -> None:
    model, tokenizer = make(), learn_tokenizer(["quite another text altogether"], 60)
    other = StaticEncoder(bags_of(QUERIES, tokenizer), bags_of(DOCUMENTS, tokenizer), tokenizer, dim=8)
    with pytest.raises(RuntimeError, match="another one"):
        model.load_state_dict(other.state_dict())


def test_faults_are_named() -> None:
    with pytest.raises(ConfigError, match="latent or random"):
        make(tokens=TokenTable(start="luck"))
    with pytest.raises(ConfigError, match="scale"):
        make(scale=0.0)
    with pytest.raises(ConfigError, match="3 vectors"):
        make(vectors=torch.zeros(3, 2))


def test_the_missing_package_of_sentence_transformers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'negatives\[sentence-transformers\]'"):
        registry.build({"name": "sentence_transformers", "queries": QUERIES, "documents": DOCUMENTS, "path": "x"})


@pytest.mark.filterwarnings("ignore")
def test_a_model_from_a_folder(tmp_path: Path) -> None:
    import sentence_transformers as package
    from sentence_transformers.models import StaticEmbedding

    inner = StaticEmbedding(learn_tokenizer(DOCUMENTS, 60), embedding_dim=8)
    package.SentenceTransformer(modules=[inner], device="cpu").save(str(tmp_path / "model"))
    texts = {"name": "sentence_transformers", "queries": QUERIES, "documents": DOCUMENTS[:4]}
    model = registry.build(texts | {"path": str(tmp_path / "model")})
    scores = model.score(torch.arange(3), torch.arange(4).expand(3, 4))
    scores.sum().backward()
    assert any(parameter.grad is not None for parameter in model.parameters())
    tables = model.tables()
    torch.testing.assert_close(tables[0] @ tables[1].T, scores.detach(), atol=1e-5, rtol=1e-5)
    assert model.tables()[0] is tables[0]  # nothing has changed
    weights = next(model.parameters())
    torch.optim.Adam(model.parameters(), lr=0.1, fused=True).step()  # counts no version
    trained = model.tables()
    scores = model.score(torch.arange(3), torch.arange(4).expand(3, 4)).detach()
    torch.testing.assert_close(trained[0] @ trained[1].T, scores, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(trained[0], tables[0])
    weights.data.mul_(2.0).add_(0.1)
    assert model.tables()[0] is not trained[0]
    with pytest.raises(ConfigError, match="no Sentence Transformers model is found under 'no-such-model'"):
        registry.build(texts | {"path": "no-such-model"})
