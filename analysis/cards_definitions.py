"""The last card: what was measured, in words, and where the numbers come from."""

import json

from analysis.blocks import Block, Bullets, Table, Text
from analysis.findings import Findings
from analysis.glossary import BASELINE_MEANING, GLOSSARY
from mflab.results import split_response

EXACTNESS = {
    "bitwise": "bitwise. A shared or resumed stage has the bits of a run by itself.",
    "statistical": "statistical. A stage made again on this device has other bits, so shared and repeated stages are "
    "only statistically equal.",
}


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
    blocks.append(Text(f"Exactness: {EXACTNESS[sweep.plan.exactness]}"))
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
