"""Runs a sweep of which only the first trial trains: all others get a copy of its files and its outcome.

The folder is that of a finished sweep for whoever starts it again, without the hours that thousands of trials take. In
the store stand empty entries under the names of what the trials would have stored; a start lists them and reads none.

    python benchmarks/finished_sweep.py [overrides of mflab.sweep]
"""

import os
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mflab.sweep.command import main
from mflab.sweep.running.hooks import Hooks
from mflab.sweep.running.jobs import Job, JobKind, run_job
from mflab.sweep.stages.artifacts import trial_folder
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.outcome import TrialOutcome
from mflab.sweep.store import Kind
from mflab.sweep.store.reading import FOLDERS


def pretend(workers: int, threads: int, hooks: Hooks) -> None:
    """A runner of jobs that trains one trial."""
    cache = InputCache()
    first: tuple[Job, TrialOutcome] | None = None
    while not hooks.is_finished():
        job = hooks.next_job()
        if job is None:
            time.sleep(0.001)
            continue
        if job.kind is not JobKind.trial or first is None:
            outcome = run_job(job, cache)
            first = (job, outcome) if job.kind is JobKind.trial else first
        else:
            outcome = first[1]
            _copy_trial(first[0], job)
        hooks.on_end(job, outcome, outcome.seconds)


def _copy_trial(source: Job, target: Job) -> None:
    shutil.copytree(trial_folder(source.sweep, source.job_id), trial_folder(target.sweep, target.job_id))
    assert target.work is not None
    leaf, evaluation = target.work.planned
    for kind, name in {Kind.state: leaf, Kind.history: leaf, Kind.evaluation: evaluation}.items():
        path = Path(target.work.store) / FOLDERS[kind] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


if __name__ == "__main__":
    # The folder serves one measurement: it need not survive a power cut, and thousands of syncs take minutes.
    os.fsync = lambda fd: None
    sys.exit(main(sys.argv[1:], pretend))
