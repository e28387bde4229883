"""Figure of verdicts: which arms keep which limits."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.figures import WIDTH
from analysis.palette import GOOD, HUES, MUTED, SHADE, figure_style

KEPT, SOME, MISSED = GOOD, HUES[4], HUES[1]


def limits_figure(kept: Mapping[str, Sequence[tuple[int, int]]], labels: Sequence[str]) -> Figure:
    """A grid of arms and numbers; each field says how many of the runs that measured it keep its limit.

    Args:
        kept: arm -> for each number the runs that keep its limit, and the runs in which it was measured.
        labels: names of the numbers.
    """
    with figure_style():
        figure = Figure((WIDTH, 1.7 + 0.3 * len(kept)), layout="constrained")
        axes = figure.add_subplot()
        for row, counts in enumerate(kept.values()):
            for column, (good, measured) in enumerate(counts):
                colour = SHADE if not measured else KEPT if good == measured else MISSED if not good else SOME
                place = (column - 0.46, row - 0.42)
                axes.add_patch(Rectangle(place, 0.92, 0.84, facecolor=colour, alpha=1.0 if not measured else 0.55))
                text = f"{good}/{measured}" if measured else "–"
                axes.annotate(text, (column, row), ha="center", va="center", fontsize=8.5,
                              color=MUTED if not measured else "black")  # fmt: skip
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylim(len(kept) - 0.5, -0.5)
        axes.set_xticks(range(len(labels)), labels, rotation=40, ha="left", rotation_mode="anchor")
        axes.set_yticks(range(len(kept)), list(kept))
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return figure
