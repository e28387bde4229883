"""Cards about the course and the views: learning curves, per-view tables, image grids."""

from analysis.blocks import Block, Table, Text, picture
from analysis.curves import CurvePoint, reach_level, steps_to_reach
from analysis.figures import axis_label
from analysis.figures_detail import curves_figure, views_figure
from analysis.findings import Findings
from analysis.glossary import interval_text, number, with_unit
from analysis.image_grid import first_done, grid_figure, scene_grids
from analysis.views import ViewColumn, view_baselines, view_columns, view_means
from mflab.results import TrialRecord


def curves_card(findings: Findings) -> list[Block]:
    """Learning curves with bands over seeds, and the steps each arm needs to reach a common level."""
    sweep = findings.sweep
    level, how = reach_level(sweep)
    unit = sweep.plan.response.unit
    figure = curves_figure(
        panels(findings, findings.curves, sweep.response),
        findings.baselines,
        findings.styles,
        level,
        axis_label(sweep.response, unit),
    )
    rows = []
    for reach in steps_to_reach(sweep, level):
        steps, interval = "–", "–"
        if reach.interval is not None:
            steps = f"{reach.interval.mean:.0f}"
            low, high = reach.interval.low, reach.interval.high
            interval = "–" if low is None or high is None else f"{max(low, 0):.0f} to {high:.0f}"
        rows.append((reach.arm, steps, interval, f"{reach.num_reached} of {reach.num_trials}"))
    swatches = {name: style.colour for name, style in findings.styles.items()}
    return [
        picture("curves", f"Learning curves of {sweep.response} per arm with bands over seeds", figure),
        Text(
            f"Steps to reach {with_unit(number(level, unit), unit)} ({how}; dotted line), "
            "interpolated between validations:"
        ),
        Table(("arm", "mean steps", "95 % interval", "trials that reach it"), tuple(rows), (0,), swatches=swatches),
    ]


def panels(
    findings: Findings, curves: dict[str, list[CurvePoint]], title: str
) -> dict[str, dict[str, list[CurvePoint]]]:
    """All arms in one panel up to four arms; beyond, one panel per level of the first factor."""
    sweep = findings.sweep
    if len(curves) <= 4 or len(sweep.factor_names) < 2:
        return {title: curves}
    first = sweep.plan.factors[0]
    return {
        f"{first.name}: {level}": {
            a.label: curves[a.label] for a in sweep.arms if a.cell[first.name] == level and a.label in curves
        }
        for level in first.level_names
    }


def views_card(findings: Findings) -> list[Block]:
    """Response per view and azimuth, unseen views first, seen (input) views apart."""
    sweep = findings.sweep
    unit = sweep.plan.response.unit
    columns, means, baselines = view_columns(sweep), view_means(sweep), view_baselines(sweep)
    blocks: list[Block] = []
    if any(not column.seen for column in columns):
        figure = views_figure(means, baselines, findings.styles, axis_label(sweep.response, unit))
        blocks.append(picture("views", f"{sweep.response} against azimuth of the unseen views", figure))
    swatches = {name: style.colour for name, style in findings.styles.items()}
    for seen, title in (
        (False, "Unseen views"),
        (True, "Seen (input) views: reconstruction of what was given, no part of the response"),
    ):
        own = [column for column in columns if column.seen == seen]
        if not own:
            continue
        rows = [
            (
                arm,
                str(max(i.n for i in views.values())),
                *(interval_text(views[c], unit) if c in views else "–" for c in own),
            )
            for arm, views in means.items()
        ]
        rows += [
            (f"baseline: {name}", "–", *(number(views[c], unit) if c in views else "–" for c in own))
            for name, views in baselines.items()
        ]
        headers = ("arm", "n", *(_heading(column) for column in own))
        blocks.append(Table(headers, tuple(rows), (0,), f"{title} [{unit}]" if unit else title, swatches=swatches))
    return blocks


def _heading(column: ViewColumn) -> str:
    return f"{column.view} {column.azimuth_deg:.0f}°"


def images_card(findings: Findings) -> list[Block]:
    """The same scenes across arms."""
    return image_blocks(findings, first_done(findings.sweep))


def image_blocks(findings: Findings, chosen: dict[str, TrialRecord]) -> list[Block]:
    """The same scenes across chosen trials."""
    blocks: list[Block] = []
    for number_, grid in enumerate(scene_grids(findings.sweep, chosen), start=1):
        blocks.append(Text(f"{grid.scene} of {grid.dataset}"))
        alt = f"Input, truth and predictions of {grid.scene}, a row per trial"
        blocks.append(picture(f"grid_{number_}", alt, grid_figure(grid)))
    return blocks
