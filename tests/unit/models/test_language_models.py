"""Language models: no word sees what comes after it, states go on, positions stand for their prefixes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from negatives.data.text import TextData
from negatives.errors import ConfigError
from negatives.evaluation import measure
from negatives.evaluation.perplexity import FIGURES
from negatives.evaluation.values import Likelihood
from negatives.models import registry
from negatives.models.language.base import LanguageModel, prefixes, runs_of
from negatives.models.language.base import exact as exact_of
from negatives.tasks.language import exact
from negatives.types import Context

WORDS, DIM, WINDOW = 11, 8, 5
TOKENS = torch.arange(120) * 7 % 11 * (torch.arange(120) % 3) % WORDS
COUNTS = torch.bincount(TOKENS, minlength=WORDS)
both = pytest.mark.parametrize("name", ["lstm", "transformer"])


def make(name: str, **values: Any) -> LanguageModel:
    spec = {"name": name, "tokens": TOKENS, "counts": COUNTS, "dim": DIM, "window": WINDOW, **values}
    model = registry.build(spec | ({"streams": 2} if name == "lstm" else {}))
    assert isinstance(model, LanguageModel)
    return model


def context(queries: torch.Tensor, step: int = 0) -> Context:
    return Context(queries, TOKENS[queries + 1], queries, step=step)


@both
def test_no_word_sees_what_comes_after(name: str) -> None:
    model = make(name, layers=2)
    words = torch.randint(0, WORDS, (2, WINDOW), generator=torch.Generator().manual_seed(1))
    changed = words.clone()
    changed[:, 3] = (changed[:, 3] + 1) % WORDS
    before, after = model.read(words), model.read(changed)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3])
    assert not torch.allclose(before[:, 4], after[:, 4])


@both
def test_a_batch_is_read_as_its_runs(name: str) -> None:
    model = make(name)
    queries = torch.cat([torch.arange(10, 15), torch.arange(60, 65)])
    model.refresh(context(queries))
    together = model.encode_queries(queries)
    assert together.shape == (10, DIM + 1)
    model.refresh(None)
    expected = model.read(TOKENS[queries].view(2, -1)).reshape(10, DIM)
    torch.testing.assert_close(together[:, :DIM], expected)
    assert torch.equal(together[:, DIM], torch.ones(10))


def test_the_state_of_a_stream_goes_on() -> None:
    model, whole = make("lstm", layers=2), make("lstm", layers=2)
    streams = torch.stack([torch.arange(10, 20), torch.arange(60, 70)])
    found = []
    for step, part in enumerate(streams.split(5, dim=1)):
        queries = part.reshape(-1)
        model.refresh(context(queries, step))
        found.append(model.encode_queries(queries).view(2, 5, -1))
    expected = whole.read(TOKENS[streams])
    torch.testing.assert_close(torch.cat(found, 1)[:, :, :DIM], expected)
    elsewhere = torch.cat([torch.arange(30, 35), torch.arange(80, 85)])
    model.refresh(context(elsewhere))
    torch.testing.assert_close(
        model.encode_queries(elsewhere).view(2, 5, -1)[:, :, :DIM], whole.read(TOKENS[elsewhere].view(2, 5))
    )


def test_the_state_is_saved_with_the_model() -> None:
    model, other = make("lstm"), make("lstm", seed=5)
    queries = torch.cat([torch.arange(10, 15), torch.arange(60, 65)])
    model.refresh(context(queries))
    model.encode_queries(queries)
    other.load_state_dict(model.state_dict())
    for one in (model, other):
        one.refresh(context(queries + 5, 1))
    assert torch.equal(model.encode_queries(queries + 5), other.encode_queries(queries + 5))


@both
def test_a_position_by_itself_reads_the_words_before_it(name: str) -> None:
    model = make(name)
    model.refresh(None)
    alone = model.encode_queries(torch.tensor([50, 2]))[:, :DIM]
    torch.testing.assert_close(alone[0], model.read(TOKENS[None, 46:51])[0, -1])
    torch.testing.assert_close(alone[1], model.read(TOKENS[None, :3])[0, -1])


def test_exact_likelihood_by_hand() -> None:
    model = make("lstm")
    text = TOKENS[:90]
    data = TextData("x", _names(), {"test": text}, COUNTS)
    found = exact(model, data, text)
    assert found.log_p.numel() == 90
    pairs = list(prefixes(model, text, data.end))
    vectors, words = torch.cat([one for one, _ in pairs]), torch.cat([one for _, one in pairs])
    assert torch.equal(words.sort().values, text.sort().values)
    scores = (vectors @ model.item_table.T).detach().double()
    expected = scores.log_softmax(1).gather(1, words[:, None]).mean()
    assert float(found.log_p.mean()) == pytest.approx(float(expected), abs=1e-5)
    metrics = measure(found, FIGURES).mean
    assert metrics["perplexity"] == pytest.approx(float(torch.exp(-expected)), rel=1e-5)
    assert metrics["log_z"] == pytest.approx(float(scores.logsumexp(1).mean()), abs=1e-5)
    assert metrics["log_z_sd"] == pytest.approx(float(scores.logsumexp(1).std(unbiased=False)), abs=1e-4)


def _names() -> Any:
    import polars

    return polars.Series([f"w{i}" for i in range(WORDS - 1)] + ["<eos>"])


def test_one_stream_reads_a_short_text_as_a_whole() -> None:
    model, text = make("lstm"), TOKENS[:30]
    streams = list(prefixes(model, text, 3))
    expected = model.read(torch.cat([torch.tensor([3]), text[:-1]])[None])[0]
    torch.testing.assert_close(torch.cat([one for one, _ in streams])[:, :DIM], expected)
    assert torch.equal(torch.cat([one for _, one in streams]), text)


def test_untrained_models_know_the_frequencies() -> None:
    model = make("lstm")
    model.item_table.data[:, :DIM] = 0
    vectors = torch.ones(1, DIM + 1)
    found = Likelihood(*exact_of(iter([(vectors, torch.tensor([2]))]), model.item_table.detach()))
    share = (float(COUNTS[2]) + 0.1) / (float(COUNTS.sum()) + 0.1 * WORDS)
    assert float(found.log_p.exp()) == pytest.approx(share, rel=1e-4)
    assert float(found.log_z) == pytest.approx(0.0, abs=1e-5)


def test_runs() -> None:
    assert runs_of(torch.arange(4)).tolist() == [[0, 1, 2, 3]]
    assert runs_of(torch.tensor([7])).tolist() == [[7]]


@both
@pytest.mark.parametrize("values", [{"layers": 0}, {"drop": 1.0}, {"dim": 0}])
def test_values_out_of_range(name: str, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        make(name, **values)


def test_heads_must_divide_the_length() -> None:
    with pytest.raises(ConfigError, match="heads"):
        make("transformer", heads=3)
