"""What a reader must know before the answer, in sentences."""

from analysis.findings import Findings


def alerts(findings: Findings) -> list[str]:
    """Confounding, missing trials, and validation images that were trained on; empty when all is well."""
    plan = findings.sweep.plan
    found = [] if plan.audit["estimable"] else ["The design is confounded: it cannot tell its main effects apart."]
    missing = len(findings.left_out)
    if missing:
        found.append(f"{missing} of {len(plan.trials)} trials not done.")
    # Plans of earlier versions do not carry the key.
    overlap = plan.provenance["overlap"] if "overlap" in plan.provenance else []
    if overlap:
        names = ", ".join(overlap)
        found.append(f"Validation images of {names} were also trained on: numbers show fitting, not generalisation.")
    return found
