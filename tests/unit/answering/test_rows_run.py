"""A finished classification run labels new texts and rows without its data, as it did when it was trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from negatives.answering import Run
from negatives.answering.rows import ClassifyRun
from negatives.errors import InputError
from opened import trained_and_opened

WORDS = {"fruit": ("apple", "pear", "plum"), "metal": ("iron", "zinc", "tin"), "river": ("rhine", "tiber", "ebro")}
Ready = Callable[[str, str], tuple[Run, Run]]
MODELS = ("full", "neighbours", "popularity", "nearest_rows", "linear")


def texts(folder: Path) -> Path:
    """Each text is of two words of its label, and one of all."""
    rows = [
        f"{words[at % 3]} {words[(at // 3 + 1) % 3]} thing{at % 2},{label}"
        for label, words in WORDS.items()
        for at in range(20)
    ]
    path = folder / "data.csv"
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    return path


def features(folder: Path) -> Path:
    """Rows of three features, by number; a row's label is that of its largest."""
    rows = [f"{at % 3} {at % 3}:{2 + at % 5}.{10 + at} {(at + 1) % 3}:0.5" for at in range(60)]
    path = folder / "data.svm"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    @cache
    def of(model: str, kind: str) -> tuple[Run, Run]:
        folder = tmp_path_factory.mktemp("classify")
        path = texts(folder) if kind == "texts" else features(folder)
        recipe = {"recipe": model} if model in ("neighbours", "full") else {"model": model}
        return trained_and_opened(folder, task="classify", data=str(path), **(recipe | {"epochs": 6}))

    return of


@pytest.mark.parametrize("model", MODELS)
def test_answers_are_those_of_the_training_process(ready: Ready, model: str) -> None:
    trained, opened = ready(model, "texts")
    asked = ["Apple and pear", "an iron thing1", "nothing known", ""]
    found = trained.predict(asked, k=3)
    assert isinstance(opened, ClassifyRun)
    assert found.equals(opened.predict(asked, k=3))
    assert trained.score(asked[:1], ["fruit", "metal"]).equals(opened.score(asked[:1], ["fruit", "metal"]))
    assert set(found.columns) == {"query", "rank", "item", "score"}
    if model != "popularity":
        assert found.filter(found["rank"] == 1)["item"].to_list()[:2] == ["fruit", "metal"]
        first = found.head(3)
        assert opened.score(asked[0], first["item"].to_list())["score"].to_list() == pytest.approx(
            first["score"].to_list(), abs=1e-6
        )


@pytest.mark.parametrize("model", ["full", "linear"])
def test_rows_are_asked_by_their_features(ready: Ready, model: str) -> None:
    trained, opened = ready(model, "features")
    asked = [["0:4.5", "1:0.5"], ["2:3", "0:0.5"], ["7:1", "1:9"]]
    found = opened.predict(features=asked, k=1)
    assert found["item"].to_list() == ["0", "2", "1"]
    assert found.equals(trained.predict(features=asked, k=1))
    with pytest.raises(InputError, match="no feature 'x': features are numbers below 3; write"):
        opened.predict(features=["x"])
    with pytest.raises(InputError, match="'y' in '1:y' is no number"):
        opened.predict(features=["1:y"])


def test_no_training_row_is_kept_but_those_that_vote(ready: Ready) -> None:
    for model, rows in (("full", 0), ("linear", 0), ("neighbours", None), ("nearest_rows", None)):
        _, opened = ready(model, "texts")
        kept = opened.held.model.n_queries
        assert kept == rows if rows is not None else 0 < kept < 60


def test_labels_are_compared_without_their_bias(ready: Ready) -> None:
    _, opened = ready("full", "texts")
    assert opened.similar_table("label").shape[1] == opened.held.table("label").shape[1] - 1
    assert len(opened.similar("fruit", k=5)) == 2
