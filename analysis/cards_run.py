"""Cards about the run itself: what ran and failed, the audit, cost, definitions and provenance."""

import json
import math
from collections import Counter

from analysis.blocks import Block, Bullets, Code, Table, Text, Tone
from analysis.findings import Findings
from analysis.glossary import BASELINE_MEANING, GLOSSARY, number
from mflab.design import mde
from mflab.results import Status, split_response

STATUS_TONES: dict[str, Tone] = {
    "done": "good",
    "failed": "problem",
    "diverged": "problem",
    "stopped": "warn",
    "planned": "warn",
}


def run_card(findings: Findings) -> list[Block]:
    """Status of every trial by arm and seed, then failures with the command that repeats them."""
    sweep = findings.sweep
    counts = Counter(sweep.trials["status"])
    parts = [f"{counts[status.name]} {status.name}" for status in Status if counts[status.name]]
    blocks: list[Block] = [
        Text(
            f"{len(sweep.plan.trials)} trials planned: {', '.join(parts)}. "
            f"Design {sweep.plan.design.kind}, seed blocks {len(sweep.plan.design.seeds)}; "
            "run order shuffled within blocks."
        )
    ]
    status = dict(zip(sweep.trials["trial_id"], sweep.trials["status"], strict=True))
    seeds = sweep.plan.design.seeds
    by_place = {(sweep.label_of(t.cell), t.seed): status[t.trial_id] for t in sweep.plan.trials if t.trial_id in status}
    rows = [(arm.label, *(by_place.get((arm.label, seed), "–") for seed in seeds)) for arm in sweep.arms]
    headers = (" · ".join(sweep.factor_names) or "arm", *(f"seed {seed}" for seed in seeds))
    swatches = {label: style.colour for label, style in findings.styles.items()}
    blocks.append(Table(headers, tuple(rows), tuple(range(len(headers))), swatches=swatches, tones=STATUS_TONES))
    return blocks + _left_out(findings) + _stages(findings)


def _left_out(findings: Findings) -> list[Block]:
    sweep = findings.sweep
    values = zip(sweep.done["trial_id"], sweep.done[sweep.response], strict=True)
    unusable = [str(trial_id) for trial_id, value in values if not math.isfinite(value)]
    notes: list[Block] = []
    if unusable:
        text = f"Done, but {sweep.response} is not a finite number, so excluded too: {', '.join(unusable)}."
        notes.append(Text(text, "problem"))
    if findings.left_out.empty:
        return notes or [Text("No trial is excluded from the effects.")]
    rows, commands = [], []
    for trial_id, status, error in zip(*(findings.left_out[c] for c in ("trial_id", "status", "error")), strict=True):
        record = sweep.records[trial_id]
        rows.append((str(trial_id), sweep.label_of(record.cell), str(record.seed), str(status), str(error) or "–"))
        own = [r for r in sweep.ledger if "trial_id" in r and r["trial_id"] == trial_id and "repeat" in r]
        commands += [str(own[-1]["repeat"])] if own else []
    headers = ("trial", "arm", "seed", "status", "error")
    blocks: list[Block] = [
        *notes,
        Text(f"{len(rows)} trials are excluded from every effect and mean, because they are not done.", "warn"),
        Table(headers, tuple(rows), (0, 1, 3, 4), tones=STATUS_TONES),
    ]
    if commands:
        blocks += [Text("To repeat what failed:"), Code("\n".join(commands))]
    return blocks


def _stages(findings: Findings) -> list[Block]:
    """The schedule of every arm and events of the ledger that a reader should know."""
    sweep = findings.sweep
    schedules: dict[str, str] = {}
    for trial in sweep.plan.trials:
        schedules.setdefault(
            sweep.label_of(trial.cell), " → ".join(f"{s.prompt} ({s.start}–{s.end})" for s in trial.stages)
        )
    rows = tuple((arm.label, schedules[arm.label]) for arm in sweep.arms)
    blocks: list[Block] = (
        [Table(("arm", "stages: prompt style (steps)"), rows, (0, 1))] if any(schedules.values()) else []
    )
    events = Counter(record["event"] for record in sweep.ledger)
    noted = [f"{events[name]} × {name}" for name in ("interrupted", "unreadable") if events[name]]
    return [*blocks, Text("Ledger events: " + ", ".join(noted) + ".", "warn")] if noted else blocks


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


