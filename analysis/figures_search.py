"""Figures of searches and races. Drawing only: all numbers come computed."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures import WIDTH, axis_label, legend_below
from analysis.palette import GRID, INK, MUTED, NEUTRAL, UNDECIDED, ArmStyle, figure_style
from analysis.search import Suggestion
from mflab.results import Direction

FAILED = "#D55E00"


def history_figure(
    suggestions: Sequence[Suggestion], aims: Mapping[str, Direction], units: Mapping[str, str]
) -> Figure:
    """Value by suggestion, one panel per objective: finished, stopped, failed; the running best of the finished."""
    with figure_style():
        figure = Figure((WIDTH, 0.6 + 2.9 * len(aims)), layout="constrained")
        panels = figure.subplots(len(aims), 1, sharex=True, squeeze=False)[:, 0]
        for place, (axes, (name, direction)) in enumerate(zip(panels, aims.items(), strict=True)):
            _history(axes, suggestions, name, direction, is_declared=place == 0)
            axes.set_ylabel(axis_label(name, units[name]))
            axes.grid(True)
            axes.set_axisbelow(True)
        panels[-1].set_xlabel("suggestion")
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        legend_below(figure, panels)
        return figure


def _history(axes: Axes, suggestions: Sequence[Suggestion], name: str, direction: Direction, is_declared: bool) -> None:
    done = [(one.number, one.responses[name].mean) for one in suggestions if name in one.responses]
    if done:
        pick, best = (max if direction is Direction.higher else min), []
        for _, value in done:
            best.append(pick([*best[-1:], value]))
        last = max(one.number for one in suggestions)
        axes.step([*(x for x, _ in done), last], [*best, best[-1]], where="post", color=INK, linewidth=1.2,
                  label="best so far")  # fmt: skip
        axes.plot([x for x, _ in done], [y for _, y in done], "o", color=NEUTRAL, markersize=6, label="finished")
    stopped = [(one.number, one.stopped_value) for one in suggestions if one.stopped_value is not None]
    if stopped and is_declared:
        axes.plot([x for x, _ in stopped], [y for _, y in stopped], "v", color=UNDECIDED, markerfacecolor="white",
                  markersize=6, label="stopped early: value at its rung, not at the end")  # fmt: skip
    failed = [one.number for one in suggestions if one.state in ("failed", "diverged")]
    if failed:
        axes.plot(failed, [0.02] * len(failed), "x", color=FAILED, markersize=6, transform=axes.get_xaxis_transform(),
                  label="failed or diverged: no value")  # fmt: skip


def pareto_figure(
    suggestions: Sequence[Suggestion], front: Sequence[Suggestion], names: tuple[str, str], labels: tuple[str, str]
) -> Figure:
    """Finished suggestions in the plane of two objectives; those that no other beats are joined."""
    x, y = names
    with figure_style():
        figure = Figure((WIDTH, 4.2), layout="constrained")
        axes = figure.add_subplot()
        chosen = {one.number for one in front}
        rest = [one for one in suggestions if x in one.responses and y in one.responses and one.number not in chosen]
        if rest:
            axes.plot([o.responses[x].mean for o in rest], [o.responses[y].mean for o in rest], "o", color=UNDECIDED,
                      markerfacecolor="white", markersize=6, label="beaten by another in everything")  # fmt: skip
        axes.plot([o.responses[x].mean for o in front], [o.responses[y].mean for o in front], "-o", color=NEUTRAL,
                  linewidth=1.2, markersize=7, label="Pareto front")  # fmt: skip
        span, last = axes.get_xlim()[1] - axes.get_xlim()[0], float("inf")
        for one in front:
            # Numbers that would cover each other are left to the table.
            if abs(one.responses[x].mean - last) < 0.03 * span:
                continue
            last = one.responses[x].mean
            axes.annotate(str(one.number), (one.responses[x].mean, one.responses[y].mean), xytext=(6, 5),
                          textcoords="offset points", fontsize=8, color=MUTED)  # fmt: skip
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        axes.grid(True)
        axes.set_axisbelow(True)
        legend_below(figure, [axes])
        return figure


def race_figure(
    lines: Mapping[str, Sequence[tuple[int, float]]],
    dropped: Mapping[str, int],
    looks: Sequence[int],
    styles: Mapping[str, ArmStyle],
    label: str,
) -> Figure:
    """Mean difference of every arm to the leader over the first seeds, as they grow; a cross where an arm left."""
    with figure_style():
        figure = Figure((WIDTH, 3.6), layout="constrained")
        axes = figure.add_subplot()
        axes.axhline(0, color=MUTED, linewidth=1)
        for look in looks:
            axes.axvline(look, color=GRID, linewidth=5, zorder=0)
            axes.annotate("look", (look, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3),
                          textcoords="offset points", ha="center", fontsize=8, color=MUTED)  # fmt: skip
        for arm, points in lines.items():
            style = styles[arm]
            axes.plot([x for x, _ in points], [y for _, y in points], color=style.colour, linestyle=style.dash,
                      marker=style.marker, markersize=5, label=arm)  # fmt: skip
            own = [point for point in points if arm in dropped and point[0] == dropped[arm]]
            axes.plot([x for x, _ in own], [y for _, y in own], "x", color=INK, markersize=10, markeredgewidth=2)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("seeds completed")
        axes.set_ylabel(label)
        legend_below(figure, [axes])
        return figure
