"""One sweep folder in, one report folder out."""

from dataclasses import dataclass
from pathlib import Path

from analysis.cards import build_cards
from analysis.findings import Findings
from analysis.headline import chips, headline
from analysis.load import Sweep
from analysis.render_markdown import render_markdown, write_figures
from analysis.render_page import render_html
from analysis.report_json import render_json
from mflab.errors import MflabError


@dataclass(frozen=True)
class Report:
    """Where a report went and what it says."""

    sweep: str
    page: Path
    sentences: list[str]
    failed_cards: dict[str, str]


def write_report(folder: Path, target: Path) -> Report:
    """Reads the sweep in `folder` and writes index.html, report.md, report.json and figures/ to `target`.

    Raises:
        MflabError: `folder` is no sweep folder, or `target` cannot be written.
    """
    findings = Findings(Sweep(folder))
    cards = build_cards(findings)
    try:
        sentences, verdicts = headline(findings), chips(findings)
    except MflabError as error:
        sentences, verdicts = [f"There is no answer: {error}"], []
    page = render_html(findings, cards, verdicts, sentences)
    markdown = render_markdown(findings, cards, sentences)
    record = render_json(findings, cards, sentences)
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_figures(cards, target)
        (target / "index.html").write_text(page, encoding="utf-8")
        (target / "report.md").write_text(markdown, encoding="utf-8")
        (target / "report.json").write_text(record, encoding="utf-8")
    except OSError as error:
        raise MflabError(f"The report folder must be writable, but {error}; choose another with --out.") from error
    return Report(findings.sweep.name, target / "index.html", sentences, {c.key: c.failed for c in cards if c.failed})
