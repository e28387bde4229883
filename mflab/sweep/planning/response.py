"""The declared response: is there such a metric, will every trial have it, and is its direction right?"""

from collections.abc import Iterable

from mflab.config import RootCfg
from mflab.errors import MflabError
from mflab.metrics import METRICS, Absent, LpipsMetric
from mflab.metrics.collapse import COLLAPSE_METRICS
from mflab.metrics.consistency import CONSISTENCY_METRICS
from mflab.metrics.evaluate import evaluated_metrics
from mflab.results import PRIOR, TRAIN, ResponseRecord, response_column, split_response
from mflab.sweep.stages.inputs import TrialInputs
from mflab.sweep.stages.opening import find_metric
from mflab.train import SET_METRICS


def check_response(
    config: RootCfg, cells: Iterable[tuple[RootCfg, TrialInputs]], at_rungs: bool = False
) -> ResponseRecord:
    """The declared response.

    Args:
        config: of the sweep.
        cells: its cells, with what they read; all of them must give the response.
        at_rungs: whether it is needed before the end, too.

    Raises:
        MflabError: no metric of that name, one that cannot be computed here, or the wrong direction.
    """
    cells = list(cells)
    response = config.sweep.response
    metric, seen = split_response(response.name)
    nets = {cell.validation.lpips for cell, _ in cells}
    lpips = [find_metric(net) for net in nets]
    metrics = evaluated_metrics(config.data.size, config.data.size, has_pred_alpha=False)
    available = {*metrics, *(one.name for one in lpips if isinstance(one, LpipsMetric) and len(nets) == 1)}
    if not at_rungs and all(inputs.validator.sets is not None for _, inputs in cells):
        available |= set(SET_METRICS)
    for probe in (PRIOR, TRAIN):
        if all(probe in inputs.probes for _, inputs in cells):
            available |= {f"{probe}/{name}" for name in metrics}
    is_of_sets = metric in SET_METRICS
    if metric not in available or response.name != response_column(metric, seen=seen) or (is_of_sets and seen):
        columns = ", ".join(sorted(response_column(name) for name in available))
        reasons = [one.reason for one in lpips if isinstance(one, Absent)] if metric.startswith("lpips") else []
        if is_of_sets and at_rungs:
            reasons.append(f"{metric} is measured at the end alone; set sweep.search.pruner=none to search for it.")
        elif is_of_sets:
            reasons += sorted({inputs.validator.absent_sets for _, inputs in cells} - {""})
        probe = metric.partition("/")[0]
        reasons += sorted({inputs.absent_probes[probe] for _, inputs in cells if probe in inputs.absent_probes})
        note = f" ({' '.join(reasons)})" if reasons else ""
        raise MflabError(
            f"Unknown response {response.name!r}; choose one of {columns}, those of views also with _seen.{note} Set "
            "sweep.response.name."
        )
    known = METRICS | CONSISTENCY_METRICS | COLLAPSE_METRICS
    direction = known[metric if is_of_sets else metric.rpartition("/")[2]].direction
    if direction != response.direction.name:
        raise MflabError(
            f"{metric} is better when {direction}, but got direction={response.direction.name}; set "
            "sweep.response.direction."
        )
    return ResponseRecord(response.name, response.direction, response.unit, response.smallest_effect)
