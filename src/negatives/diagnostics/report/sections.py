"""What the report shows below its head: each graph with a line that says how to read it."""

from __future__ import annotations

from dataclasses import dataclass

from negatives.diagnostics.report import figures
from negatives.diagnostics.report.decisions import marked
from negatives.diagnostics.report.figures import Figure, Groups

NOT_RECORDED = "Not recorded in this run."


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph.

    Args:
        title: Heading.
        text: What it shows and how to read it.
        figure: The graph; None when there is nothing to draw.
        missing: What to say then.
        wide: Takes the whole width.
    """

    title: str
    text: str
    figure: Figure | None
    missing: str = NOT_RECORDED
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Graphs under one heading, with the question that they answer."""

    title: str
    question: str
    panels: list[Panel]


def sections(groups: Groups, metric: str) -> list[Section]:
    """All sections of graphs, in order."""
    return [
        _learning(groups, metric),
        _hardness(groups),
        _diversity(groups),
        _false_negatives(groups),
        _control(groups),
        _time(groups),
    ]


def _learning(groups: Groups, metric: str) -> Section:
    several = any(len(runs) > 1 for runs in groups.values())
    seeds = " Thin lines are single seeds, the thick line is their mean." if several else ""
    if any(run.lines("decision") and run.lines("evaluation") for runs in groups.values() for run in runs):
        seeds += " A diamond is a decision, told above."
    over_time = marked(figures.learning(groups, metric, "seconds"), groups, metric, "seconds")
    quality = [Panel("Validation", "", None, _no_evaluation(groups), wide=True)]
    if over_time is not None:
        quality = [
            Panel(
                "Against time",
                "Quality on the validation part after so many seconds of training, evaluation not counted; at 0 "
                f"stands the untrained model. Further up and further left is better.{seeds}",
                over_time,
            ),
            Panel(
                "Against epochs",
                "The same after so many passes over the training data: what a pass teaches, whatever it costs.",
                marked(figures.learning(groups, metric, "epoch"), groups, metric, "epoch"),
            ),
        ]
    loss = "Mean loss of the batch; thin where single values swing, thick their running mean."
    if len(groups) > 1:
        loss += " Only compare samplers that share a loss; harder negatives give a higher loss."
    drawn = figures.probe(groups, {"loss": "loss"}, "loss", steady=True)
    panels = [*quality, Panel("Training loss", loss, drawn, wide=True)]
    return Section("Learning", "How good is the model, and how fast did it get there?", panels)


def _no_evaluation(groups: Groups) -> str:
    """Why there is no learning curve."""
    if all(run.config.get("split", {}).get("valid") == 0 for runs in groups.values() for run in runs):
        return "Nothing was evaluated while training: all pairs but those of the test part were learnt."
    return "No evaluation was recorded."


def _hardness(groups: Groups) -> Section:
    return Section(
        "Hardness",
        "Does the model still learn from the negatives it is given?",
        [
            Panel(
                "Gradient share",
                "How much of the largest possible push an average negative still gives (logistic loss). Near 0 the "
                "negatives are too easy to teach anything; near 1 they score above the right answer.",
                figures.probe(groups, {"gradient_share": "gradient share"}, "gradient share", figures.FROM_ZERO),
            ),
            Panel(
                "Violation rate",
                "Share of negatives that score at least as high as the right answer. It falls as the model learns; "
                "a hard sampler keeps it up.",
                figures.probe(groups, {"violation_rate": "violation rate"}, "share", figures.SMALL_SHARES),
            ),
            Panel(
                "Score gap",
                "Score of the right answer less that of the row's hardest negative. Above 0 the right answer wins.",
                figures.probe(groups, {"gap": "gap"}, "score gap"),
            ),
            *_scores(groups),
            *_optional(groups),
        ],
    )


def _scores(groups: Groups) -> list[Panel]:
    """Of one sampler; those of several cannot be compared."""
    if len(groups) > 1:
        return []
    names = {"positive_score": "right answers", "hardest_score": "hardest negatives", "negative_score": "negatives"}
    text = "Mean scores of right answers and negatives. Lines that drift apart mean that the two are told apart well."
    return [Panel("Scores", text, figures.probe(groups, names, "score"))]


def _optional(groups: Groups) -> list[Panel]:
    """Measurements that only some samplers give."""
    hardness = figures.probe(groups, {"hardness": "hardness"}, "standard deviations")
    staleness = figures.probe(groups, {"staleness": "staleness"}, "steps", figures.FROM_ZERO)
    told = [
        Panel(
            "Hardness",
            "Score of the chosen negatives above the mean of the candidates, in standard deviations: how much harder "
            "than a plain draw they are.",
            hardness,
        ),
        Panel("Staleness", "Age of what the sampler remembers of the model, in steps. 0 is up to date.", staleness),
    ]
    return [panel for panel in told if panel.figure]


