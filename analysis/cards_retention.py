"""The card of what training costs: forgetting, overfitting, collapse, and consistency beside the true views."""

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean

from analysis.blocks import Block, Table, Text, picture
from analysis.cards_detail import panels
from analysis.curves import arm_curves
from analysis.figures import axis_label
from analysis.figures_detail import curves_figure
from analysis.findings import Findings
from analysis.glossary import GLOSSARY, interval_text, number
from analysis.intervals import t_interval
from analysis.run_checks import VALID
from analysis.run_numbers import PSNR
from analysis.run_verdict import RunVerdict
from mflab.results import PRIOR, Status

COLLAPSE = ("collapse/diversity", "collapse/to_input")
CONSISTENCY = tuple(
    f"consistency/{name}" for name in ("inconsistent", "sc", "sc_min", "et_max", "pc", "pc_min", "ti", "loo", "vc")
)
# A column's number of a run, None if it was not measured.
Value = Callable[[RunVerdict], float | None]


def retention_card(findings: Findings) -> list[Block]:
    """Curve of forgetting, forgetting and overfitting per arm, collapse, consistency; what was not measured says so."""
    return [
        *_forgetting(findings),
        *_overfitting(findings),
        *_sets(findings, COLLAPSE, "Collapse", "1 is as different as the true views, 0 no difference at all"),
        *_sets(findings, (VALID, *CONSISTENCY), "Consistency", "the row of the true views is what can be reached"),
    ]


def _forgetting(findings: Findings) -> list[Block]:
    metric = f"{PRIOR}/{PSNR}"
    curves = arm_curves(findings.sweep, metric)
    if not curves:
        return [_absent("Forgetting", "validation.prior_scenes=4")]
    start = [points[0].interval.mean for points in curves.values()]
    label = axis_label(metric, GLOSSARY[metric].unit)
    figure = curves_figure(panels(findings, curves, metric), {}, findings.styles, fmean(start), label)
    table = _arm_table(
        findings,
        {
            "at step 0": lambda one: one.run.prior[0][1] if one.run.prior and one.run.prior[0][0] == 0 else None,
            "at the end": lambda one: one.run.prior[-1][1] if one.run.prior else None,
            "forgotten": lambda one: one.check("forgetting").value,
        },
        "Forgetting: base scenes under the base wording, psnr_fg of unseen views [dB]",
    )
    return [picture("retention", f"{metric} along training per arm with bands over seeds", figure),
            Text("Dotted line: mean of the first validation."), table]  # fmt: skip


def _overfitting(findings: Findings) -> list[Block]:
    if not any(one.run.train for one in findings.run_verdicts):
        return [_absent("Overfitting", "validation.train_scenes=4")]
    table = _arm_table(
        findings,
        {
            "training scenes": lambda one: one.run.train[-1][1] if one.run.train else None,
            "validation scenes": lambda one: one.run.curve[-1][1] if one.run.curve else None,
            "gap": _gap,
            "growth of the gap since step 0": lambda one: one.check("gap").value,
        },
        "Overfitting: psnr_fg of unseen views at the judged step [dB]",
    )
    return [table]


def _gap(one: RunVerdict) -> float | None:
    run = one.run
    return run.train[-1][1] - run.curve[-1][1] if run.train and run.curve else None


def _sets(findings: Findings, measures: Sequence[str], title: str, hint: str) -> list[Block]:
    found = {name for one in findings.run_verdicts for name in one.run.sets}
    shown = [name for name in measures if name in found]
    if not shown:
        return [_absent(title, "validation.consistency_scenes=4")]
    columns: dict[str, Value] = {name.split("/", 1)[1]: _mean_of(name) for name in shown}
    table = _arm_table(findings, columns, f"{title}: mean over sets, then over seeds; {hint}", "")
    levels = {name: findings.sweep.baseline_levels(name) for name in shown}
    baselines = dict.fromkeys(baseline for values in levels.values() for baseline in values)
    rows = [
        (f"baseline: {one}", "–", *(number(levels[name][one]) if one in levels[name] else "–" for name in shown))
        for one in baselines
    ]
    headers, rows = table.headers, [*table.rows, *rows]
    if VALID in shown:
        headers = (*headers, "view at fault")
        rows = [(*row, _culprit(findings, row[0])) for row in rows]
    return [
        Table(headers, tuple(rows), (0, len(headers) - 1) if VALID in shown else (0,), table.caption, table.swatches)
    ]


def _mean_of(name: str) -> Value:
    return lambda one: fmean(one.run.sets[name].values()) if name in one.run.sets else None


def _culprit(findings: Findings, arm: str) -> str:
    """The view that was named most often in an arm's inconsistent sets, with how often."""
    named: Counter[str] = Counter()
    for one in findings.run_verdicts:
        if one.run.group == arm:
            named.update(one.run.culprits)
    if not named:
        return "–"
    view, count = sorted(named.items(), key=lambda item: (-item[1], item[0]))[0]
    return f"{view} ({count} of {named.total()})"


def _arm_table(findings: Findings, columns: dict[str, Value], caption: str, unit: str = "dB") -> Table:
    """Means of done runs by arm; a diverged run has a verdict, but enters no mean."""
    rows = []
    for arm in findings.arm_verdicts:
        done = [one for one in arm.verdicts if one.run.status == Status.done.name]
        cells, most = [], 0
        for value in columns.values():
            values = [found for one in done if (found := value(one)) is not None]
            most = max(most, len(values))
            cells.append(interval_text(t_interval(values), unit) if values else "–")
        rows.append((arm.group, str(most), *cells))
    swatches = {name: style.colour for name, style in findings.styles.items()}
    return Table(("arm", "n", *columns), tuple(rows), (0,), caption, swatches)


def _absent(title: str, override: str) -> Text:
    return Text(f"{title}: not measured in this sweep; {override} measures it.", "neutral")
