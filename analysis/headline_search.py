"""The head of a search's report: what it tried and the best that it found, without a verdict."""

from collections import Counter
from dataclasses import dataclass

from analysis.blocks import Tone
from analysis.findings import Findings
from analysis.glossary import counted, interval_text, number, with_unit, words
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
        return [f"{findings.sweep.why_empty}, so there is nothing to show."]
    first, unit = best[0], plan.response.unit
    drawn = ", ".join(f"{name} {value}" for name, value in first.values.items())
    interval = first.responses[plan.response.name]
    text = number(interval.mean, unit) if interval.half_width is None else interval_text(interval, unit)
    trials = f"trial{'s' if len(first.trials) > 1 else ''} {words([one.trial_id for one in first.trials])}"
    sentences = [
        f"Best of {counted(len(best), 'finished suggestion')}: number {first.number}, {trials} ({drawn}), with "
        f"{plan.response.name} {with_unit(text, unit)} on {counted(len(first.trials), 'seed')}.",
        "It was chosen as the best of many, so its value is optimistic: repeat it with new seeds.",
    ]
    aims = objectives(findings.sweep)
    if len(aims) > 1:
        numbers = [str(one.number) for one in findings.front]
        more = f" and {len(numbers) - _MOST} more" if len(numbers) > _MOST else ""
        sentences.append(
            f"Beaten by no other in {words(list(aims))}: {counted(len(numbers), 'suggestion')}, "
            f"{', '.join(numbers[:_MOST])}{more}."
        )
    try:
        beside = [f"{name} {number(level, unit)}" for name, level in findings.baselines.items()]
    except MflabError as error:
        return [*sentences, f"Baselines are missing: {error}"]
    return [*sentences, f"Baselines: {', '.join(beside)}."] if beside else sentences
