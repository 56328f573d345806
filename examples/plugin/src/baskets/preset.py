"""The parts of this package as one named sampler."""

from negatives.sampler import Preset

OVERSAMPLED = Preset(
    family="hard",
    summary="Popular candidates, the hardest most often, out after three strikes.",
    source="after Rendle and Freudenthaler, WSDM 2014",
    parts={
        "proposal": {"name": "geometric", "share": 0.5},
        "guards": ["known_positives", {"name": "strikes", "most": 3}],
        "candidates": 16,
        "select": {"name": "by_rank", "k": 4, "scale": {"schedule": "linear", "start": 8.0, "stop": 4.0}},
    },
    loss="squared_hinge",
)

__all__ = ["OVERSAMPLED"]
