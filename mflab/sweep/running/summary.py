"""What the command prints about a plan before it runs, and about a start after it ended."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from mflab.results import Direction, Status, TrialRecord
from mflab.sweep.planning.ledger import latest
from mflab.sweep.planning.planned import SweepPlan
from mflab.tracking.console import format_seconds


def print_plan(plan: SweepPlan, num_left: int, num_found: int, num_others: int, console: Console) -> None:
    """Prints question, factors, size, cost and audit.

    Args:
        plan: what was planned.
        num_left: trials that are not over.
        num_found: trials thereof that the store has in full.
        num_others: finished trials of the sweep's ledger that are not of this plan.
        console: where to print.
    """
    record = plan.record
    table = Table(title=f"Sweep {record.sweep}", show_header=False, title_justify="left", min_width=60)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("question", record.question)
    response = record.response
    smallest = f", smallest effect of interest {response.smallest_effect:g} {response.unit}".rstrip()
    table.add_row("response", f"{response.name}, {response.direction.name} is better{smallest}")
    for factor in record.factors:
        table.add_row(f"factor {factor.name}", ", ".join(factor.level_names))
    _add_search(table, plan)
    if record.search is None:
        _add_design(table, plan, num_left, num_found)
        if num_others:
            table.add_row(
                "not in this plan",
                f"{num_others} finished trials of the ledger (other overrides, data or versions): it keeps them, "
                "tables and report show this plan's",
                style="yellow",
            )
    if record.search is not None and record.trials:
        table.add_row("steps so far", f"{record.steps_asked} asked, {record.steps_distinct} distinct")
    elif record.trials:
        table.add_row("steps", steps_line(record.steps_asked, record.steps_distinct, record.steps_to_run))
        table.add_row("estimated time", format_seconds(record.estimated_seconds))
        table.add_row("disk", _disk_line(plan))
    _add_cameras(table, plan)
    table.add_row("exactness", _EXACTNESS[record.exactness])
    console.print(table, highlight=False)


_EXACTNESS = {
    "bitwise": "bitwise: shared and resumed stages give the bits of a run by itself",
    "statistical": "statistical: on this device a repeated run gives other bits, also of what is shared",
}


def _add_cameras(table: Table, plan: SweepPlan) -> None:
    """What preflight found of the cameras of dataset folders."""
    for found in plan.record.provenance["cameras"]:
        style = "red" if found["mismatch"] else ""
        table.add_row(f"cameras of {found['data']}", " ".join(found["findings"]), style=style)


def _add_design(table: Table, plan: SweepPlan, num_left: int, num_found: int) -> None:
    record = plan.record
    cells = len({tuple(trial.cell.items()) for trial in record.trials})
    seeds = ", ".join(str(seed) for seed in record.design.seeds)
    table.add_row("design", f"{record.design.kind}: {cells} cells x {len(record.design.seeds)} seeds ({seeds})")
    found = f", {num_found} found in the store" if num_found else ""
    table.add_row("trials", f"{len(record.trials)}, {num_left - num_found} to run{found}, {plan.workers} at a time")
    table.add_row("audit", "\n".join(_audit_lines(plan)))


def steps_line(asked: int, distinct: int, to_run: int) -> str:
    """Steps of a plan, and what sharing saves.

    Example:
        >>> steps_line(1600, 550, 400)
        '1600 asked, 550 distinct (2.91 times fewer), 400 to run'
    """
    saving = f" ({asked / distinct:.2f} times fewer)" if 0 < distinct < asked else ""
    return f"{asked} asked, {distinct} distinct{saving}, {to_run} to run"


def _disk_line(plan: SweepPlan) -> str:
    record, budget = plan.record, round(plan.store.budget_gb * 1e9)
    made = sum(stage.done for stage in record.stages)
    line = f"{_format_bytes(record.disk_bytes)} for {len(record.stages)} states in {plan.store.url}"
    line += f", {made} of them made before" if made else ""
    leaves = {trial.route.leaf: trial.cell.state_bytes for trial in plan.trials.values() if trial.route.leaf}
    kept = sum(leaves.values())
    if 0 < budget < kept:
        line += f"; its budget of {_format_bytes(budget)} cannot hold the last states, {_format_bytes(kept)}"
    elif 0 < budget < record.disk_bytes:
        line += f"; its budget is {_format_bytes(budget)}, so states that nobody needs any more go on the way"
    return line


def _format_bytes(size: int) -> str:
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def _add_search(table: Table, plan: SweepPlan) -> None:
    record = plan.record
    if record.search is not None:
        search, steps = record.search, plan.config.train.steps * len(record.design.seeds)
        left = max(0, search["trials"] - search["asked"])
        names = ", ".join(search["space"])
        table.add_row("search", f"{search['sampler']} over {names}; study {search['study']}")
        rungs = ", ".join(str(rung) for rung in search["rungs"]) or "none"
        table.add_row("stopping", f"{search['pruner']}, rungs at steps {rungs} of {plan.config.train.steps}")
        text = f"{search['trials']} asked for, {left} to go: at most {left * steps} steps"
        table.add_row("suggestions", text)
    if record.race is not None:
        looks = ", ".join(str(look) for look in record.race["looks"])
        text = f"looks after {looks} seeds; an arm goes at p < {record.race['threshold']:.2g} (error rate "
        table.add_row("race", f"{text}{record.race['alpha']:g} for {record.race['arms']} arms)")


# Events of a ledger that tell of something mended or given up, in words.
_INCIDENTS = {
    "retried": "time(s) a worker died and its trial went on",
    "damaged": "damaged entries of the store were set aside and made again",
    "failed": "trial(s) failed",
    "diverged": "trial(s) diverged",
    "stopped": "trial(s) stopped before their end",
    "requeued": "time(s) suggestions of a driver that died were asked for again",
    "unreadable": "line(s) of the ledger were cut short by an earlier crash",
}


def print_end(plan: SweepPlan, rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Prints what the latest start did: steps trained, trials found, what was mended or given up, a search's best."""
    first = max((index for index, row in enumerate(rows) if row["event"] == "start"), default=0)
    jobs = [row for row in rows[first:] if "steps_run" in row]
    ran = {row["trial_id"] for row in jobs}
    last = {
        row["trial_id"]: row for row in rows[first:] if "steps" in row and "trial_id" in row and row["trial_id"] in ran
    }
    ended = [row for row in last.values() if row["event"] != "paused"]
    found = sum(bool(row["found"]) for row in ended)
    trained, reached = sum(row["steps_run"] for row in jobs), sum(row["steps"] for row in ended)
    if not jobs:
        is_interrupted = any(row["event"] == "interrupted" for row in rows[first:])
        text = "Stopped before any trial had begun." if is_interrupted else "Nothing had to run."
        console.print(text, markup=False, highlight=False)
    if ended:
        note = f", {found} of them found in the store" if found else ""
        text = f"Trained {trained} steps for {len(ended)} trials of {reached} steps{note}."
        console.print(text, markup=False, highlight=False)
    if plan.record.search is not None:
        _print_best(plan, latest(rows), console)
    counts = Counter(row["event"] for row in rows[first:])
    for event, text in _INCIDENTS.items():
        if counts[event]:
            console.print(f"{counts[event]} {text}.", markup=False, highlight=False)