def cost_card(findings: Findings) -> list[Block]:
    """Steps, seconds, overhead and memory of every trial that ran, with totals."""
    sweep = findings.sweep
    ran = sweep.trials[sweep.trials["seconds"].notna()]
    ran = ran[ran["seconds"] > 0].sort_values("run_order")
    rows = []
    columns = ("trial_id", "run_order", "steps", "seconds", "overhead_seconds", "peak_memory_gb", "status")
    for values in zip(*(ran[name] for name in columns), strict=True):
        trial_id, order, steps, seconds, extra, peak, status = values
        record = sweep.records[trial_id]
        speed = f"{steps / seconds:.2f}" if steps and seconds else "–"
        label = sweep.label_of(record.cell)
        rows.append((label, str(record.seed), str(order), f"{steps:.0f}", f"{seconds:.1f}", speed,
                     number(extra, "dB"), number(peak, "dB"), str(status)))  # fmt: skip
    total, steps = float(ran["seconds"].sum()), int(ran["steps"].sum())
    headers = ("arm", "seed", "order", "steps", "seconds", "steps/s", "overhead s", "peak GB", "status")
    estimate = sweep.plan.estimated_seconds
    planned = f" The plan estimated {estimate:.0f} s." if estimate is not None else ""
    overhead = number(float(ran[ran["status"] == "done"]["overhead_seconds"].max()), "dB")
    memory = number(float(ran["peak_memory_gb"].max()), "dB")
    summary = (
        f"{steps} steps in {total:.0f} s of worker time ({total / 60:.1f} min). "
        f"Largest overhead of a done trial {overhead} s, largest memory {memory} GB. "
        f"Steps asked {sweep.plan.steps_asked}, to run at the last start {sweep.plan.steps_to_run}.{planned}"
    )
    swatches = {label: style.colour for label, style in findings.styles.items()}
    return [Text(summary), Table(headers, tuple(rows), (0, 8), swatches=swatches, tones=STATUS_TONES)]


def definitions_card(findings: Findings) -> list[Block]:
    """Metrics and baselines in words, metrics that are absent and why, and where the numbers come from."""
    sweep = findings.sweep
    metrics = list(dict.fromkeys(split_response(response)[0] for response in sweep.responses))
    rows = [
        (m, GLOSSARY[m].definition, GLOSSARY[m].unit or "–", f"{GLOSSARY[m].direction.name} is better")
        for m in metrics
        if m in GLOSSARY
    ]
    rows += [(m, "not in the glossary", "–", "–") for m in metrics if m not in GLOSSARY]
    blocks: list[Block] = [Table(("metric", "definition", "unit", "direction"), tuple(rows), (0, 1, 2, 3))]
    blocks.append(
        Text(
            "A response is the mean over scenes and unseen views of a trial's last validation; _seen is the input view."
        )
    )
    absent = {(r["metric"], r["reason"]) for r in sweep.ledger if r["event"] == "metric_absent"}
    blocks += [Text(f"Absent: {metric}. Reason: {reason}", "warn") for metric, reason in sorted(absent)]
    known = [f"{name}: {BASELINE_MEANING[name]}" for name in findings.baselines if name in BASELINE_MEANING]
    if known:
        blocks += [Text("Baselines:"), Bullets(tuple(known))]
    datasets = sorted({trial.dataset for trial in sweep.plan.trials})
    origin = [("created", sweep.plan.created), ("data sets", ", ".join(datasets)), *_flat(sweep.plan.provenance)]
    blocks.append(Table(("provenance", "value"), tuple(origin), (0, 1)))
    return blocks


def _flat(value: dict[str, object], prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, item in value.items():
        if isinstance(item, dict):
            rows += _flat(item, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", item if isinstance(item, str) else json.dumps(item)))
    return rows
