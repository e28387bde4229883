"""What a reader must know before the answer, in sentences."""

from analysis.findings import Findings


def alerts(findings: Findings) -> list[str]:
    """Confounding, missing trials, validation images that were trained on, inexact devices; empty when all is well."""
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
    return [*found, *_exactness(findings)]


def _exactness(findings: Findings) -> list[str]:
    """What a device that does not repeat its bits means for stages that trials share."""
    sweep = findings.sweep
    text = "shared and repeated stages are only statistically equal: made again, they would have other bits"
    if sweep.plan.exactness == "statistical":
        return [f"Exactness is statistical: on this device {text}."]
    if sweep.num_statistical:
        return [f"Exactness is statistical for {sweep.num_statistical} trials: where they were made {text}."]
    return []
