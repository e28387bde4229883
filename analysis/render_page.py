"""A report as one self-contained HTML page: styles inline, figures as inline SVG."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis.alerts import alerts
from analysis.blocks import Card
from analysis.findings import Findings
from analysis.glossary import number, with_unit
from analysis.headline import Chip

TEMPLATES = Path(__file__).parent / "templates"


def render_html(findings: Findings, cards: list[Card], chips: list[Chip], sentences: list[str]) -> str:
    """The page; every recorded text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plan = findings.sweep.plan
    smallest = plan.response.smallest_effect
    return environment.get_template("page.html.j2").render(
        title=plan.sweep,
        created=plan.created[:16].replace("T", " "),
        question=plan.question,
        response=plan.response,
        smallest=None if smallest is None else with_unit(number(smallest, plan.response.unit), plan.response.unit),
        css=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
        cards=cards,
        chips=chips,
        alerts=alerts(findings),
        sentences=sentences,
    )
