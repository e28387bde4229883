"""Figure of a stage forest: a row per trial, a bar per stage, as high as it has trials."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.figures import WIDTH
from analysis.forest import Layout
from analysis.palette import INK, MUTED, NEUTRAL, SHADE, figure_style

# Width of a letter and of the figure's plot, in shares of it, roughly: text that would not fit is left out.
_LETTER = 0.0105


def forest_figure(layout: Layout, labels: Sequence[str]) -> Figure:
    """The trees of a layout; blue stages are trained once for all their rows."""
    rows, last = len(layout.trials), max(bar.end for bar in layout.bars)
    with figure_style():
        figure = Figure((WIDTH, 0.7 + 0.24 * rows), layout="constrained")
        axes = figure.add_subplot()
        for bar in layout.bars:
            is_shared = bar.height > 1
            axes.add_patch(
                Rectangle(
                    (bar.start, bar.row + 0.06), bar.end - bar.start, bar.height - 0.12,
                    facecolor=NEUTRAL if is_shared else SHADE, edgecolor="white" if is_shared else "#d0d7e0",
                    linewidth=0.8, alpha=0.85 if is_shared else 1.0,
                )
            )  # fmt: skip
            text = " → ".join(bar.prompts) + (f"  ×{bar.height}" if is_shared else "")
            if len(text) * _LETTER > (bar.end - bar.start) / last:
                text = f"×{bar.height}" if is_shared else ""
            axes.text((bar.start + bar.end) / 2, bar.row + bar.height / 2, text, ha="center", va="center",
                      fontsize=7.5, color="white" if is_shared else MUTED)  # fmt: skip
        axes.set_xlim(0, last)
        axes.set_ylim(rows, 0)
        axes.set_xticks(sorted({0, *(bar.end for bar in layout.bars)}) if len({b.end for b in layout.bars}) < 8 else [])
        if not axes.get_xticks().size:
            axes.locator_params(axis="x", nbins=8)
        axes.set_yticks([row + 0.5 for row in range(rows)], labels, fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("training step", color=INK)
        return figure
