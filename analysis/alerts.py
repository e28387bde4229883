"""What a reader must know before the answer, in sentences."""

from analysis.findings import Findings
from analysis.glossary import counted, words


def alerts(findings: Findings) -> list[str]:
    """Confounding, missing trials, validation images that were trained on, cameras that images
    contradict, inexact devices; empty when all is well."""
    plan = findings.sweep.plan
    found = [] if plan.audit["estimable"] else ["The design is confounded: it cannot tell its main effects apart."]
    missing = len(findings.left_out)
    if missing:
        found.append(f"{missing} of {counted(len(plan.trials), 'trial')} not done.")
    # Plans of earlier versions do not carry the key.
    overlap = plan.provenance["overlap"] if "overlap" in plan.provenance else []
    if overlap:
        names = ", ".join(overlap)
        found.append(f"Validation images of {names} were also trained on: numbers show fitting, not generalisation.")
    # The same.
    cameras = plan.provenance["cameras"] if "cameras" in plan.provenance else []
    found += [f"Cameras of {one['data']}: {' '.join(one['findings'])}" for one in cameras if one["mismatch"]]
    return [*found, *_without_response(findings), *_exactness(findings)]


def _without_response(findings: Findings) -> list[str]:
    """Done trials that lack what the sweep is about."""
    sweep = findings.sweep
    if not sweep.without_response:
        return []
    text = (
        f"Declared response not recorded: {len(sweep.without_response)} of {counted(len(sweep.done), 'done trial')} "
        f"without {sweep.response} enter no mean and no effect"
    )
    others = [name for name in sweep.responses if sweep.done[name].notna().any()]
    if sweep.response in others:
        return [f"{text}; the card What ran names them."]
    return [f"{text}; recorded are {words(others) or 'no responses'}: declare one of them in sweep.response.name."]


def _exactness(findings: Findings) -> list[str]:
    """What a device that does not repeat its bits means for stages that trials share."""
    sweep = findings.sweep
    text = "shared and repeated stages are only statistically equal: made again, they would have other bits"
    if sweep.plan.exactness == "statistical":
        return [f"Exactness is statistical: on this device {text}."]
    if sweep.num_statistical:
        whose = "its" if sweep.num_statistical == 1 else "their"
        return [f"Exactness is statistical for {counted(sweep.num_statistical, 'trial')}: on {whose} device {text}."]
    return []
