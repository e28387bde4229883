"""Cards about work: the stage forest and what everything cost."""

import pandas as pd

from analysis.blocks import MANY, Block, Table, Text, picture
from analysis.cards_run import STATUS_TONES
from analysis.costs import Trained, saving_line, sweep_costs, trained_steps
from analysis.figures_forest import forest_figure
from analysis.findings import Findings
from analysis.forest import layout, shared_stages
from analysis.glossary import counted, number

MAX_ROWS = 300
MAX_SHARED = 12
# Column of trials.csv -> header.
_SECONDS = {
    "seconds": "job s",
    "seconds_alone": "alone s",
    "seconds_amortised": "amortised s",
    "overhead_seconds": "overhead s",
}


def forest_card(findings: Findings) -> list[Block]:
    """Which arms share which steps: the trees that fit as a figure, then a table of all that is shared."""
    sweep = findings.sweep
    plan = sweep.plan
    if not plan.stages:
        return [Text("No trial has a step to train.")]
    num_trees = sum(stage.parent == "" for stage in plan.stages)
    text = (
        f"{counted(len(plan.trials), 'trial')}: {counted(len(plan.stages), 'stage')} in {counted(num_trees, 'tree')}, "
        f"{counted(plan.steps_asked, 'step')} asked, {plan.steps_distinct:,} distinct"
    )
    if 0 < plan.steps_distinct < plan.steps_asked:
        text += f" ({plan.steps_asked / plan.steps_distinct:.2f} times fewer)"
    blocks: list[Block] = [Text(f"{text}.")]
    shared = shared_stages(sweep)
    if not shared:
        return [*blocks, Text("No two trials share a step, so each trains its own.")]
    drawn = layout(sweep)
    if drawn.trials:
        if drawn.num_trees < num_trees:
            blocks.append(Text(f"Drawn: the first {drawn.num_trees} of {counted(num_trees, 'tree')}."))
        labels = [f"{sweep.group_of(trial)} · seed {trial.seed}" for trial in drawn.trials]
        alt = "Stage forest: a row per trial, blue stages are trained once for all their rows"
        blocks.append(picture("forest", alt, forest_figure(drawn, labels)))
    rows = [
        (
            f"{stage.start:,}–{stage.end:,}",
            " → ".join(stage.prompts),
            _names(stage.groups),
            f"{stage.num_stages:,}",
            f"{stage.steps_saved:,}",
            number(stage.seconds_saved, "s"),
        )
        for stage in shared[:MAX_SHARED]
    ]
    caption = "Shared stages: equal ones of different seeds together, largest saving first"
    headers = ("steps", "prompt style", "shared by", "times", "steps saved", "seconds saved")
    blocks.append(Table(headers, tuple(rows), (0, 1, 2), caption))
    if len(shared) > MAX_SHARED:
        rest = shared[MAX_SHARED:]
        saved = sum(stage.steps_saved for stage in rest)
        blocks.append(Text(f"Not shown: {counted(len(rest), 'further kind')} of shared stages, {saved:,} steps saved."))
    return blocks


def _names(groups: tuple[str, ...], most: int = 4) -> str:
    if len(groups) == 1:
        return f"{groups[0]} (trials that differ in nothing they train)"
    names = ", ".join(groups[:most])
    return names if len(groups) <= most else f"{names} and {len(groups) - most} more"


def cost_card(findings: Findings) -> list[Block]:
    """Steps and seconds of the sweep, of every arm, and of every trial that ran."""
    sweep = findings.sweep
    costs, plan, trained = sweep_costs(sweep), sweep.plan, trained_steps(sweep.ledger)
    blocks: list[Block] = [
        Text(saving_line(costs)),
        Table(
            ("steps asked", "reached", "distinct", "trained here", "found in the store", "to run at the last start"),
            ((f"{costs.asked:,}", f"{costs.reached:,}", f"{costs.distinct:,}", f"{costs.trained:,}",
              f"{costs.found:,}", f"{plan.steps_to_run:,}"),),
            (), "Steps: reached leaves out what failed or was stopped before; distinct counts common steps once",
        ),
        _groups(findings, trained),
        Text(_extremes(findings)),
    ]  # fmt: skip
    if costs.num_lost:
        lost = counted(costs.num_lost, "job")
        blocks.append(Text(f"Died unrecorded: {lost}; what was left in the store so looks found.", "warn"))
    return [*blocks, _trials(findings, trained)]


