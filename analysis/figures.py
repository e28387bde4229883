"""What all figures have in common: width, axis labels, the legend below. Drawing only: all numbers come computed."""

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 8.6


def axis_label(response: str, unit: str) -> str:
    """Response name with its unit in brackets."""
    return f"{response} [{unit}]" if unit else response


def legend_below(figure: Figure, axes_list: Iterable[Axes]) -> None:
    """One legend for several axes, as wide as the figure allows."""
    found = {}
    for axes in axes_list:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    if found:
        longest = max(len(label) for label in found)
        fitting = max(1, int(WIDTH / (0.45 + 0.078 * longest)))
        num_rows = -(-len(found) // fitting)
        figure.legend(list(found.values()), list(found), loc="outside lower left", ncols=-(-len(found) // num_rows))
