"""A report as Markdown, with figures as PNG files beside it."""

from pathlib import Path

from analysis.alerts import alerts
from analysis.blocks import Block, Bullets, Card, Code, Picture, Table, Text
from analysis.findings import Findings

FIGURES = "figures"


def render_markdown(findings: Findings, cards: list[Card], sentences: list[str]) -> str:
    """The same cards as the page."""
    plan = findings.sweep.plan
    lines = [
        f"# {_escape(plan.sweep)}",
        "",
        _escape(plan.question),
        "",
        *(line for text in alerts(findings) for line in (f"**{_escape(text)}**", "")),
        *(f"- {_escape(text)}" for text in sentences),
        "",
    ]
    for card in cards:
        lines += [f"## {card.title}", "", f"*{card.question}*", ""]
        if card.failed:
            lines += [f"**This card could not be made.** {_escape(card.failed)}", ""]
        for block in card.blocks:
            lines += [*_block(block), ""]
        if card.caveat:
            lines += [f"> {card.caveat}", ""]
    return "\n".join(lines).rstrip() + "\n"


def write_figures(cards: list[Card], folder: Path) -> None:
    """Every figure as PNG in `folder`/figures; figures of an earlier report there are removed."""
    target = folder / FIGURES
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.png"):
        old.unlink()
    for card in cards:
        for block in card.blocks:
            if isinstance(block, Picture):
                (target / f"{block.name}.png").write_bytes(block.png)


def _block(block: Block) -> list[str]:
    if isinstance(block, Text):
        return [_escape(block.text) if block.tone == "plain" else f"**{_escape(block.text)}**"]
    if isinstance(block, Bullets):
        return [f"- {_escape(item)}" for item in block.items]
    if isinstance(block, Code):
        return ["```sh", block.text, "```"]
    if isinstance(block, Picture):
        return [f"![{_escape(block.alt)}]({FIGURES}/{block.name}.png)"]
    return _table(block)


def _table(table: Table) -> list[str]:
    rules = [":--" if column in table.left else "--:" for column in range(len(table.headers))]
    lines = [f"{_escape(table.caption)}", ""] if table.caption else []
    return (
        lines
        + ["| " + " | ".join(_escape(cell) for cell in row) + " |" for row in (table.headers,)]
        + [
            "| " + " | ".join(rules) + " |",
            *("| " + " | ".join(_escape(cell) for cell in row) + " |" for row in table.rows),
        ]
    )


def _escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    for mark in ("\\", "|", "<", "*", "_", "`"):
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())
