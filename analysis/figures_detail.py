"""Figures of the course and the views: learning curves, and the response against azimuth."""

import itertools
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.curves import CurvePoint
from analysis.figures import WIDTH, legend_below
from analysis.intervals import Interval
from analysis.palette import GRID, INK, MUTED, ArmStyle, figure_style
from analysis.views import ViewColumn


def curves_figure(
    panels: Mapping[str, Mapping[str, Sequence[CurvePoint]]],
    baselines: Mapping[str, float],
    styles: Mapping[str, ArmStyle],
    level: float,
    label: str,
) -> Figure:
    """Learning curves with 95 % bands over seeds, one panel per level of the first factor."""
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    with figure_style():
        figure = Figure((WIDTH, 0.6 + 3.1 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, (title, curves) in zip(grid.flat, panels.items(), strict=False):
            axes.set_title(title)
            axes.grid(True)
            axes.axhline(level, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
            for arm, points in curves.items():
                _curve(axes, arm, points, styles[arm])
        means = [point.interval.mean for curves in panels.values() for points in curves.values() for point in points]
        low, high = min([*means, *baselines.values()]), max([*means, *baselines.values()])
        pad = 0.3 * (high - low) or 1.0
        # Means and baselines set the frame; with two or three seeds a band may be many times wider.
        grid[0, 0].set_ylim(low - 0.4 * pad, high + pad)
        for axes in list(grid.flat)[: len(panels)]:
            _horizontal_baselines(axes, baselines, 1.0 / columns)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)
        for axes in grid[-1]:
            axes.set_xlabel("training step")
        for axes in grid[:, 0]:
            axes.set_ylabel(label)
        legend_below(figure, grid.flat)
        return figure


def _horizontal_baselines(axes: Axes, baselines: Mapping[str, float], width: float) -> None:
    """Baselines as lines named at the right; a name that would touch the one below moves left."""
    low, high = axes.get_ylim()
    last, last_name, place = float("-inf"), "", 1.0
    for name, value in sorted(baselines.items(), key=lambda item: item[1]):
        place = place - 0.012 * len(last_name) / width - 0.02 if value - last < 0.06 * (high - low) else 1.0
        last, last_name = value, name
        axes.axhline(value, color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
        axes.annotate(name, (place, value), xycoords=("axes fraction", "data"), xytext=(-2, 2),
                      textcoords="offset points", ha="right", va="bottom", color=MUTED, fontsize=8)  # fmt: skip


def _curve(axes: Axes, arm: str, points: Sequence[CurvePoint], style: ArmStyle) -> None:
    steps = [point.step for point in points]
    means = [point.interval.mean for point in points]
    axes.plot(steps, means, color=style.colour, linestyle=style.dash, linewidth=1.8, label=arm,
              marker=style.marker, markersize=4)  # fmt: skip
    # Where all seeds give the same number, as before the first step, the band closes to a point.
    banded = [point for point in points if point.interval.sd is not None]
    half = [point.interval.half_width or 0.0 for point in banded]
    if banded:
        axes.fill_between(
            [point.step for point in banded],
            [point.interval.mean - width for point, width in zip(banded, half, strict=True)],
            [point.interval.mean + width for point, width in zip(banded, half, strict=True)],
            color=style.colour,
            alpha=0.13,
            linewidth=0,
        )


def views_figure(
    means: Mapping[str, Mapping[ViewColumn, Interval]],
    baselines: Mapping[str, Mapping[ViewColumn, float]],
    styles: Mapping[str, ArmStyle],
    label: str,
) -> Figure:
    """Response against azimuth over unseen views, 95 % intervals over seeds; baselines dashed."""
    with figure_style():
        figure = Figure((WIDTH, 3.6), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(True)
        for name, views in baselines.items():
            unseen = [(column.azimuth_deg, value) for column, value in views.items() if not column.seen]
            if unseen:
                x, y = zip(*unseen, strict=True)
                axes.plot(x, y, color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
                axes.annotate(name, (x[-1], y[-1]), xytext=(6, 0), textcoords="offset points", va="center",
                              color=MUTED, fontsize=8)  # fmt: skip
        ticks = sorted({column.azimuth_deg for views in means.values() for column in views if not column.seen})
        gap = min((b - a for a, b in itertools.pairwise(ticks)), default=90.0)
        for place, (arm, views) in enumerate(means.items()):
            style = styles[arm]
            unseen = [(c.azimuth_deg, i) for c, i in views.items() if not c.seen]
            # Arms stand side by side at each azimuth, so that their intervals stay readable.
            x = [azimuth + 0.6 * gap * (place - (len(means) - 1) / 2) / len(means) for azimuth, _ in unseen]
            half = [interval.half_width or 0.0 for _, interval in unseen]
            axes.errorbar(x, [interval.mean for _, interval in unseen], half, color=style.colour, marker=style.marker,
                          linestyle="none", markersize=5, elinewidth=1.6, label=arm)  # fmt: skip
        names = {column.azimuth_deg: column.view for views in means.values() for column in views}
        axes.set_xticks(ticks, [f"{names[azimuth]}\n{azimuth:.0f}°" for azimuth in ticks])
        axes.margins(x=0.08)
        axes.set_ylabel(label)
        axes.spines["bottom"].set_color(GRID)
        legend_below(figure, [axes])
        return figure
