"""Word vectors answer without the text."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import polars as pl
import pytest
import torch
from torch.nn.functional import normalize

from negatives.answering import Run
from negatives.answering.words import WordNames, WordsRun
from negatives.errors import ConfigError, InputError
from opened import trained_and_opened

MODELS = ("skip_gram", "cbow", "glove", "ppmi_svd")


def data(folder: Path) -> Path:
    texts = [
        f"The {who} {what} New York {when} says the {whom}"
        for who in ("king", "queen", "cat", "dog")
        for what in ("sees", "likes", "hears")
        for whom in ("bird", "mouse", "fish")
        for when in ("often", "late", "today")
    ]
    path = folder / "data.txt"
    path.write_text("\n".join(texts * 2) + "\n")
    return path


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Run, Run]]:
    """Trains each model once."""

    @cache
    def of(model: str = "skip_gram") -> tuple[Run, Run]:
        folder = tmp_path_factory.mktemp(model)
        reading = {"min_count": 1, "phrases": 1, "phrase_threshold": 8.9, "tokens": "words"}
        return trained_and_opened(
            folder, task="words", data=str(data(folder)), model={"name": model, "dim": 6}, reading=reading
        )

    return of


Ready = Callable[..., tuple[Run, Run]]


@pytest.mark.parametrize("model", MODELS)
def test_answers_are_those_of_the_training_process(ready: Ready, model: str) -> None:
    trained, opened = ready(model)
    assert isinstance(opened, WordsRun)
    words = ["king", "bird", "sees"]
    found = opened.predict(words, k=4)
    assert found.equals(trained.predict(words, k=4))
    assert found.equals(opened.similar(words, k=4))
    assert not (found["query"] == found["item"]).any()
    assert found["score"].is_between(-1.001, 1.001).all()
    near = opened.predict(near=words, k=4)
    assert near.equals(trained.predict(near=words, k=4))
    asked = {"positive": [["king", "cat"]], "negative": [["queen"]]}
    assert opened.predict(**asked).equals(trained.predict(**asked))
    assert opened.score("king", ["queen", "dog"]).equals(trained.score("king", ["queen", "dog"]))
    assert opened.score(None, "dog", near="king").equals(trained.score(None, "dog", near="king"))


def test_words_near_a_word_are_those_of_the_text(ready: Ready) -> None:
    """Never does one animal stand in the place of another, and each verb stands before 'the'."""
    _, run = ready("ppmi_svd")
    near = set(run.predict(near="sees", k=6)["item"])
    assert near & {"king", "queen", "cat", "dog", "bird", "mouse", "fish"}
    best = run.predict(near="king", k=1)
    assert run.score(None, best["item"][0], near="king")["score"][0] == pytest.approx(best["score"][0], abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_analogies_add_and_subtract_unit_vectors(ready: Ready, model: str) -> None:
    """3CosAdd over all words but the given ones."""
    _, run = ready(model)
    names = run.names("word")
    unit = normalize(run.held.table("word"), dim=1)
    king, queen, dog = (unit[int(names.ids([word]))] for word in ("king", "queen", "dog"))
    cosines = unit @ normalize(king + dog - queen, dim=0)
    found = run.predict(positive=["king", "dog"], negative=["queen"], k=3)
    assert found["query"].to_list() == ["king + dog - queen"] * 3
    left = [(float(value), names[at]) for at, value in enumerate(cosines) if names[at] not in ("king", "dog", "queen")]
    wanted = sorted(left, reverse=True)[:3]
    assert found["score"].to_list() == pytest.approx([value for value, _ in wanted], abs=1e-6)
    assert found["item"][0] == wanted[0][1]
    alone = run.predict(positive=["king"], k=3)
    assert alone["item"].to_list() == run.predict("king", k=3)["item"].to_list()


def test_words_are_found_as_one_writes_them(ready: Ready) -> None:
    _, run = ready()
    assert "new_york" in run.names("word").series
    assert run.predict("King")["item"].to_list() == run.predict("king")["item"].to_list()
    assert run.similar("New York")["item"].to_list() == run.predict("new_york")["item"].to_list()
    assert torch.equal(run.encode(["king", "New York"]), run.encode(["king", "new_york"], kind="word"))
    assert run.encode(["king"], kind="context").shape == run.encode("king").shape
    written = WordNames("word", pl.Series(["caf\u00e9", "Caf\u00e9", "new_york"]))
    asked = ["Cafe\u0301", "CAF\u00c9", "New  York", "York"]
    assert written.find(asked).tolist() == [1, 0, 2, -1]


def test_faults_are_told_in_one_sentence(ready: Ready) -> None:
    _, run = ready()
    with pytest.raises(InputError, match="no word is called 'kinf'; did you mean 'king'"):
        run.predict("kinf")
    with pytest.raises(InputError, match=r"positive has no words; give positive=\.\.\.,\.\.\. negative="):
        run.predict(positive=[], negative=["king"])
    with pytest.raises(ConfigError, match=r"not asked by history; give word=\.\.\. \(words like a word\); or positive"):
        run.predict(history=["king"])


def test_what_training_alone_needs_is_not_kept(ready: Ready) -> None:
    for model in MODELS:
        _, run = ready(model)
        assert run.held.path is not None
        table = run.held.table("word")
        assert (run.held.path / "kept.safetensors").stat().st_size < 4 * table.numel() + 2000
