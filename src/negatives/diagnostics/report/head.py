"""Head of the report: what was run, the headline figures, the tables and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from negatives.diagnostics.report.asked import mean_over
from negatives.diagnostics.report.figures import COLOURS
from negatives.diagnostics.report.runs import Loaded, Run, part_name
from negatives.diagnostics.report.uncertain import mean_interval, share_text, span_text
from negatives.evaluation import p_text

SIZES = ("parameters", "peak_memory_mb")
PREFERRED = ("recall@20", "ndcg@20", "mrr", "ndcg@10", "hits@10")


@dataclass(frozen=True, slots=True)
class Card:
    """One headline figure."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; each cell is a value and a smaller second line.

    Args:
        columns: Headings.
        rows: Label, its colour, cells, and whether the row is the best.
        note: How to read it.
    """

    columns: list[str]
    rows: list[tuple[str, str, list[tuple[str, str]], bool]]
    note: str


def main_metric(loaded: Loaded) -> str:
    """The metric that the runs watched."""
    if loaded.compare.get("metric"):
        return str(loaded.compare["metric"])
    for run in loaded.runs:
        watched = run.metrics.get("watched") or run.config.get("evaluation", {}).get("metric")
        if watched:
            return str(watched)
    known = {name for run in loaded.runs for line in run.lines("evaluation") for name in line.get("metrics", {})}
    known |= {name for run in loaded.runs for name in run.metrics.get("test", {})}
    return next((name for name in PREFERRED if name in known), min(known, default="recall@20"))


def title(loaded: Loaded) -> str:
    """What was run, in one line."""
    parts = loaded.parts()
    if len(parts) > 1:
        return f"{len(loaded.runs)} runs on {len(parts)} sets of data"
    first = loaded.runs[0]
    names = list(dict.fromkeys(run.label for run in loaded.runs))
    what = f"{len(names)} samplers compared" if len(names) > 1 else f"sampler {names[0]}"
    if not loaded.compare and first.metrics.get("model") in first.metrics.get("baselines", {}):
        what = f"{first.metrics['model']}, a simple method"
    return f"{about(loaded)}: {what}"


def about(loaded: Loaded) -> str:
    """Task and data of runs that share both."""
    first = loaded.runs[0]
    data = next((run.data for run in loaded.runs if run.data), None) or first.source or "the offline dataset"
    return f"{first.task.capitalize()} on {data.rstrip('/').rsplit('/', 1)[-1]}"


def subtitle(loaded: Loaded) -> str:
    """Recipe, model, loss and seeds."""
    recipes = dict.fromkeys(str(run.config.get("recipe") or "") for run in loaded.runs)
    models = dict.fromkeys(_named(run, "model") for run in loaded.runs)
    losses = dict.fromkeys(_named(run, "loss") for run in loaded.runs)
    seeds = len({run.seed for run in loaded.runs})
    parts = [f"recipe {', '.join(filter(None, recipes))}" if any(recipes) else ""]
    parts += [f"model {', '.join(filter(None, models))}" if any(models) else ""]
    parts += [f"loss {', '.join(filter(None, losses))}" if any(losses) else ""]
    parts += [f"{seeds} seeds" if seeds > 1 else f"seed {loaded.runs[0].seed}"]
    return " · ".join(filter(None, parts))


def _named(run: Run, part: str) -> str:
    spec = run.metrics.get(part) or run.config.get(part)
    return part_name(spec) if spec else ""


def cards(loaded: Loaded, metric: str) -> list[Card]:
    """Headline figures of the best sampler."""
    label, runs = best(loaded, metric)
    several = len(loaded.groups()) > 1
    note = f"{label}, test part" if several else "test part"
    tested = list(dict.fromkeys(name for run in runs for name in run.metrics.get("test", {})))
    shown = [name for name in dict.fromkeys([metric, *PREFERRED]) if name in tested][:2]
    found = [_test_card(name, runs, note) for name in shown]
    if not found:
        found += _validation_card(runs, metric)
    seconds = _mean(run.metrics.get("train_seconds") or _last(run, "seconds") for run in runs)
    epochs = _mean(run.metrics.get("epochs") for run in runs)
    if seconds:
        found.append(
            Card("training time", duration(seconds), f"{epochs:.3g} epoch{'s' * (epochs != 1)}" if epochs else "")
        )
    share = _mean(run.metrics.get("sampler_share") for run in runs)
    if share:
        found.append(Card("sampler's share", f"{share:.1%}", "of the training time, scoring not counted"))
    return [*found, *_false_negatives(runs), *_sizes(runs)]


def _test_card(name: str, runs: Sequence[Run], note: str) -> Card:
    span = test_interval(runs, name)
    return Card(
        name, f"{_mean(run.metrics.get('test', {}).get(name) for run in runs):.4f}", f"{note}, {span}" if span else note
    )


def test_interval(runs: Sequence[Run], metric: str) -> str:
    """95 % interval of a test metric over queries, mean over seeds; empty where no values of queries were kept."""
    found = [run.asked for run in runs if run.asked is not None and metric in run.asked.values]
    if len(found) < len(runs) or len({len(one.values[metric]) for one in found}) != 1:
        return ""
    told = mean_interval([float(value) for value in mean_over(found, metric)])
    if told is None or abs(told[0] - _mean(run.metrics.get("test", {}).get(metric) for run in runs)) > 1e-6:
        return ""  # a metric that is no mean of its values
    return span_text(*told[1:])


def _false_negatives(runs: Sequence[Run]) -> list[Card]:
    """The rate towards the end, with no more digits than its canaries give."""
    values = [value for run in runs for value in _tail(run, "false_negative_rate")]
    told = mean_interval(values)
    if told is None or not told[0]:
        return []
    rate, span = share_text(*told)
    swing = f"single looks {min(values):.0%} to {max(values):.0%}".replace("%", " %")
    return [Card("false negatives", rate, f"{span} of the negatives, estimated by canaries; {swing}")]


def _sizes(runs: Sequence[Run]) -> list[Card]:
    parameters, memory = ([run.metrics[name] for run in runs if run.metrics.get(name)] for name in SIZES)
    found = [Card("parameters", count_text(max(parameters)), "numbers that the model learnt")] if parameters else []
    if memory:
        found.append(Card("peak memory", memory_text(max(memory)), "of the process, at most"))
    return found


def _validation_card(runs: Sequence[Run], metric: str) -> list[Card]:
    """The best evaluation after a step; the untrained model is no state to go back to."""
    looks = [[line.get("metrics", {}).get(metric) for line in run.lines("evaluation") if line["step"]] for run in runs]
    highest = [max(known) for values in looks if (known := [value for value in values if value is not None])]
    return [Card(metric, f"{_mean(highest):.4f}", "validation part, best so far")] if highest else []


def best(loaded: Loaded, metric: str) -> tuple[str, list[Run]]:
    """The sampler with the highest mean on the test part, and its runs."""
    groups = loaded.groups()
    return max(groups.items(), key=lambda one: _mean(run.metrics.get("test", {}).get(metric) for run in one[1]))


def verdict(loaded: Loaded) -> str:
    """Which sampler won, and whether that is more than chance; empty when there is nothing to compare."""
    if len(loaded.parts()) > 1:
        return "These runs are on different data, or of different tasks: figures of one are no measure for another."
    if loaded.compare.get("verdict"):
        return str(loaded.compare["verdict"])
    if loaded.compare or len(loaded.groups()) < 2:
        return ""
    told = "These runs were not made as one comparison, so no test says whether their differences are chance."
    if len({_division(run) for run in loaded.runs if run.config}) > 1:
        told += " Their data is divided by different seeds: where a test part was drawn, its questions differ."
    return told


def start_verdict(loaded: Loaded) -> str:
    """One sentence about a run and the one that it began from; empty where it is not alone, or began from none."""
    if len(loaded.runs) != 1 or loaded.compare:
        return ""
    return str((loaded.runs[0].metrics.get("start") or {}).get("verdict") or "")


def _division(run: Run) -> str:
    """What decides which pairs are the test part."""
    split = run.config.get("split", {})
    seed = split.get("seed", run.seed)
    return str([seed, *sorted((name, value) for name, value in split.items() if name not in ("seed", "valid", "fold"))])


def test_table(loaded: Loaded, metric: str) -> Table | None:
    """Test metrics with intervals and p-values from a comparison, or of each run when there is none."""
    rows = loaded.compare.get("summary") or []
    if rows:
        return _tested(loaded, rows, metric)
    groups = loaded.groups()
    names = list(dict.fromkeys(name for run in loaded.runs for name in run.metrics.get("test", {})))
    if not names:
        return None
    leader = best(loaded, metric)[0] if len(groups) > 1 else ""
    body = []
    for place, (label, runs) in enumerate(groups.items()):
        cells = []
        for name in names:
            values = [run.metrics["test"][name] for run in runs if name in run.metrics.get("test", {})]
            spread = span_text(min(values), max(values)) if len(values) > 1 else test_interval(runs, name)
            cells.append((f"{_mean(values):.4f}" if values else "–", spread))
        body.append((label, COLOURS[place % len(COLOURS)], cells, label == leader))
    note = "The test part was looked at once, after the training."
    if any(second for _, _, cells, _ in body for _, second in cells):
        several = any(len(runs) > 1 for runs in groups.values())
        note += f" Below a value: its {'range over seeds' if several else '95 % interval over queries'}."
    return Table(names, body, note)


def _tested(loaded: Loaded, rows: Sequence[Mapping[str, Any]], metric: str) -> Table:
    names = sorted(dict.fromkeys(row["metric"] for row in rows), key=lambda name: name != metric)
    samplers = list(dict.fromkeys(row["sampler"] for row in rows))
    found = {(row["sampler"], row["metric"]): row for row in rows}
    leader = max(samplers, key=lambda one: found.get((one, metric), {}).get("mean") or 0.0)
    colours = {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(loaded.groups())}
    body = []
    for sampler in samplers:
        cells = [_tested_cell(found.get((sampler, name))) for name in names]
        main = found.get((sampler, metric), {})
        reached, spent = main.get("seconds_to_baseline"), main.get("train_seconds")
        cells.append((duration(reached) if reached is not None else "never", f"of {duration(spent)}" if spent else ""))
        body.append((sampler, colours.get(sampler, "#444444"), cells, sampler == leader))
    base = loaded.compare.get("baseline")
    note = (
        f"Below each mean: its 95 % interval over queries and the p-value of the paired test against {base}, "
        f"Holm-corrected. Last column: training time until {base}'s best validation {metric} was first reached."
    )
    return Table([*names, f"time to {base}'s best"], body, note)


def _tested_cell(row: Mapping[str, Any] | None) -> tuple[str, str]:
    if row is None or row.get("mean") is None:
        return "–", ""
    low, high = row.get("interval") or (None, None)
    parts = [f"{low:.4f} to {high:.4f}" if low is not None and high is not None else ""]
    parts.append(p_text(row["p_value"]) if row.get("p_value") is not None else "")
    return f"{row['mean']:.4f}", " · ".join(filter(None, parts))


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(7.25), duration(95), duration(7260)
    ('7.2 s', '1 min 35 s', '2 h 01 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count_text(number: float) -> str:
    """A count that a person can read.

    >>> count_text(950), count_text(1_234_000), count_text(25_600)
    ('950', '1.23 M', '25.6 k')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            return f"{number / (1e3 if unit == 'k' else size):.3g} {unit}"
    return f"{number:,.0f}"


def memory_text(megabytes: float) -> str:
    """Memory in the unit that fits.

    >>> memory_text(512.3), memory_text(2048)
    ('512 MB', '2.05 GB')
    """
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.3g} GB"


def _mean(values: Any) -> float:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0


def _last(run: Run, name: str) -> float | None:
    return run.history[-1].get(name) if run.history else None


def _tail(run: Run, name: str) -> list[float]:
    """The last quarter of a probe's values, which together are steadier than the last one."""
    values = [line[name] for line in run.lines("step") if line.get(name) is not None]
    return values[-max(1, len(values) // 4) :]
