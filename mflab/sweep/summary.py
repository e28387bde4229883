"""What the command prints about a plan before it runs."""

from rich.console import Console
from rich.table import Table

from mflab.sweep.planned import SweepPlan
from mflab.tracking.console import format_seconds


def print_plan(plan: SweepPlan, num_trials: int, console: Console) -> None:
    """Prints question, factors, size, cost and audit.

    Args:
        plan: what was planned.
        num_trials: trials that this start runs.
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
    cells = len({tuple(trial.cell.items()) for trial in record.trials})
    seeds = ", ".join(str(seed) for seed in record.design.seeds)
    table.add_row("design", f"{record.design.kind}: {cells} cells x {len(record.design.seeds)} seeds ({seeds})")
    table.add_row("trials", f"{len(record.trials)}, {num_trials} to run, {plan.workers} at a time")
    table.add_row("steps", f"{record.steps_asked} asked, {record.steps_to_run} to run")
    table.add_row("estimated time", format_seconds(record.estimated_seconds))
    table.add_row("audit", "\n".join(_audit_lines(plan)))
    console.print(table, highlight=False)


def _audit_lines(plan: SweepPlan) -> list[str]:
    audit = plan.record.audit
    lines = list(audit["problems"]) or ["every main effect can be estimated"]
    if len(plan.record.factors) > 1:
        lines.append(f"two-way interactions {'can' if audit['interactions_estimable'] else 'cannot'} be estimated")
    lines += [f"{pair['first']} and {pair['second']} are aliased" for pair in audit["pairs"] if pair["aliased"]]
    if audit["mde_sd"] is not None:
        lines.append(f"detects {audit['mde_sd']:.2f} SD of the paired difference with 80 % power")
    return [*lines, *audit["notes"]]
