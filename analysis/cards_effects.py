"""Cards about the answer: headline, omnibus test, effects, cell means."""

from analysis.blocks import Block, Table, Text, picture
from analysis.figures import axis_label
from analysis.figures_effects import cells_figure, effect_label, effects_figure
from analysis.findings import Findings
from analysis.glossary import (
    counted,
    interval_text,
    number,
    p_relation,
    p_text,
    response_unit,
    with_unit,
    words,
)
from analysis.headline import TONES, chips
from analysis.omnibus import omnibus_test
from analysis.race import unselected_seeds
from analysis.verdicts import UNDECIDED, Effect
from mflab.errors import MflabError


def answer_card(findings: Findings) -> list[Block]:
    """One line per factor: its verdict, its largest contrast, and what would decide it."""
    rows = []
    for chip, factor in zip(chips(findings), findings.sweep.plan.factors, strict=True):
        own = [e for e in findings.declared if e.factor == factor.name and e.estimate is not None]
        largest = max(own, key=lambda effect: abs(effect.estimate or 0.0), default=None)
        needed = [e.seeds_needed for e in own if e.verdict_kind == UNDECIDED and e.seeds_needed is not None]
        unit = findings.sweep.plan.response.unit
        size = (
            "–"
            if largest is None
            else f"{largest.contrast}: {with_unit(number(largest.estimate, unit, signed=True), unit)}"
        )
        interval = (
            "–"
            if largest is None or largest.low is None
            else f"{number(largest.low, unit)} to {number(largest.high, unit)}"
        )
        n = "–" if largest is None else str(largest.n)
        rows.append(
            (
                factor.name,
                ", ".join(factor.level_names),
                chip.verdict,
                size,
                interval,
                n,
                str(max(needed)) if needed else "–",
            )
        )
    if not rows:
        raise MflabError("The sweep has no factors, so it asks for no comparison.")
    headers = (
        "factor",
        "levels, reference first",
        "verdict",
        "largest contrast",
        "95 % interval",
        "n",
        "seeds to decide all",
    )
    return [Table(headers, tuple(rows), (0, 1, 2, 3), tones=TONES)]


def omnibus_card(findings: Findings) -> list[Block]:
    """The F test of all factors together, then by term."""
    test = omnibus_test(findings.sweep)
    is_any = test.p_value < 0.05
    df = f"{test.df[0]:.0f}, {test.df[1]:.0f}"
    unit = findings.sweep.plan.response.unit
    text = (
        f"{'Yes' if is_any else 'Not shown'}: F({df}) = {number(test.f, places=2)}, p {p_relation(test.p_value)}, "
        f"n = {counted(test.n, 'trial')}. Residual SD {with_unit(number(test.residual_sd, unit), unit)}."
    )
    rows = tuple((t.name, f"{t.df:.0f}", number(t.f, places=2), p_text(t.p_value)) for t in test.terms)
    race = findings.race
    if race is not None and race.drops:
        seeds = len(unselected_seeds(findings.sweep, race))
        text += f" On the first {seeds} seeds, which every arm has: later ones depend on who was dropped."
    return [Text(text, "good" if is_any else "warn"), Table(("term", "df", "F", "p"), rows)]