def _diversity(groups: Groups) -> Section:
    return Section(
        "Diversity",
        "Does the sampler show the model the whole catalogue, or always the same few items?",
        [
            Panel(
                "Coverage",
                "Share of the catalogue drawn at least once so far, counted on a part of the batches, so the truth is "
                "a little higher.",
                figures.probe(groups, {"coverage": "coverage"}, "share", figures.SHARES),
            ),
            Panel(
                "Entropy",
                "How evenly the negatives spread over the items, relative to a uniform draw: 1 is even, lower is more "
                "concentrated.",
                figures.probe(groups, {"entropy": "entropy"}, "relative entropy", figures.NEAR_ONE),
            ),
            *_head_and_tail(groups),
            *_slots(groups),
        ],
    )


def _head_and_tail(groups: Groups) -> list[Panel]:
    head, tail = "most popular 20 % of items (head)", "least popular 50 % (tail)"
    text = "Share of the negatives among the {}. A uniform sampler shows {}."
    if len(groups) == 1:
        names = {"head_share": "head", "tail_share": "tail"}
        both = text.format(f"{head} and the {tail}", "20 % and 50 %")
        return [Panel("Head and tail", both, figures.probe(groups, names, "share", figures.SHARES))]
    return [
        Panel(
            "Head", text.format(head, "20 %"), figures.probe(groups, {"head_share": "head"}, "share", figures.SHARES)
        ),
        Panel(
            "Tail", text.format(tail, "50 %"), figures.probe(groups, {"tail_share": "tail"}, "share", figures.SHARES)
        ),
    ]


def _slots(groups: Groups) -> list[Panel]:
    allowed = "Share of slots that guards allowed{}. Slots that are not allowed count for nothing in the loss."
    sizes = "How many of a row's negatives carry weight, as a share of all: 1 when all weigh the same."
    if len(groups) == 1:
        names = {"ok_share": "allowed", "duplicate_share": "duplicates", "effective_sample_size": "effective size"}
        text = allowed.format(", and share that repeat an item of the row") + f" Effective size: {sizes.lower()}"
        return [Panel("Usable slots", text, figures.probe(groups, names, "share", figures.SHARES))]
    size = figures.probe(groups, {"effective_sample_size": "effective size"}, "share", figures.SHARES)
    return [
        Panel(
            "Usable slots", allowed.format(""), figures.probe(groups, {"ok_share": "allowed"}, "share", figures.SHARES)
        ),
        Panel("Effective sample size", sizes, size),
    ]


def _false_negatives(groups: Groups) -> Section:
    names, look = {"false_negative_rate": "false negatives"}, figures.SMALL_SHARES
    none = "No canaries were hidden in this run, so false negatives were not estimated."
    return Section(
        "False negatives",
        "How often does the sampler pick items that are right answers after all? A few known right answers are hidden "
        "from the training as canaries; how often the sampler picks one is the estimate.",
        [
            Panel(
                "Estimated rate",
                "Share of the negatives that are probably right answers, on the assumption that the unknown right "
                "answers are as many, and as tempting, as the known ones. Few canaries are drawn at a time, so single "
                "values (thin) swing; thick is their running mean.",
                figures.probe(groups, names, "share", look, steady=True),
                none,
            ),
            Panel(
                "Lift",
                "How many times more often than a uniform draw the sampler picks a hidden right answer. 1 is no "
                "worse than chance.",
                figures.probe(groups, {"false_negative_lift": "lift"}, "times", figures.FROM_ZERO, steady=True),
                none,
            ),
        ],
    )


def _control(groups: Groups) -> Section:
    found, constant = figures.controls(groups)
    panels = [
        Panel(path, "Value of this number over training, as its schedule or controller set it.", figure)
        for path, figure in found.items()
    ]
    fixed = f" Constant throughout: {', '.join(f'{path} = {value}' for path, value in constant.items())}."
    if not panels:
        panels = [Panel("No controlled number", "", None, "Every number of the sampler was a constant.", wide=True)]
    return Section("Control", "What did schedules and controllers decide?" + (fixed if constant else ""), panels)


def _time(groups: Groups) -> Section:
    return Section(
        "Where the time went",
        "What does the sampler cost, and what the model?",
        [
            Panel(
                "Training time by part",
                "Seconds of training by part of the step, mean over seeds; the labels are shares. The sampler proper "
                "is drawing, guarding and selecting; scoring candidates is work of the model.",
                figures.time_by_part(groups),
                wide=True,
            )
        ],
    )
