"""`python -m mflab.sweep [overrides]`: plans a sweep, runs what is missing, says where the results are."""

import sys
from collections.abc import Sequence

from rich.console import Console

from mflab.config import RootCfg, compose, sweep_questions
from mflab.errors import MflabError
from mflab.results import PLAN_FILE
from mflab.sweep.driver import Driver, exit_status, failures
from mflab.sweep.hooks import Hooks, JobRunner
from mflab.sweep.inputs import InputCache
from mflab.sweep.ledger import Ledger, sweep_lock
from mflab.sweep.overrides import COMMAND, repeat_command
from mflab.sweep.plan import make_plan
from mflab.sweep.planned import SweepPlan, running_folder, sweep_folder
from mflab.sweep.summary import print_plan
from mflab.tracking.console import SweepConsole
from mflab.train.atomic import write_atomically

USAGE = f"""Runs a sweep: {COMMAND} [+sweep=NAME] [key=value ...]

  {COMMAND} +sweep=smoke                      plan, run what is missing, resume what was interrupted
  {COMMAND} +sweep=smoke sweep.dry_run=true   print and write the plan alone
  {COMMAND} +sweep=smoke sweep.only=TRIAL     run or repeat one trial
  {COMMAND} optim.lr=1e-3                     a single trial

Exit status: 0 all trials done, 1 a trial failed or diverged, 2 bad input, 130 interrupted.
Groups and keys: conf/ and mflab/config.py. Sweeps:
"""


def main(arguments: Sequence[str] | None = None, run_jobs: JobRunner | None = None) -> int:
    """Exit status of the command.

    Args:
        arguments: overrides; None takes the command line.
        run_jobs: what does the jobs; None takes Ray Tune.
    """
    overrides = list(sys.argv[1:] if arguments is None else arguments)
    console = Console(soft_wrap=True)
    if {"-h", "--help"} & set(overrides):
        sys.stdout.write(USAGE + "".join(f"  {name:20} {question}\n" for name, question in sweep_questions().items()))
        return 0
    try:
        config = compose(overrides)
        folder = sweep_folder(config)
        with sweep_lock(folder), Ledger(folder) as ledger:
            return _run(config, overrides, ledger, console, run_jobs)
    except MflabError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"Interrupted. To go on: {repeat_command(overrides)}\n")
        return 130


def _run(
    config: RootCfg, overrides: Sequence[str], ledger: Ledger, console: Console, run_jobs: JobRunner | None
) -> int:
    plan = make_plan(config, overrides, ledger.read(), InputCache())
    driver = Driver(plan, ledger, SweepConsole(console, plan.record.response.name, plan.record.response.unit))
    write_atomically(plan.folder / PLAN_FILE, lambda file: file.write(plan.record.to_json().encode()))
    print_plan(plan, len(driver.trials), console)
    if config.sweep.dry_run:
        # The tables must list the trials of the plan that now stands beside them.
        driver.export()
        console.print(
            f"Plan: {running_folder(plan) / PLAN_FILE}. Nothing was run: sweep.dry_run=true.", highlight=False
        )
        return 0
    driver.run(run_jobs or _run_on_ray)
    _print_end(plan, driver, console)
    return exit_status(plan, driver)


def _run_on_ray(workers: int, threads: int, hooks: Hooks) -> None:
    # Seconds that a dry run, a finished sweep and a mistake need not pay.
    from mflab.sweep.runner import run_jobs

    run_jobs(workers, threads, hooks)


def _print_end(plan: SweepPlan, driver: Driver, console: Console) -> None:
    folder = running_folder(plan)
    for row in failures(plan, driver):
        console.print(
            f"{row['event']}: {row['error']}\n  repeat: {row['repeat']}", style="red", markup=False, highlight=False
        )
    for text in driver.failed_baselines:
        console.print(f"baseline failed: {text}", style="red", markup=False, highlight=False)
    if driver.is_stopping:
        console.print(f"Interrupted. To go on: {repeat_command(plan.overrides)}", markup=False, highlight=False)
    console.print(f"Results: {folder}", highlight=False)
    console.print(f"Report:  python analysis/make_report.py {folder}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
