"""Runs jobs on Ray Tune with reused actors. Nothing that Tune writes is kept: the ledger is the truth."""

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune

from mflab.sweep.running.hooks import Hooks
from mflab.sweep.running.meeting import Meeting
from mflab.sweep.running.runner_scheduler import KeepWorkers
from mflab.sweep.running.runner_worker import JobActor
from mflab.sweep.running.searchers import JobSearcher

# A worker that dies (out of memory, killed) goes on from the trial's last stored state this often.
MAX_RETRIES = 1
OBJECT_STORE_BYTES = 100 * 2**20

_QUIET = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # The driver stops workers through the stop file, so that they save a checkpoint first.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Tune's own state is never read.
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


class _Watcher(tune.Callback):
    """Passes Tune's heartbeat and retries on."""

    def __init__(self, hooks: Hooks, searcher: JobSearcher) -> None:
        self.hooks = hooks
        self.searcher = searcher

    def __getstate__(self) -> dict[str, Any]:
        # As for the searcher: Tune pickles what it never restores.
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.hooks.on_tick()

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        lines = str(trial.get_error()).strip().splitlines()
        job = self.searcher.job(trial.trial_id)
        if job is not None:
            self.hooks.on_retry(job, lines[-1].strip() if lines else "no reason given")


def run_jobs(workers: int, threads: int, hooks: Hooks) -> None:
    """Does the driver's jobs, `workers` at a time, each worker a process with its own warm caches.

    Args:
        workers: processes.
        threads: OMP threads of a worker at its start; a trial sets its own.
        hooks: see `Hooks`.
    """
    settings = {
        **_QUIET,
        "OMP_NUM_THREADS": str(threads),
        # With the default, Tune starts an actor, waits for it, and only then asks for the next job.
        "TUNE_MAX_PENDING_TRIALS_PG": str(workers),
        # With the default of eight arenas per core, a worker grew by 40 MB with every trial.
        "MALLOC_ARENA_MAX": "2",
    }
    with _environment(settings), _session(workers):
        storage = tempfile.mkdtemp(prefix="mflab-tune-")
        meeting = Meeting(Path(tempfile.mkdtemp(prefix="mflab-meeting-")), min(workers, hooks.num_jobs))
        searcher = JobSearcher(hooks, workers, meeting)
        try:
            tune.Tuner(
                tune.with_resources(JobActor, {"cpu": 1}),
                tune_config=tune.TuneConfig(
                    search_alg=searcher, scheduler=KeepWorkers(workers), num_samples=-1, reuse_actors=True
                ),
                run_config=tune.RunConfig(
                    storage_path=storage,
                    verbose=0,
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                    callbacks=[_Watcher(hooks, searcher)],
                    failure_config=tune.FailureConfig(max_failures=MAX_RETRIES),
                ),
            ).fit()
        finally:
            shutil.rmtree(storage, ignore_errors=True)
            shutil.rmtree(meeting.folder, ignore_errors=True)


@contextmanager
def _session(workers: int) -> Iterator[None]:
    """A local Ray of our own, or the one that this process already has."""
    if ray.is_initialized():
        yield
        return
    # Ray takes SIGTERM for itself, and would die of it without a word to the driver.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ray.init(
        address="local",
        num_cpus=workers,
        num_gpus=0,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=OBJECT_STORE_BYTES,
    )
    for number, handler in handlers.items():
        signal.signal(number, handler)
    # Deaths of workers reach the ledger through the hooks; Tune would print a page for each.
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for this process and those it starts, put back afterwards."""
    before = {name: os.environ[name] if name in os.environ else None for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