def _extremes(findings: Findings) -> str:
    """Largest overhead and memory, and what the last start was expected to take."""
    trials, estimate = findings.sweep.trials, findings.sweep.plan.estimated_seconds
    # The overhead of a failed trial is unknown, or holds the wait for its failure.
    overhead = float(trials[trials["status"] == "done"]["overhead_seconds"].max())
    text = f"Largest overhead of a done trial: {_seconds(overhead)}; largest memory: {_peak(trials)} GB."
    return f"{text} The last start was estimated to take {_seconds(estimate)}." if estimate else text


def _seconds(value: float) -> str:
    return f"{number(value, 's')} s"


def _peak(trials: pd.DataFrame) -> str:
    """Largest memory of any job; trials that were found had none."""
    measured = trials["peak_memory_gb"][trials["peak_memory_gb"] > 0]
    return number(float(measured.max()) if len(measured) else None, "GB")


def _groups(findings: Findings, trained: Trained) -> Table:
    """A row per arm, or per state of a search's trials, and the sum."""
    sweep = findings.sweep
    table = sweep.trials
    states = {"done": "finished", "stopped": "stopped early"}
    if sweep.is_search:
        keys = [states.get(str(status), str(status)) for status in table["status"]]
    else:
        keys = [sweep.label_of(sweep.records[one].cell) for one in table["trial_id"]]
    own = [trained.steps.get(one, 0) for one in table["trial_id"]]
    table = table.assign(group=keys, trained=own, is_done=table["status"] == "done")
    rows = []
    names = list(dict.fromkeys(keys)) if sweep.is_search else [arm.label for arm in sweep.arms]
    for name, part in [*((name, table[table["group"] == name]) for name in names), ("all", table)]:
        rows.append(
            (
                name,
                f"{int(part['is_done'].sum()):,} of {len(part):,}",
                f"{int(part['steps'].fillna(0).sum()):,}",
                f"{int(part['trained'].sum()):,}",
                *(number(part[column].sum(min_count=1), "s") for column in _SECONDS),
                _peak(part),
            )
        )
    headers = ("state" if sweep.is_search else "arm", "done", "steps", "trained here", *_SECONDS.values(), "peak GB")
    swatches = {label: style.colour for label, style in findings.styles.items()}
    fold = f"{len(rows) - 1} arms" if len(rows) > MANY + 1 else ""
    caption = (
        "Job: wall time of all jobs of a trial. Alone, amortised: training and evaluation of done trials, each by "
        "itself, and with what done trials share divided among them. Overhead: what else a job took, with its start"
    )
    return Table(headers, tuple(rows), (0,), caption, swatches=swatches, fold=fold)


def _trials(findings: Findings, trained: Trained) -> Table:
    """Every trial that started or was found, folded."""
    sweep = findings.sweep
    # The rule of a race ends trials that never ran.
    own = [one for one, row in sweep.endings.items() if "steps_run" in row or trained.steps.get(one, 0)]
    ran = sweep.trials[sweep.trials["trial_id"].isin(own)].sort_values(["run_order", "seed"])
    rows = []
    columns = ("trial_id", "status", "steps", *_SECONDS)
    for values in zip(*(ran[name].head(MAX_ROWS) for name in columns), strict=True):
        trial_id, status, steps, *seconds = values
        record, ending = sweep.records[trial_id], sweep.endings[trial_id]
        steps_here = trained.steps.get(trial_id, 0)
        is_found = "found" in ending and ending["found"] and not steps_here
        rows.append(
            (str(record.run_order) if sweep.is_search else sweep.label_of(record.cell), str(trial_id))
            + (str(record.seed), str(status), f"{steps:,.0f}")
            + ("found" if is_found else f"{steps_here:,}", *(number(value, "s") for value in seconds))
        )
    headers = ("suggestion" if sweep.is_search else "arm", "trial", "seed", "state", "steps", "trained here",
               *_SECONDS.values())  # fmt: skip
    more = f", the first {MAX_ROWS} (all are in trials.csv)" if len(ran) > MAX_ROWS else ""
    swatches = {label: style.colour for label, style in findings.styles.items()}
    fold = f"Every trial that ran, in run order: {len(ran):,}{more}"
    return Table(headers, tuple(rows), (0, 1, 3), swatches=swatches, tones=STATUS_TONES, fold=fold)
