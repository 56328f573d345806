"""A search run's test ranking and its judgements in the files that trec_eval and its kin read."""

from __future__ import annotations

from pathlib import Path

import torch

from negatives.data.retrieval import RetrievalData
from negatives.errors import ConfigError
from negatives.evaluation.graded import trec_qrels, trec_run
from negatives.evaluation.ranking import search
from negatives.training import files

LENGTH = 100


def write_trec(run: Path, target: Path) -> None:
    """``test.run`` with the 100 best documents of each test query, and ``test.qrels``.

    Raises:
        ConfigError: The run is not one of search.
        InputError: The run is not finished.
    """
    from negatives.runs.runner import load_run

    trained = load_run(run)
    data = trained.examples.data
    if not isinstance(data, RetrievalData):
        raise ConfigError(f"the format trec is for search, and this is a run of {trained.task.name}; choose another")
    judged = data.part("test")
    queries = torch.unique(judged.queries)
    ids, scores = search(trained.model.answers().every, queries, min(LENGTH, data.n_items))
    found = [
        [(data.item_names[item], score) for item, score in zip(row.tolist(), values.tolist(), strict=True)]
        for row, values in zip(ids, scores, strict=True)
    ]
    names = [data.query_names[query] for query in queries.tolist()]
    whole: dict[str, dict[str, int]] = {name: {} for name in names}
    for query, item, grade in zip(judged.queries.tolist(), judged.items.tolist(), judged.grades.tolist(), strict=True):
        whole[data.query_names[query]][data.item_names[item]] = grade
    files.write_bytes(target / "test.run", trec_run(names, found, "negatives").encode())
    files.write_bytes(target / "test.qrels", trec_qrels(whole).encode())