def effects_card(findings: Findings) -> list[Block]:
    """Forest plot and table of all contrasts on the declared response, then the other responses."""
    sweep = findings.sweep
    shown = [*findings.declared, *findings.interactions]
    if not shown:
        raise MflabError("The sweep has no factors, so there is no effect to estimate.")
    smallest, unit = sweep.plan.response.smallest_effect, sweep.plan.response.unit
    blocks: list[Block] = []
    if any(effect.estimate is not None for effect in shown):
        alt = f"Effects on {sweep.response} with 95 % intervals"
        blocks.append(picture("effects", alt, effects_figure(shown, smallest)))
    band = f"grey band: smaller than {with_unit(f'±{number(smallest, unit)}', unit)}; " if smallest is not None else ""
    colours = "green distinguishable, blue equivalent, grey undecided"
    blocks.append(Table(_HEADERS, tuple(_row(e) for e in findings.declared), _LEFT, f"{band}{colours}", tones=TONES))
    if findings.interactions:
        rows = tuple(_row(e) for e in findings.interactions)
        caption = "Interactions: how much one effect changes with the other factor (exploratory)"
        blocks.append(Table(_HEADERS, rows, _LEFT, caption, tones=TONES))
    blocks += _race_note(findings)
    partial = [e for e in shown if e.pairs_used < e.pairs_planned]
    blocks += [
        Text(
            f"{e.factor}, {e.contrast}: {e.pairs_used} of {e.pairs_planned} planned comparisons used; "
            "the rest lack a done trial"
            f"{f', since the race dropped {words(e.dropped)}' if e.dropped else ''}.",
            "warn",
        )
        for e in partial
    ]
    others = [e for e in findings.effects if e.response != sweep.response and e.kind == "main"]
    if others:
        rows = tuple((e.response, *_row(e)) for e in others)
        left = (0, *(column + 1 for column in _LEFT))
        num_responses = len({e.response for e in others})
        fold = f"{counted(len(others), 'contrast')} on {counted(num_responses, 'other response')}"
        blocks += [
            Text("Other responses, exploratory (Benjamini-Hochberg over everything outside the declared family):"),
            Table(("response", *_HEADERS), rows, left, tones=TONES, fold=fold),
        ]
    return blocks


def _race_note(findings: Findings) -> list[Block]:
    race = findings.race
    if race is None:
        return []
    looks = len(findings.sweep.plan.race["looks"]) + 1 if findings.sweep.plan.race is not None else 1
    text = f"Every comparison uses only the seeds that its arms share; p values are multiplied by {looks}, the looks."
    if race.drops:
        text += (
            f" {words(list(race.drops))} left the race because of what these seeds showed, so differences to it look "
            "larger than they are: an estimate with a dropped arm is no fair estimate of its size."
        )
    return [Text(text, "warn" if race.drops else "neutral")]


_HEADERS = ("effect", "estimate", "95\u00a0%\u00a0interval", "n", "p\u00a0adj.", "verdict", "")
_LEFT = (0, 5, 6)


def _row(effect: Effect) -> tuple[str, ...]:
    interval = "–" if effect.low is None else f"{number(effect.low, effect.unit)} to {number(effect.high, effect.unit)}"
    estimate = number(effect.estimate, effect.unit, signed=True)
    return (
        effect_label(effect),
        with_unit(estimate, effect.unit) if effect.estimate is not None else estimate,
        interval,
        str(effect.n),
        p_text(effect.p_adjusted),
        effect.verdict_kind,
        effect.verdict.removeprefix(f"{effect.verdict_kind}: "),
    )


def cells_card(findings: Findings) -> list[Block]:
    """Mean of every arm with its interval, baselines as lines; all responses as a table."""
    sweep = findings.sweep
    cells = findings.cells[sweep.response]
    if not cells:
        raise MflabError(f"{sweep.why_empty}, so there are no means.")
    label = axis_label(sweep.response, sweep.plan.response.unit)
    figure = cells_figure(cells, findings.baselines, findings.styles, label)
    blocks: list[Block] = [picture("cells", f"Mean {sweep.response} of every arm beside the baselines", figure)]
    units = {response: response_unit(response, sweep.plan) for response in sweep.responses}
    levels = {response: sweep.baseline_levels(response) for response in sweep.responses}
    rows = []
    for arm, declared in cells.items():
        own = {r: findings.cells[r][arm] for r in sweep.responses if arm in findings.cells[r]}
        texts = [interval_text(own[r], units[r]) if r in own else "–" for r in sweep.responses]
        rows.append((arm, str(declared.n), *texts))
    for name in findings.baselines:
        texts = [number(levels[r][name], units[r]) if name in levels[r] else "–" for r in sweep.responses]
        rows.append((f"baseline: {name}", "–", *texts))
    headers = ("arm", "n", *(axis_label(r, units[r]) for r in sweep.responses))
    swatches = {name: style.colour for name, style in findings.styles.items()}
    return [*blocks, Table(headers, tuple(rows), (0,), swatches=swatches)]