def _print_best(plan: SweepPlan, endings: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """The suggestion with the best mean of the response over its seeds, all of which are done."""
    values: dict[int, list[tuple[TrialRecord, float]]] = defaultdict(list)
    response = plan.record.response
    for trial in plan.record.trials:
        ending = endings[trial.trial_id] if trial.trial_id in endings else None
        if ending is not None and ending["event"] == Status.done.value and response.name in ending["responses"]:
            values[trial.run_order].append((trial, ending["responses"][response.name]))
    means = {
        number: fmean(value for _, value in own)
        for number, own in values.items()
        if len(own) == len(plan.record.design.seeds)
    }
    if not means:
        return
    number = (max if response.direction is Direction.higher else min)(means, key=lambda one: means[one])
    first = values[number][0][0]
    drawn = ", ".join(f"{name}={value}" for name, value in first.cell.items())
    ids = ", ".join(trial.trial_id for trial, _ in values[number])
    text = f"Best: suggestion {number} ({drawn}), {response.name} {means[number]:.4g} {response.unit}".rstrip()
    console.print(f"{text}; trial {ids}.", markup=False, highlight=False)


def _audit_lines(plan: SweepPlan) -> list[str]:
    audit = plan.record.audit
    lines = list(audit["problems"]) or ["every main effect can be estimated"]
    if len(plan.record.factors) > 1:
        lines.append(f"two-way interactions {'can' if audit['interactions_estimable'] else 'cannot'} be estimated")
    lines += [f"{pair['first']} and {pair['second']} are aliased" for pair in audit["pairs"] if pair["aliased"]]
    if audit["mde_sd"] is not None:
        lines.append(f"detects {audit['mde_sd']:.2f} SD of the paired difference with 80 % power")
    return [*lines, *audit["notes"]]
