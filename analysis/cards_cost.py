"""Cards about work: the stage forest and what everything cost."""

from analysis.blocks import Block, Table, Text, picture
from analysis.cards_run import STATUS_TONES
from analysis.costs import Trained, saving_line, sweep_costs, trained_steps
from analysis.figures_forest import forest_figure
from analysis.findings import Findings
from analysis.forest import layout, shared_stages
from analysis.glossary import number

MAX_ROWS = 300
MAX_SHARED = 12


def forest_card(findings: Findings) -> list[Block]:
    """Which arms share which steps: the trees that fit as a figure, then a table of all that is shared."""
    sweep = findings.sweep
    plan = sweep.plan
    if not plan.stages:
        return [Text("No trial has a step to train.")]
    num_trees = sum(stage.parent == "" for stage in plan.stages)
    fewer = f" ({plan.steps_asked / plan.steps_distinct:.2f} times fewer)" if plan.steps_distinct else ""
    blocks: list[Block] = [
        Text(
            f"{len(plan.trials):,} trials pass {len(plan.stages):,} stages in {num_trees:,} "
            f"{'tree' if num_trees == 1 else 'trees'}: {plan.steps_asked:,} steps asked, {plan.steps_distinct:,} "
            f"distinct{fewer if plan.steps_distinct < plan.steps_asked else ''}."
        )
    ]
    shared = shared_stages(sweep)
    if not shared:
        return [*blocks, Text("No two trials share a step, so each trains its own.")]
    drawn = layout(sweep)
    if drawn.trials:
        if drawn.num_trees < num_trees:
            blocks.append(Text(f"Drawn: the first {drawn.num_trees} of {num_trees:,} trees."))
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
            number(stage.seconds_saved, "dB"),
        )
        for stage in shared[:MAX_SHARED]
    ]
    caption = "Shared stages: equal ones of different seeds together, largest saving first"
    headers = ("steps", "prompt style", "shared by", "times", "steps saved", "seconds saved")
    blocks.append(Table(headers, tuple(rows), (0, 1, 2), caption))
    if len(shared) > MAX_SHARED:
        rest = shared[MAX_SHARED:]
        saved = sum(stage.steps_saved for stage in rest)
        blocks.append(Text(f"{len(rest):,} further kinds of shared stages save {saved:,} steps more."))
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
    estimate = f"The last start was estimated to take {plan.estimated_seconds:.0f} s." if plan.estimated_seconds else ""
    done = sweep.trials[sweep.trials["status"] == "done"]
    overhead, memory = float(done["overhead_seconds"].max()), float(sweep.trials["peak_memory_gb"].max())
    blocks: list[Block] = [
        Text(saving_line(costs)),
        Table(
            ("steps asked", "reached", "distinct", "trained here", "found in the store", "to run at the last start"),
            ((f"{costs.asked:,}", f"{costs.reached:,}", f"{costs.distinct:,}", f"{costs.trained:,}",
              f"{costs.found:,}", f"{plan.steps_to_run:,}"),),
            (), "Steps: reached leaves out what failed or was stopped before; distinct counts common steps once",
        ),
        _groups(findings, trained),
        Text(
            f"Largest overhead of a done trial {number(overhead, 'dB')} s, largest memory {number(memory, 'dB')} GB. "
            f"{estimate}".rstrip()
        ),
    ]  # fmt: skip
    if costs.num_lost:
        blocks.append(Text(f"{costs.num_lost} jobs died unrecorded: what they left in the store looks found.", "warn"))
    return [*blocks, _trials(findings, trained)]


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
    for name in [*names, "all"]:
        part = table if name == "all" else table[table["group"] == name]
        rows.append(
            (
                name,
                f"{int(part['is_done'].sum()):,} of {len(part):,}",
                f"{int(part['steps'].fillna(0).sum()):,}",
                f"{int(part['trained'].sum()):,}",
                *(number(part[column].sum(min_count=1), "dB") for column in _SECONDS),
                number(part["peak_memory_gb"].max(), "dB"),
            )
        )
    headers = ("suggestions" if sweep.is_search else "arm", "done", "steps", "trained here", "seconds alone",
               "amortised", "overhead s", "peak GB")  # fmt: skip
    swatches = {label: style.colour for label, style in findings.styles.items()}
    fold = f"{len(rows) - 1} arms" if len(rows) > 41 else ""
    caption = "Seconds of training and evaluation; amortised divides what is shared among its sharers"
    return Table(headers, tuple(rows), (0,), caption, swatches=swatches, fold=fold)


_SECONDS = ("seconds_alone", "seconds_amortised", "overhead_seconds")


def _trials(findings: Findings, trained: Trained) -> Table:
    """Every trial that started or was found, folded."""
    sweep = findings.sweep
    ran = sweep.trials[sweep.trials["trial_id"].isin(list(sweep.endings))].sort_values(["run_order", "seed"])
    rows = []
    columns = ("trial_id", "run_order", "status", "steps", "seconds", *_SECONDS, "peak_memory_gb")
    for values in zip(*(ran[name].head(MAX_ROWS) for name in columns), strict=True):
        trial_id, order, status, steps, *measured = values
        record, ending = sweep.records[trial_id], sweep.endings[trial_id]
        is_found = "found" in ending and ending["found"]
        source = "found" if is_found else f"{trained.steps.get(trial_id, 0):,}"
        rows.append(
            (sweep.group_of(record), str(record.seed), str(order), str(status), f"{steps:,.0f}", source)
            + tuple(number(value, "dB") for value in measured)
        )
    headers = ("suggestion" if sweep.is_search else "arm", "seed", "order", "state", "steps", "trained here",
               "job s", "alone s", "amortised s", "overhead s", "peak GB")  # fmt: skip
    more = f", the first {MAX_ROWS} (all are in trials.csv)" if len(ran) > MAX_ROWS else ""
    swatches = {label: style.colour for label, style in findings.styles.items()}
    fold = f"Every trial that ran: {len(ran):,}{more}"
    return Table(headers, tuple(rows), (0, 3), swatches=swatches, tones=STATUS_TONES, fold=fold)
