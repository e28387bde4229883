"""What the ledger says when a sweep starts: who runs it, with what, and what will be missing."""

import os
import socket
from collections.abc import Iterator
from typing import Any

from mflab.metrics import Absent
from mflab.sweep.planning.planned import SweepPlan
from mflab.sweep.planning.prepare import PreparedTrial
from mflab.sweep.planning.provenance import git_state, package_versions
from mflab.sweep.running.agenda import Agenda
from mflab.sweep.stages.opening import find_metric


def start_events(plan: SweepPlan, agenda: Agenda) -> Iterator[tuple[str, dict[str, Any]]]:
    """Events with their fields, in order.

    Args:
        plan: the plan.
        agenda: what this start has to do.
    """
    yield (
        "start",
        {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "overrides": list(plan.overrides),
            "git": git_state(),
            "versions": package_versions(),
            "workers": plan.workers,
            "cores": len(os.sched_getaffinity(0)),
        },
    )
    yield "planned", {"trials": len(plan.record.trials), "to_run": agenda.num_trials}
    yield from agenda.events
    for net in dict.fromkeys(trial.config.validation.lpips for trial in plan.trials.values()):
        found = find_metric(net)
        if isinstance(found, Absent):
            yield "metric_absent", {"metric": f"lpips_{net}", "reason": found.reason}
    for metric, reason in dict.fromkeys(absent for one in plan.trials.values() for absent in _absent(one)):
        yield "metric_absent", {"metric": metric, "reason": reason}
    if not any(trial.cell.keys.pretrained for trial in plan.trials.values()):
        reason = "model.weights=none: there is no pretrained model to compare with"
        yield "baseline_absent", {"baseline": "pretrained", "reason": reason}


def _absent(trial: PreparedTrial) -> list[tuple[str, str]]:
    """Measures that a trial asks for and will not have, with the reason."""
    validation, inputs = trial.config.validation, trial.cell.inputs
    found = []
    if validation.consistency_scenes and inputs.validator.sets is None:
        found.append(("consistency", inputs.validator.absent_sets))
    return [*found, *inputs.absent_probes.items()]
