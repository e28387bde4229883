"""The card of a race: its rule, who was dropped against whom at every look, and where the survivors stand."""

from itertools import accumulate

from analysis.blocks import Block, Table, Text, picture
from analysis.figures import axis_label
from analysis.figures_search import race_figure
from analysis.findings import Findings
from analysis.glossary import counted, interval_text, number, signed_unit, words
from analysis.race import Race, standings
from mflab.errors import MflabError


def race_card(findings: Findings) -> list[Block]:
    """Rule, looks, survivors."""
    sweep, race = findings.sweep, findings.race
    rule = sweep.plan.race
    if race is None or rule is None:
        raise MflabError("The sweep is no race.")
    blocks: list[Block] = [Text(rule_text(findings))]
    if race.unexplained:
        names = ", ".join(race.unexplained)
        text = f"The records stopped {names}, which this rule does not: the rule or the responses changed since."
        blocks.append(Text(text, "problem"))
    missing = [look for look in rule["looks"] if look not in {one.num_seeds for one in race.looks}]
    if missing:
        blocks.append(Text(f"Still to come: looks after {', '.join(map(str, missing))} seeds.", "warn"))
    return [*blocks, *_figure(findings, race), *_looks(findings, race), *_survivors(findings, race)]


def rule_text(findings: Findings) -> str:
    """The rule of a race in words."""
    rule = findings.sweep.plan.race
    assert rule is not None
    looks, rivals = len(rule["looks"]), rule["arms"] - 1
    return (
        f"Rule, fixed before the start: after {words([str(look) for look in rule['looks']])} seeds every arm still in "
        "the race meets the leader in a one-sided paired t test on the seeds that all have completed, and gets no "
        f"more seeds if p < {rule['threshold']:.4g}, which is {rule['alpha']:g} / ({counted(looks, 'look')} × "
        f"{counted(rivals, 'rival')}). "
        f"So the best arm is ever dropped with probability at most {rule['alpha']:g}."
    )


def _figure(findings: Findings, race: Race) -> list[Block]:
    """Mean paired difference to the leading survivor over the first seeds."""
    sweep = findings.sweep
    table = standings(sweep, race)
    if not table:
        return []
    leader = race.values[table[0].arm]
    lines: dict[str, list[tuple[int, float]]] = {}
    for arm, own in race.values.items():
        seeds = [seed for seed in sweep.plan.design.seeds if seed in own and seed in leader]
        sums = accumulate(own[seed] - leader[seed] for seed in seeds)
        lines[arm] = [(place, total / place) for place, total in enumerate(sums, start=1)]
    dropped = {arm: seeds for arm, (seeds, _) in race.drops.items()}
    label = "difference to the leader in\n" + axis_label(sweep.response, sweep.plan.response.unit)
    figure = race_figure(lines, dropped, [look.num_seeds for look in race.looks], findings.styles, label)
    alt = f"Mean paired difference of every arm to {table[0].arm} as seeds are added; a cross where an arm was dropped"
    return [picture("race", alt, figure)]


def _looks(findings: Findings, race: Race) -> list[Block]:
    sweep = findings.sweep
    unit = sweep.plan.response.unit
    rows = []
    for look in race.looks:
        name = f"after {look.num_seeds} seeds"
        for one in look.comparisons:
            p = f"{one.p:.4f}" if one.p >= 1e-4 else "< 0.0001"
            is_dropped = race.drops.get(one.arm, (0, None))[0] == look.num_seeds
            rows.append(
                (name, one.arm, one.against, signed_unit(one.mean_difference, unit), str(one.n), p,
                 f"{one.threshold:.4g}", "dropped" if is_dropped else "stays")
            )  # fmt: skip
        rows += [(name, arm, "–", "–", "–", "–", "–", "not compared: a seed has no number") for arm in look.absent]
    if not rows:
        return [Text("No look was complete yet.")]
    headers = ("look", "arm", "against the leader", "leader is better by", "n", "p", "drop below", "decision")
    caption = "Every comparison; the mean difference is over the seeds of the look"
    return [Table(headers, tuple(rows), (0, 1, 2, 7), caption, tones={"dropped": "warn", "stays": "good"})]


def _survivors(findings: Findings, race: Race) -> list[Block]:
    sweep = findings.sweep
    unit = sweep.plan.response.unit
    seeds = race.common_seeds
    table = standings(sweep, race)
    if not table:
        return [Text("The arms still in the race share no done seed yet.", "warn")]
    rows = []
    for one in table:
        gap = one.difference
        interval = "–"
        if gap is not None and gap.low is not None:
            interval = f"{number(gap.low, unit)} to {number(gap.high, unit)}"
        rows.append((one.arm, str(one.mean.n), interval_text(one.mean, unit),
                     "leads" if gap is None else signed_unit(gap.mean, unit), interval))  # fmt: skip
    headers = (
        "arm still in the race",
        "n",
        axis_label(sweep.response, unit),
        "paired difference to the best",
        "95 % interval",
    )
    caption = f"On the {counted(len(seeds), 'seed')} that all of them share ({', '.join(map(str, seeds))})"
    swatches = {label: style.colour for label, style in findings.styles.items()}
    return [Table(headers, tuple(rows), (0,), caption, swatches=swatches)]
