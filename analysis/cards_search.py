"""Cards of a search: the best suggestions, the course of the search, the Pareto front, importances, images."""

from analysis.blocks import MANY, Block, Table, Text, picture
from analysis.cards_detail import image_blocks
from analysis.figures import axis_label
from analysis.figures_search import history_figure, pareto_figure
from analysis.findings import Findings
from analysis.glossary import counted, interval_text, number, percent, response_unit
from analysis.search import Suggestion, objectives, read_importances
from mflab.errors import MflabError

NUM_BEST = 10
NUM_IMAGES = 4


def best_card(findings: Findings) -> list[Block]:
    """The best finished suggestions with their values, baselines below, then what was stopped and where."""
    sweep = findings.sweep
    best = findings.best_suggestions
    blocks: list[Block] = []
    if best:
        # What the search optimises, then what else was measured.
        others = [name for name in sweep.responses if name not in objectives(sweep) and not name.endswith("_seen")]
        names = [*objectives(sweep), *others][:3]
        units = {name: response_unit(name, sweep.plan) for name in names}
        levels, missing = _baselines(findings, names)
        rows = [
            (
                str(one.number),
                *_drawn(findings, one),
                *(interval_text(one.responses[n], units[n]) if n in one.responses else "–" for n in names),
                str(len(one.trials)),
            )
            for one in best[:NUM_BEST]
        ]
        rows += [
            (f"baseline: {base}", *("–" for _ in _parameters(findings)),
             *(number(levels[n][base], units[n]) if base in levels[n] else "–" for n in names), "–")
            for base in levels[sweep.response]
        ]  # fmt: skip
        headers = (
            "suggestion",
            *_parameters(findings),
            *(axis_label(n, units[n]) for n in names),
            "n",
        )
        caption = (
            f"Best finished suggestions by {sweep.response}; n counts seeds, in brackets: one seed, so no interval"
        )
        blocks += [Table(headers, tuple(rows), _left(findings), caption), *missing]
    else:
        blocks.append(Text(f"{sweep.why_empty}, so there is no best one.", "warn"))
    return [*blocks, *_stopped(findings)]


def _baselines(findings: Findings, names: list[str]) -> tuple[dict[str, dict[str, float]], list[Block]]:
    """Baselines by response; without their table none, and a note that says why."""
    try:
        return {name: findings.sweep.baseline_levels(name) for name in names}, []
    except MflabError as error:
        return {name: {} for name in names}, [Text(f"Baselines are missing: {error}", "warn")]


def _parameters(findings: Findings) -> list[str]:
    search = findings.sweep.plan.search
    return list(search["space"]) if search is not None else []


def _left(findings: Findings) -> tuple[int, ...]:
    """Columns of words: the suggestion, and parameters that are no numbers."""
    search = findings.sweep.plan.search
    specs = search["space"].values() if search is not None else []
    return (0, *(place for place, spec in enumerate(specs, start=1) if "low" not in spec))


def _drawn(findings: Findings, one: Suggestion) -> list[str]:
    return [one.values.get(name, "–") for name in _parameters(findings)]


def _stopped(findings: Findings) -> list[Block]:
    """Suggestions that were stopped, by the rung at which they were."""
    plan = findings.sweep.plan
    stopped = [one for one in findings.suggestions if one.stopped_at is not None]
    if not stopped or plan.search is None:
        return []
    counts = [
        f"{sum(one.stopped_at == rung for one in stopped)} at step {rung:,}"
        for rung in plan.search["rungs"]
        if any(one.stopped_at == rung for one in stopped)
    ]
    unit = plan.response.unit
    rows = [
        (str(one.number), *_drawn(findings, one), f"{one.stopped_at:,}", number(one.stopped_value, unit),
         str(len(one.trials)))
        for one in stopped
    ]  # fmt: skip
    headers = (
        "suggestion",
        *_parameters(findings),
        "stopped at step",
        axis_label(f"{plan.response.name} there", unit),
        "n",
    )
    text = f"{plan.search['pruner']} stopped {counted(len(stopped), 'suggestion')} early: {', '.join(counts)}."
    note = " Their values are of runs cut short: they stand apart and enter no mean and no ranking."
    fold = f"All {len(stopped)} suggestions that were stopped" if len(stopped) > MANY // 4 else ""
    return [Text(text + note), Table(headers, tuple(rows), _left(findings), fold=fold)]


def history_card(findings: Findings) -> list[Block]:
    """Value by suggestion and the running best."""
    sweep = findings.sweep
    shown = [one for one in findings.suggestions if one.responses or one.stopped_value is not None]
    if not shown:
        raise MflabError("No suggestion has a value yet, so there is no course to draw.")
    aims = objectives(sweep)
    figure = history_figure(findings.suggestions, aims, {name: response_unit(name, sweep.plan) for name in aims})
    return [picture("history", f"{', '.join(aims)} by suggestion with the best so far", figure)]


def pareto_card(findings: Findings) -> list[Block]:
    """Suggestions that no other one beats in all objectives."""
    sweep = findings.sweep
    aims = objectives(sweep)
    front = findings.front
    if not front:
        raise MflabError(f"{sweep.why_empty}, so there is no front.")
    units = {name: response_unit(name, sweep.plan) for name in aims}
    first, second, *_ = aims
    labels = (axis_label(first, units[first]), axis_label(second, units[second]))
    alt = f"Finished suggestions by {first} and {second}, the Pareto front joined"
    rows = [
        (str(one.number), *_drawn(findings, one),
         *(interval_text(one.responses[name], units[name]) for name in aims), str(len(one.trials)))
        for one in front
    ]  # fmt: skip
    headers = ("suggestion", *_parameters(findings), *(axis_label(name, units[name]) for name in aims), "n")
    fold = f"All {len(front)} suggestions of the front" if len(front) > MANY else ""
    return [
        picture("pareto", alt, pareto_figure(findings.suggestions, front, (first, second), labels)),
        Table(
            headers,
            tuple(rows),
            _left(findings),
            f"The front: {counted(len(front), 'suggestion')} that no other beats in everything",
            fold=fold,
        ),
    ]


def importances_card(findings: Findings) -> list[Block]:
    """Importances as they were computed after the search."""
    found = read_importances(findings.sweep.folder)
    if found is None:
        return [Text("Importances were not computed for this search.")]
    if found.shares is None:
        return [Text(f"No importances: {found.reason.removesuffix('.')}.")]
    rows = sorted(found.shares.items(), key=lambda item: -item[1])
    table = Table(("parameter", "share"), tuple((name, percent(share)) for name, share in rows), (0,))
    return [*([Text(found.reason)] if found.reason else []), table]


def best_images_card(findings: Findings) -> list[Block]:
    """The same scenes for the best suggestions."""
    best = findings.front if len(objectives(findings.sweep)) > 1 else findings.best_suggestions
    if not best:
        raise MflabError(f"{findings.sweep.why_empty}, so there are no images.")
    return image_blocks(findings, {f"suggestion {one.number}": one.trials[0] for one in best[:NUM_IMAGES]})
