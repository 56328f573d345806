"""A search run's test ranking and its judgements in the files that trec_eval and its kin read."""

from __future__ import annotations

from pathlib import Path

from negatives.data.retrieval import RetrievalData
from negatives.errors import ConfigError
from negatives.evaluation import longest
from negatives.evaluation.graded import trec_qrels, trec_run
from negatives.evaluation.ranking import search
from negatives.runs.names import words
from negatives.training import files

LENGTH = 100
"""Documents of each query, or more where a metric of the run asks for more."""


def write_trec(run: Path, target: Path) -> None:
    """``test.run`` with the best documents of each test query, and ``test.qrels``.

    They hold the queries that the run was tested on, those with a relevant document, so that trec_eval gives the
    figures of metrics.json. Blanks in names, which end a column of these files, become underscores.

    Raises:
        ConfigError: The run is not one of search.
        InputError: The run is not finished.
    """
    from negatives.runs.runner import load_run

    trained = load_run(run)
    task, data = trained.task, trained.examples.data
    if not isinstance(data, RetrievalData):
        raise ConfigError(f"the format trec is for search, and this is a run of {task.name}; choose another")
    judged = data.part("test")
    queries = task.queries(data.known(("test",)), "test", trained.config)
    length = max(LENGTH, longest(task.metric_names(trained.config)))
    ids, scores = search(trained.model.answers().every, queries, min(length, data.n_items), data.identical)
    query_names, item_names = list(words(data.query_names)), list(words(data.item_names))
    found = [
        [(item_names[item], score) for item, score in zip(row.tolist(), values.tolist(), strict=True) if item >= 0]
        for row, values in zip(ids, scores, strict=True)
    ]
    whole: dict[int, dict[str, int]] = {query: {} for query in queries.tolist()}
    for query, item, grade in zip(judged.queries.tolist(), judged.items.tolist(), judged.grades.tolist(), strict=True):
        if query in whole:
            whole[query][item_names[item]] = grade
    names = [query_names[query] for query in whole]
    files.write_bytes(target / "test.run", trec_run(names, found, "negatives").encode())
    files.write_bytes(target / "test.qrels", trec_qrels(dict(zip(names, whole.values(), strict=True))).encode())
