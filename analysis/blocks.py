"""What a card is made of. A card is one question, its tables and figures, one caveat."""

import base64
import io
import re
from dataclasses import dataclass, field
from typing import Literal

import matplotlib
from matplotlib.figure import Figure

# Rows that a page shows of a table; longer ones are folded.
MANY = 40
Tone = Literal["plain", "good", "neutral", "warn", "problem"]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    tone: Tone = "plain"
    kind: str = "text"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]
    kind: str = "bullets"


@dataclass(frozen=True)
class Table:
    """A table of texts. Columns in `left` hold words; the others hold numbers and are aligned right.

    `swatches`: colour of a row's arm by its first cell; `tones`: tone of a cell by its text (verdicts, states).
    `fold`: summary line under which the page hides the table until it is opened; empty shows it.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[int, ...] = (0,)
    caption: str = ""
    swatches: dict[str, str] = field(default_factory=dict)
    tones: dict[str, Tone] = field(default_factory=dict)
    fold: str = ""
    kind: str = "table"


@dataclass(frozen=True)
class Code:
    """Commands, one a line."""

    text: str
    kind: str = "code"


@dataclass(frozen=True)
class Picture:
    """A figure as inline SVG for HTML and as PNG for Markdown; `alt` says what it shows."""

    name: str
    alt: str
    svg: str
    png: bytes
    kind: str = "picture"

    @property
    def png_uri(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


Block = Text | Bullets | Table | Code | Picture


@dataclass(frozen=True)
class Card:
    """One question, its blocks, one caveat. `failed` holds the reason why the card could not be made."""

    key: str
    title: str
    question: str
    blocks: tuple[Block, ...]
    caveat: str = ""
    failed: str = ""


def picture(name: str, alt: str, figure: Figure, png_dpi: int = 160) -> Picture:
    """The figure drawn twice, byte for byte the same at every call."""
    svg, png = io.StringIO(), io.BytesIO()
    # Text stays text, so that it takes the page's font; the salt keeps the ids of different figures apart.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(svg, format="svg", metadata={"Date": None})
    figure.savefig(png, format="png", dpi=png_dpi, metadata={"Software": None})
    return Picture(name, alt, _inline(svg.getvalue(), name, alt), png.getvalue())


def _inline(svg: str, name: str, alt: str) -> str:
    """An SVG file as an element of a page: no prologue, no metadata, ids that are unique in the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    label = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
