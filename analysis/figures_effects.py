"""Figures of effects and of arm means."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import WIDTH, axis_label
from analysis.intervals import Interval
from analysis.palette import GOOD, MUTED, NEUTRAL, SHADE, UNDECIDED, ArmStyle, figure_style
from analysis.verdicts import DISTINGUISHABLE, EQUIVALENT, Effect

VERDICT_COLOURS = {DISTINGUISHABLE: GOOD, EQUIVALENT: NEUTRAL}


def effect_label(effect: Effect) -> str:
    """Factor and levels; an interaction names its levels only."""
    return effect.contrast if effect.kind == "interaction" else f"{effect.factor}: {effect.contrast}"


def effects_figure(effects: Sequence[Effect], smallest: float | None) -> Figure:
    """Forest plot: one line per contrast with its 95 % interval, the band of negligible effects shaded."""
    shown = [(effect, effect.estimate) for effect in effects if effect.estimate is not None]
    with figure_style():
        figure = Figure((WIDTH, 0.75 + 0.36 * len(shown)), layout="constrained")
        axes = figure.add_subplot()
        if smallest is not None:
            axes.axvspan(-smallest, smallest, color=SHADE, zorder=0, label="smaller than the effect of interest")
        axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
        for place, (effect, estimate) in enumerate(shown):
            colour = VERDICT_COLOURS.get(effect.verdict_kind, UNDECIDED)
            if effect.low is not None and effect.high is not None:
                axes.plot(
                    [effect.low, effect.high], [place, place], color=colour, linewidth=2.4, solid_capstyle="round"
                )
            hollow = effect.low is None
            axes.plot(estimate, place, "o", color=colour, markersize=7, markerfacecolor="white" if hollow else colour)
        axes.set_yticks(range(len(shown)), [effect_label(effect) for effect, _ in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.set_xlabel("difference in " + axis_label(effects[0].response, effects[0].unit))
        return figure


def cells_figure(
    cells: Mapping[str, Interval], baselines: Mapping[str, float], styles: Mapping[str, ArmStyle], label: str
) -> Figure:
    """Dot plot of arm means with 95 % intervals; baselines are dashed lines."""
    with figure_style():
        figure = Figure((WIDTH, 1.15 + 0.36 * len(cells)), layout="constrained")
        axes = figure.add_subplot()
        for place, (arm, interval) in enumerate(cells.items()):
            style = styles[arm]
            if interval.low is not None and interval.high is not None:
                axes.plot([interval.low, interval.high], [place, place], color=style.colour, linewidth=2.4, alpha=0.55)
            hollow = "white" if interval.low is None else style.colour
            axes.plot(interval.mean, place, style.marker, color=style.colour, markerfacecolor=hollow, markersize=7)
        axes.set_yticks(range(len(cells)), [f"{arm}  ({_count(interval)})" for arm, interval in cells.items()])
        axes.set_ylim(len(cells) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        _vertical_baselines(axes, baselines)
        axes.set_xlabel(label)
        return figure


def _count(interval: Interval) -> str:
    return f"n={interval.n} identical" if interval.is_identical else f"n={interval.n}"


def _vertical_baselines(axes: Axes, baselines: Mapping[str, float]) -> None:
    """Baselines as vertical lines named on top; a name that would touch its neighbour moves one line up."""
    low, high = axes.get_xlim()
    low, high = min([low, *baselines.values()]), max([high, *baselines.values()])
    margin = 0.04 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    last, row = float("-inf"), 0
    for name, value in sorted(baselines.items(), key=lambda item: item[1]):
        row = (row + 1) % 3 if value - last < 0.016 * len(name) * (high - low) + 0.02 * (high - low) else 0
        last = value
        axes.axvline(value, color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
        axes.annotate(
            f"{name}",
            (value, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 12 * row),
            textcoords="offset points",
            ha="center",
            va="bottom",
            color=MUTED,
            fontsize=8.5,
        )
