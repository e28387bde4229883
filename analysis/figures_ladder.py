"""Figure of the ladder: a perturbation per row, a metric per column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from analysis.figures import WIDTH
from analysis.palette import GOOD, INK, MUTED, figure_style

# Chance is white: colour says how far beyond it a metric gets.
_COLOURS = LinearSegmentedColormap.from_list("reaction", ["#ffffff", "#bfe3d4", GOOD])
CHANCE = 0.5


@dataclass(frozen=True)
class HeatCell:
    """A field of the figure: its colour by `auc`, its text; None draws no colour."""

    auc: float | None
    text: str


def ladder_figure(
    rows: Sequence[str], metrics: Sequence[str], controls: Sequence[str], cells: Mapping[tuple[str, str], HeatCell]
) -> Figure:
    """Heat table; negative controls stand apart on the right.

    Args:
        rows: perturbations with their units.
        metrics: consistency measures.
        controls: negative controls.
        cells: by row and column; fields that are missing stay empty.
    """
    with figure_style():
        figure = Figure((WIDTH, 1.0 + 0.27 * len(rows)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[len(metrics), max(1, len(controls))])
        for axes, names, title in (
            (left, metrics, "Consistency measures"),
            (right, controls, "Negative controls"),
        ):
            auc = [[_auc(cells, row, name) for name in names] for row in rows]
            image = axes.imshow(auc, cmap=_COLOURS, vmin=CHANCE, vmax=1.0, aspect="auto")
            axes.set_title(title)
            axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
            axes.tick_params(length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
            for place, row in enumerate(rows):
                for column, name in enumerate(names):
                    if (row, name) in cells:
                        cell = cells[row, name]
                        colour = "white" if (cell.auc or 0.0) > 0.93 else INK if cell.text != "–" else MUTED
                        axes.text(column, place, cell.text, ha="center", va="center", fontsize=8, color=colour)
        left.set_yticks(range(len(rows)), rows)
        figure.colorbar(image, ax=[left, right], label="area under curve at the top strength", shrink=0.6)
        return figure


def _auc(cells: Mapping[tuple[str, str], HeatCell], row: str, name: str) -> float:
    auc = cells[row, name].auc if (row, name) in cells else None
    return CHANCE if auc is None else auc
