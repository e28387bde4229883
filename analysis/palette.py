"""One look for all figures: colours that colour-blind readers can tell apart, one per arm in every figure."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import matplotlib

from analysis.load import Sweep

# Okabe and Ito's set without the yellow that vanishes on white, then two from Tol's muted set.
HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
DASHES = ("-", (0, (5, 2)), (0, (1.2, 1.6)), (0, (6, 2, 1.2, 2)))

INK, MUTED, GRID, SHADE = "#1c2430", "#667085", "#e4e7ec", "#eef2f6"
GOOD, NEUTRAL, UNDECIDED = "#007a56", "#0072B2", "#8a93a3"

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": "#98a2b3",
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}


@dataclass(frozen=True)
class ArmStyle:
    """How an arm is drawn."""

    colour: str
    marker: str
    dash: str | tuple[float, tuple[float, ...]]


def arm_styles(sweep: Sweep) -> dict[str, ArmStyle]:
    """Arm label -> style. Up to eight arms differ in colour; beyond, one factor gives the colour, the rest the dash."""
    arms = sweep.arms
    if len(arms) <= len(HUES):
        return {arm.label: ArmStyle(HUES[i], MARKERS[i % len(MARKERS)], "-") for i, arm in enumerate(arms)}
    # The first factor splits the learning curves into panels, so another one gives the colour if it can.
    first, *others = sweep.plan.factors
    by_size = [*sorted(others, key=lambda factor: len(factor.levels), reverse=True), first]
    main = next((factor for factor in by_size if len(factor.levels) <= len(HUES)), by_size[0])
    rest = list(dict.fromkeys(tuple(v for k, v in arm.cell.items() if k != main.name) for arm in arms))
    styles = {}
    for arm in arms:
        hue = main.level_names.index(arm.cell[main.name])
        place = rest.index(tuple(v for k, v in arm.cell.items() if k != main.name))
        styles[arm.label] = ArmStyle(HUES[hue % len(HUES)], MARKERS[place % len(MARKERS)], DASHES[place % len(DASHES)])
    return styles


def figure_style() -> AbstractContextManager[None]:
    """Context in which every figure is made."""
    return matplotlib.rc_context(STYLE)  # pyright: ignore[reportArgumentType]
