"""The head of a search's report: what it tried and the best that it found, without a verdict."""

from collections import Counter
from dataclasses import dataclass

from analysis.blocks import Tone
from analysis.findings import Findings
from analysis.glossary import interval_text, number, with_unit, words
from analysis.search import Suggestion, objectives
from mflab.errors import MflabError

_MOST = 6
_WORDS = {"done": "finished", "stopped": "stopped early", "planned": "not ended"}


@dataclass(frozen=True)
class Chip:
    """A factor, or what a search counts, and its verdict in two words."""

    label: str
    verdict: str
    tone: Tone


def search_chips(findings: Findings) -> list[Chip]:
    """How the suggestions ended."""
    counts = Counter(_word(one) for one in findings.suggestions)
    return [Chip("search", ", ".join(f"{number} {word}" for word, number in counts.items()) or "not begun", "neutral")]


def _word(one: Suggestion) -> str:
    # Stopped without a rung: by an interruption, or because another seed failed.
    return "not ended" if one.state == "stopped" and one.stopped_at is None else _WORDS.get(one.state, one.state)


def search_headline(findings: Findings) -> list[str]:
    """The best suggestion with its caveat, the front of several objectives, and the baselines."""
    plan = findings.sweep.plan
    best = findings.best_suggestions
    if not best or plan.search is None:
        return ["No suggestion is finished yet, so there is nothing to show."]
    first, unit = best[0], plan.response.unit
    drawn = ", ".join(f"{name} {value}" for name, value in first.values.items())
    value = with_unit(interval_text(first.responses[plan.response.name], unit), unit)
    seeds = len(first.trials)
    sentences = [
        f"Best of {len(best)} finished suggestions: number {first.number} ({drawn}) with {plan.response.name} {value} "
        f"on {seeds} seed{'s' if seeds > 1 else ''}.",
        "It was chosen as the best of many, so its value is optimistic: repeat it with new seeds.",
    ]
    aims = objectives(findings.sweep)
    if len(aims) > 1:
        numbers = [str(one.number) for one in findings.front]
        more = f" and {len(numbers) - _MOST} more" if len(numbers) > _MOST else ""
        sentences.append(
            f"{len(numbers)} suggestions are beaten by no other in {words(list(aims))}: "
            f"{', '.join(numbers[:_MOST])}{more}."
        )
    try:
        beside = [f"{name} {number(level, unit)}" for name, level in findings.baselines.items()]
    except MflabError as error:
        return [*sentences, f"Baselines are missing: {error}"]
    return [*sentences, f"Baselines: {', '.join(beside)}."] if beside else sentences
