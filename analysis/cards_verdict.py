"""The card of verdicts: the case of every arm and of every run, the numbers behind it, the next experiment."""

from collections import Counter

from analysis.blocks import MANY, Block, Bullets, Table, Text, Tone, picture
from analysis.figures_verdict import limits_figure
from analysis.findings import Findings
from analysis.glossary import counted, number
from analysis.glossary_sets import CASE_WORDS, NUMBER_WORDS
from analysis.run_verdict import CASES, SPLIT, ArmVerdict, RunVerdict, limit_text, number_text
from analysis.verdict_limits import NUMBERS
from mflab.errors import MflabError

CASE_TONES: dict[str, Tone] = {
    "A": "good", "B": "warn", "C": "problem", "D": "warn", "undecided": "neutral", SPLIT: "neutral",
}  # fmt: skip


def verdict_card(findings: Findings) -> list[Block]:
    """What the cases mean, arms, the grid of limits, runs with their numbers."""
    verdicts = findings.run_verdicts
    if not verdicts:
        raise MflabError("No run has ended by itself yet, so there is nothing to judge.")
    arms = findings.arm_verdicts
    unjudged = len(findings.sweep.plan.trials) - len(verdicts)
    blocks: list[Block] = [Bullets(tuple(f"{case}: {text}." for case, text in CASE_WORDS.items()))]
    if unjudged:
        blocks.append(Text(f"No verdict for {counted(unjudged, 'planned trial')}: not ended by training.", "neutral"))
    blocks.append(_arm_table(findings, arms))
    if len(arms) <= MANY:
        shown = [name for name in NUMBERS if any(one.check(name).value is not None for one in verdicts)]
        kept = {
            arm.group: [
                (sum(value is True for value in passed), sum(value is not None for value in passed))
                for name in shown
                for passed in [[one.check(name).passed for one in arm.verdicts]]
            ]
            for arm in arms
        }
        alt = "For every arm and number: how many of the runs that measured it keep its limit"
        labels = [NUMBER_WORDS[name].label for name in shown]
        blocks += [picture("verdict", alt, limits_figure(kept, labels))] if shown else []
    return [*blocks, *_run_tables(findings, verdicts), _definitions(verdicts)]


def _arm_table(findings: Findings, arms: list[ArmVerdict]) -> Table:
    rows = []
    for arm in arms:
        advice = Counter(str(findings.advice[one.run.trial_id]) for one in arm.verdicts)
        texts = [text if count == len(arm.verdicts) else f"{text} ({count})" for text, count in advice.most_common()]
        counts = [str(arm.counts[case]) for case in CASES]
        rows.append((arm.group, arm.case, *counts, "; ".join(texts)))
    swatches = {name: style.colour for name, style in findings.styles.items()}
    caption = (
        f"Case of more than half of an arm's runs, else {SPLIT}; counts per case; next experiment, with the number of "
        "runs that suggest it where they differ"
    )
    headers = ("suggestion" if findings.sweep.is_search else "arm", "verdict", *CASES, "next experiment")
    fold = counted(len(rows), "verdict") if len(rows) > MANY else ""
    return Table(headers, tuple(rows), (0, 1, len(headers) - 1), caption, swatches, CASE_TONES, fold)


def _run_tables(findings: Findings, verdicts: list[RunVerdict]) -> list[Block]:
    fold = f"Every run: {len(verdicts)}" if len(verdicts) > MANY else ""
    rows = tuple(
        (
            one.run.trial_id,
            one.run.group,
            str(one.run.seed),
            "–" if one.run.step is None else str(one.run.step),
            one.case,
            one.reason,
            str(findings.advice[one.run.trial_id]),
        )
        for one in verdicts
    )
    headers = ("trial", "arm", "seed", "step", "verdict", "because of", "next experiment")
    first = Table(headers, rows, (0, 1, 4, 5, 6), "Every run at its judged step", tones=CASE_TONES, fold=fold)
    shown = [name for name in NUMBERS if any(one.check(name).value is not None for one in verdicts)]
    if not shown:
        return [first]
    limits = [limit_text(verdicts[0].check(name)) for name in shown]
    headers = ("trial", *(f"{NUMBER_WORDS[name].label} {limit}" for name, limit in zip(shown, limits, strict=True)))
    values = tuple((one.run.trial_id, *(_cell(one, name) for name in shown)) for one in verdicts)
    return [first, Table(headers, values, (0,), "Numbers behind the verdicts; ✗ misses its limit", fold=fold)]


def _cell(verdict: RunVerdict, name: str) -> str:
    check = verdict.check(name)
    text = number_text(name, check.value)
    return f"{text} ✗" if check.passed is False else text


def _definitions(verdicts: list[RunVerdict]) -> Table:
    """All numbers, those that nobody measured with the reason."""
    rows = []
    for name in NUMBERS:
        info, checks = NUMBER_WORDS[name], [one.check(name) for one in verdicts]
        missing = sorted({check.note for check in checks if check.value is None})
        measured = sum(check.value is not None for check in checks)
        state = f"{number(measured, places=0)} of {len(checks)}" + (f": {'; '.join(missing)}" if missing else "")
        rows.append((info.label, limit_text(checks[0]), info.unit or "–", info.definition, state))
    return Table(("number", "limit", "unit", "definition", "measured in"), tuple(rows), (0, 2, 3, 4))
