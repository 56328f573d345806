"""The outcome of a comparison in words: one sentence, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from negatives.config import Values
from negatives.evaluation import p_text
from negatives.runs.aligned import aligned
from negatives.runs.results import Row

LEVEL = 0.05


def verdict(summary: Sequence[Row], metric: str) -> str:
    """One sentence that says who won, and whether that is more than chance."""
    rows = [row for row in summary if row.metric == metric]
    best, base = max(rows, key=lambda row: row.mean), rows[0]
    if best.p_value is None:
        return f"{base.sampler} did best: no other sampler had a higher {metric} than {base.mean:.4f}."
    chance = (
        f"more than chance ({p_text(best.p_value)}, paired over queries, Holm-corrected)"
        if best.p_value < LEVEL
        else f"within chance ({p_text(best.p_value)})"
    )
    sentence = (
        f"{best.sampler} did best: {metric} {best.mean:.4f} against {base.mean:.4f} of {base.sampler} "
        f"({best.gain:+.1%}), which is {chance}."
    )
    if best.seconds_to_baseline is not None and base.seconds_to_baseline:
        share = best.seconds_to_baseline / base.seconds_to_baseline
        sentence += f" It reached {base.sampler}'s best validation {metric} in {share:.0%} of its time."
    return sentence


def numbers_told(chosen: Mapping[str, Values]) -> str:
    """The numbers that tuning chose for each sampler, as ``--set`` takes them; nothing where nothing was tuned."""
    lines = []
    for name, one in chosen.items():
        if one["trials"]:
            own = ", the recipe's own" if one["trial"] == 0 else ""
            values = " ".join(f"{path}={value:g}" for path, value in one["values"].items())
            if len({tried.get("loss") for tried in one["trials"]}) > 1:  # both forms of the sampler were tried
                values = f"loss={one['loss']} {values}"
            lines.append(f"{name}: trial {one['trial']} of {len(one['trials'])}{own}: {values}")
    return "\n".join(lines)


def table(summary: Sequence[Row]) -> str:
    """The summary as lines of text."""
    rows = [("sampler", "metric", "mean", "95 % interval", "gain", "p", "to baseline")]
    for row in summary:
        low, high = row.interval
        p_value = "" if row.p_value is None else p_text(row.p_value)[2:].removeprefix("= ")
        time = "" if row.seconds_to_baseline is None else f"{row.seconds_to_baseline:.1f} s"
        mean, interval, gain = f"{row.mean:.4f}", f"{low:.4f} to {high:.4f}", f"{row.gain:+.1%}"
        rows.append((row.sampler, row.metric, mean, interval, gain, p_value, time))
    return aligned(rows, left=2)
