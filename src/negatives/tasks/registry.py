"""The table of tasks; listing it imports no task."""

from negatives.registry import Registry

registry: Registry[object] = Registry(
    "tasks",
    (
        ("recommend", "negatives.tasks.recommend:Recommend"),
        ("sequence", "negatives.tasks.sequence:Sequence"),
        ("knowledge", "negatives.tasks.knowledge:Knowledge"),
        ("graph", "negatives.tasks.graph:Graph"),
        ("words", "negatives.tasks.words:Words"),
        ("search", "negatives.tasks.search:Search"),
        ("similarity", "negatives.tasks.similarity:Similarity"),
        ("classify", "negatives.tasks.classify:Classify"),
        ("language", "negatives.tasks.language:Language"),
        ("sentences", "negatives.tasks.sentences:Sentences"),
    ),
)
