"""The command `python -m mflab.sweep [overrides]`: plans a sweep, runs what is missing, says where the results are."""

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from mflab.config import RootCfg, compose, sweep_questions
from mflab.errors import MflabError
from mflab.results import PLAN_FILE, TrialRecord
from mflab.sweep.planning.ledger import Ledger, sweep_lock
from mflab.sweep.planning.model_process import ModelProcess
from mflab.sweep.planning.overrides import COMMAND, repeat_command
from mflab.sweep.planning.plan import make_plan
from mflab.sweep.planning.planned import SweepPlan, running_folder, sweep_folder
from mflab.sweep.running.agenda import Agenda
from mflab.sweep.running.design_agenda import design_agenda
from mflab.sweep.running.driver import Driver, MakeAgenda, exit_status
from mflab.sweep.running.endings import failures
from mflab.sweep.running.hooks import Hooks, JobRunner
from mflab.sweep.running.pending import num_of_other_plans, with_whole_id
from mflab.sweep.running.summary import print_end, print_plan
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.schedule import Schedule
from mflab.sweep.store import StoreFull
from mflab.sweep.store.full import full_disk, full_folder
from mflab.tracking.console import SweepConsole

USAGE = f"""Runs a sweep: {COMMAND} [+sweep=NAME] [key=value ...]

  {COMMAND} +sweep=smoke                      plan, run what is missing, resume what was interrupted
  {COMMAND} +sweep=smoke sweep.dry_run=true   print and write the plan alone
  {COMMAND} +sweep=smoke sweep.only=TRIAL     run or repeat one trial, by its id or the beginning of it
  {COMMAND} optim.lr=1e-3                     a single trial

Exit status: 0 all trials done, 1 a trial failed or diverged, 2 bad input, 130 interrupted.
Groups and keys: conf/ and mflab/config/schema.py. Sweeps:
"""


def main(
    arguments: Sequence[str] | None = None, run_jobs: JobRunner | None = None, models: ModelProcess | None = None
) -> int:
    """Exit status of the command.

    Args:
        arguments: overrides; None takes the command line.
        run_jobs: what does the jobs; None takes Ray Tune.
        models: a process for the models of the plan, which may have started already; it is closed once they are
            checked.
    """
    overrides = list(sys.argv[1:] if arguments is None else arguments)
    console = Console(soft_wrap=True)
    if {"-h", "--help"} & set(overrides):
        sys.stdout.write(USAGE + "".join(f"  {name:20} {question}\n" for name, question in sweep_questions().items()))
        return 0
    try:
        config = compose(overrides)
        folder = sweep_folder(config)
        with _full_disk_is_told(folder), sweep_lock(folder), Ledger(folder) as ledger:
            return _run(config, overrides, ledger, console, run_jobs, models)
    except MflabError as error:
        is_full = isinstance(error, StoreFull) or full_disk(error) is not None
        text = f"{error} To go on: {repeat_command(overrides)}" if is_full else str(error)
        sys.stderr.write(f"error: {' '.join(text.split())}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"Interrupted. To go on: {repeat_command(overrides)}\n")
        return 130


@contextmanager
def _full_disk_is_told(folder: Path) -> Iterator[None]:
    """Turns a full disk into an error for people, wherever the driver meets it."""
    try:
        yield
    except OSError as error:
        cause = full_disk(error)
        if cause is None:
            raise
        raise full_folder(folder, cause) from error


def _run(
    config: RootCfg,
    overrides: Sequence[str],
    ledger: Ledger,
    console: Console,
    run_jobs: JobRunner | None,
    models: ModelProcess | None,
) -> int:
    with ExitStack() as resources:
        # A plan of thousands of trials is one growing heap without cycles: searching it for some takes a second.
        gc.disable()
        resources.callback(gc.enable)
        if config.sweep.search.trials:
            if models is not None:
                # A search checks its models itself, one suggestion after another.
                models.close()
            plan, make_agenda = _plan_search(config, overrides, ledger, resources)
        else:
            plan = make_plan(config, overrides, ledger.read(), InputCache(), models)
            make_agenda = design_agenda
        plan = with_whole_id(plan)
        shown = SweepConsole(console, plan.record.response.name, plan.record.response.unit)
        driver = Driver(plan, ledger, shown, make_agenda)
        driver.write_plan()
        num_others = num_of_other_plans(plan, driver.journal.rows)
        print_plan(plan, driver.agenda.num_trials, driver.num_found, num_others, console)
        if config.sweep.dry_run:
            # The tables must list the trials of the plan that now stands beside them.
            driver.export()
            text = f"Plan: {running_folder(plan) / PLAN_FILE}. Nothing was run: sweep.dry_run=true."
            console.print(text, highlight=False)
            return 0
        gc.enable()
        driver.run(run_jobs or _run_on_ray)
        _print_end(driver, console)
        return exit_status(driver)


def _plan_search(
    config: RootCfg, overrides: Sequence[str], ledger: Ledger, resources: ExitStack
) -> tuple[SweepPlan, MakeAgenda]:
    # Optuna costs a second that a design need not pay.
    from mflab.sweep.search.search_agenda import SearchAgenda, write_importances
    from mflab.sweep.search.search_plan import Suggester, declare_search, make_search_plan

    search = declare_search(config, overrides)
    study = resources.enter_context(search.open())
    suggester = Suggester(search, overrides, InputCache())
    plan = make_search_plan(search, study, overrides, ledger.read(), suggester)
    resources.callback(write_importances, study, plan.folder)

    def make_agenda(
        plan: SweepPlan,
        pending: Sequence[TrialRecord],
        schedule: Schedule,
        endings: Mapping[str, Mapping[str, Any]],
    ) -> Agenda:
        if config.sweep.only:
            agenda = design_agenda(plan, pending, schedule, endings)
        else:
            agenda = SearchAgenda(plan, search, study, suggester, schedule, endings)
        if study.requeued:
            agenda.events.append(("requeued", {"suggestions": study.requeued}))
        return agenda

    return plan, make_agenda


def _run_on_ray(workers: int, threads: int, hooks: Hooks) -> None:
    # Seconds that a dry run, a finished sweep and a mistake need not pay.
    from mflab.sweep.running.runner import run_jobs

    run_jobs(workers, threads, hooks)


def _print_end(driver: Driver, console: Console) -> None:
    plan = driver.plan
    folder = running_folder(plan)
    for row in failures(plan, driver.journal.endings):
        text = f"{row['event']}: {row['error']}\n  repeat: {row['repeat']}"
        console.print(text, style="red", markup=False, highlight=False)
    for text in driver.baselines.failed:
        console.print(f"baseline failed: {text}", style="red", markup=False, highlight=False)
    if driver.stop.is_on:
        text = f"Interrupted. To go on: {repeat_command(plan.overrides)}"
        console.print(text, markup=False, highlight=False)
    print_end(plan, driver.journal.rows, console)
    console.print(f"Results: {folder}", highlight=False)
    console.print(f"Report:  python analysis/make_report.py {folder}", highlight=False)
