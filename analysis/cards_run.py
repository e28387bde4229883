"""Cards about the run itself: what ran and failed, and the audit before it."""

import math
from collections import Counter
from collections.abc import Sequence

from analysis.blocks import MANY, Block, Bullets, Code, Table, Text, Tone
from analysis.cards_schedule import schedule_blocks
from analysis.cards_space import search_blocks
from analysis.findings import Findings
from analysis.glossary import counted
from analysis.incidents import MEANING, incidents
from mflab.design import mde
from mflab.results import Status

STATUS_TONES: dict[str, Tone] = {
    "done": "good",
    "failed": "problem",
    "diverged": "problem",
    "stopped": "warn",
    "planned": "warn",
}


def run_card(findings: Findings) -> list[Block]:
    """Status of every trial by arm and seed, failures with the command that repeats them, incidents."""
    sweep = findings.sweep
    counts = Counter(sweep.trials["status"])
    parts = [f"{counts[status.name]} {status.name}" for status in Status if counts[status.name]]
    design, num_seeds = sweep.plan.design, len(sweep.plan.design.seeds)
    how = (
        f"A search: every suggestion runs on {counted(num_seeds, 'seed')}."
        if sweep.is_search
        else f"Design {design.kind} on {counted(num_seeds, 'seed block')}; run order shuffled within blocks."
    )
    planned = counted(len(sweep.plan.trials), "trial")
    blocks: list[Block] = [Text(f"{planned} planned: {', '.join(parts) or 'none yet'}. {how}")]
    if sweep.stopped_by_rule:
        rule = "the search's pruner" if sweep.is_search else "the rule of the race"
        number = len(sweep.stopped_by_rule)
        verb = "was" if number == 1 else "were"
        blocks.append(
            Text(f"{counted(number, 'trial')} {verb} stopped by {rule}; such trials enter no mean.", "neutral")
        )
    blocks += search_blocks(findings) if sweep.is_search else [_grid(findings)]
    return blocks + _left_out(findings) + schedule_blocks(findings) + _incidents(findings)


def _grid(findings: Findings) -> Table:
    """Arm by seed."""
    sweep = findings.sweep
    status = dict(zip(sweep.trials["trial_id"], sweep.trials["status"], strict=True))
    seeds = sweep.plan.design.seeds
    by_place = {(sweep.label_of(t.cell), t.seed): status[t.trial_id] for t in sweep.plan.trials if t.trial_id in status}
    rows = [(arm.label, *(by_place.get((arm.label, seed), "–") for seed in seeds)) for arm in sweep.arms]
    headers = (" · ".join(sweep.factor_names) or "arm", *(f"seed {seed}" for seed in seeds))
    swatches = {label: style.colour for label, style in findings.styles.items()}
    fold = f"State of all {len(rows)} arms" if len(rows) > MANY else ""
    return Table(headers, tuple(rows), tuple(range(len(headers))), swatches=swatches, tones=STATUS_TONES, fold=fold)


def _left_out(findings: Findings) -> list[Block]:
    sweep = findings.sweep
    values = dict(zip(sweep.done["trial_id"], sweep.done[sweep.response], strict=True))
    infinite = [str(one) for one, value in values.items() if math.isinf(value)]
    notes: list[Block] = [
        Text(f"Done, but {sweep.response} {what}, so excluded too: {_some(ids)}.", "problem")
        for what, ids in (("is not a finite number", infinite), ("was not recorded", sweep.without_response))
        if ids
    ]
    if findings.left_out.empty:
        everything = not notes and not sweep.stopped_by_rule
        return (
            [Text(f"No trial {'failed' if sweep.is_search else 'is excluded from the effects'}.")]
            if everything
            else notes
        )
    rows, commands = [], []
    for trial_id, status, error in zip(*(findings.left_out[c] for c in ("trial_id", "status", "error")), strict=True):
        record = sweep.records[trial_id]
        rows.append((str(trial_id), sweep.group_of(record), str(record.seed), str(status), str(error) or "–"))
        own = [r for r in sweep.ledger if "trial_id" in r and r["trial_id"] == trial_id and "repeat" in r]
        commands += [str(own[-1]["repeat"])] if own else []
    headers = ("trial", "suggestion" if sweep.is_search else "arm", "seed", "status", "error")
    fold = f"All {len(rows)} of them" if len(rows) > MANY else ""
    blocks: list[Block] = [
        *notes,
        Text(f"Not done, so excluded from everything that follows: {counted(len(rows), 'trial')}.", "warn"),
        Table(headers, tuple(rows), (0, 1, 3, 4), tones=STATUS_TONES, fold=fold),
    ]
    if commands:
        blocks += [Text("To repeat what failed:"), Code("\n".join(commands))]
    return blocks


def _some(ids: Sequence[str], most: int = 6) -> str:
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")


def _incidents(findings: Findings) -> list[Block]:
    """What went wrong and was mended."""
    found = incidents(findings.sweep)
    if not found:
        return [Text("No incident: no worker or driver died, nothing in the store was damaged.")]
    counts: Counter[str] = Counter()
    for incident in found:
        counts[incident.event] += incident.count
    summary = ", ".join(f"{number} × {event} ({MEANING[event]})" for event, number in counts.items())
    rows = tuple((incident.event, incident.time.replace("T", " ") or "–", incident.detail) for incident in found)
    fold = f"All {len(rows)} incidents" if len(rows) > 10 else ""
    return [
        Text(f"Incidents: {summary}.", "warn"),
        Table(("incident", "UTC", "what"), rows, (0, 1, 2), fold=fold),
    ]


def audit_card(findings: Findings) -> list[Block]:
    """What the design could answer, as recorded before it ran."""
    sweep = findings.sweep
    audit = sweep.plan.audit
    blocks: list[Block] = []
    if not audit["estimable"]:
        allowed = " It ran all the same (allow_confounded)." if sweep.plan.allow_confounded else ""
        blocks.append(Text("The design cannot tell its main effects apart." + allowed, "problem"))
        blocks.append(Bullets(tuple(audit["problems"])))
    else:
        blocks.append(Text("Every main effect can be estimated.", "good"))
    facts = [
        f"Rank of the main-effects model with seed blocks: {audit['rank']} of {audit['rank_needed']} needed.",
        f"Two-way interactions {'can' if audit['interactions_estimable'] else 'cannot'} all be estimated.",
        f"Cells and seeds are {'balanced' if audit['balanced'] else 'not balanced'}: "
        f"{audit['num_cells']} cells, {audit['num_seeds']} seeds, {audit['num_runs']} runs.",
    ]
    if audit["mde_sd"] is not None:
        facts.append(
            f"Smallest difference that {audit['num_seeds']} seeds find with 80 % power: {audit['mde_sd']:.2f} standard "
            f"deviations of the seed-block difference (8 seeds: {mde(8):.2f}, 16 seeds: {mde(16):.2f})."
        )
    blocks.append(Bullets((*facts, *audit["notes"])))
    rows = [
        (
            f"{pair['first']} × {pair['second']}",
            f"{pair['cramers_v']:.2f}",
            f"{pair['max_correlation']:.2f}",
            "aliased" if pair["aliased"] else "apart",
            {True: "yes", False: "no", None: "–"}[pair["interaction_estimable"]],
        )
        for pair in audit["pairs"]
    ]
    if rows:
        headers = ("pair", "Cramér's V", "max |correlation|", "effects", "interaction estimable")
        blocks.append(Table(headers, tuple(rows), (0, 3, 4), tones={"aliased": "problem", "apart": "good"}))
    return blocks
