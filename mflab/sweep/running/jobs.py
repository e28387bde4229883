"""What a worker is handed, and how it does it: one call, no exception, progress and the wish to stop through files."""

import json
import os
import time
import traceback
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from mflab.config import RootCfg
from mflab.errors import MflabError
from mflab.results import Status
from mflab.sweep.planning.baselines import baseline_path
from mflab.sweep.running.run_baselines import run_mean_image, run_pretrained, run_reference
from mflab.sweep.stages.artifacts import PROGRESS_FILE, TRACEBACK_FILE, trial_folder
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.outcome import Full, Progress, TrialOutcome
from mflab.sweep.stages.trial import run_trial
from mflab.sweep.stages.work import StageFailed, StopTrial, Work
from mflab.sweep.store import StoreFull
from mflab.sweep.store.full import BudgetFull, full_disk, full_folder

# Progress is for people: more often costs more than it tells.
REPORT_SECONDS = 0.5


class JobKind(Enum):
    """trial: a row of the plan. reference: white image, copied input, true views. mean_image: of the training scenes.
    pretrained: the initial weights."""

    trial = "trial"
    reference = "reference"
    mean_image = "mean_image"
    pretrained = "pretrained"


@dataclass(frozen=True, repr=False)
class Job:
    """One piece of work.

    Attributes:
        kind: what to do.
        job_id: trial id, or the key of the baseline.
        name: for people: cell and seed, or the baseline's name.
        config: the resolved config.
        dataset: name of the validation set.
        sweep: sweep folder, absolute.
        directory: working directory to which the paths of the config are relative.
        stop_file: once it exists, trials stop at their next step.
        work: what to do of a trial; None for a baseline.
    """

    kind: JobKind
    job_id: str
    name: str
    config: RootCfg
    dataset: str
    sweep: Path
    directory: Path
    stop_file: Path
    work: Work | None = None

    @property
    def folder(self) -> Path:
        return trial_folder(self.sweep, self.job_id)

    def __repr__(self) -> str:
        # Tune makes a trial's tag of it, and nobody wants all of a config there.
        return f"Job({self.job_id})"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Job":
        # Nobody changes a job, and Tune copies what it hands out, and what comes back, several times.
        return self


def run_job(job: Job, cache: InputCache) -> TrialOutcome:
    """Does a job; whatever goes wrong becomes an outcome with status failed and a traceback file."""
    return replace(_run(job, cache), pid=os.getpid())


def _run(job: Job, cache: InputCache) -> TrialOutcome:
    try:
        os.chdir(job.directory)
        for name in (PROGRESS_FILE, TRACEBACK_FILE):
            # Of an earlier job of the same trial.
            (job.folder / name).unlink(missing_ok=True)
        path = baseline_path(job.sweep, job.job_id)
        if job.kind is JobKind.reference:
            return run_reference(job.config, job.dataset, path, job.sweep, cache)
        if job.kind is JobKind.mean_image:
            return run_mean_image(job.config, job.dataset, job.name, path, cache)
        if job.kind is JobKind.pretrained:
            return run_pretrained(job.config, job.dataset, job.name, path, cache)
        assert job.work is not None
        outcome = run_trial(job.config, job.job_id, job.sweep, job.work, _Reporter(job), cache)
        (job.folder / PROGRESS_FILE).unlink(missing_ok=True)
        return outcome
    except Exception as error:
        return TrialOutcome(
            Status.failed,
            steps=read_progress(job.folder).step,
            error=_describe(job, error),
            failed_step=error.step if isinstance(error, StageFailed) else -1,
            full=_full(error),
        )


def _full(error: Exception) -> Full:
    if isinstance(error, BudgetFull):
        return Full.budget
    return Full.disk if isinstance(error, StoreFull) or full_disk(error) is not None else Full.no


def _describe(job: Job, error: Exception) -> str:
    """One line about an error; the traceback goes to a file, if the folder still takes one."""
    text, cause = f"{type(error).__name__}: {error}", full_disk(error)
    if isinstance(error, MflabError):
        text = str(error)
    elif cause is not None:
        text = str(full_folder(job.sweep, cause))
    path = job.folder / TRACEBACK_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError as problem:
        text += f" (and no traceback could be written: {problem})"
    return " ".join(text.split())


class _Reporter:
    """Writes the progress file now and then, and stops the trial once the stop file exists."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.path = job.folder / PROGRESS_FILE
        self.reported = -REPORT_SECONDS
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.reported < REPORT_SECONDS:
            return
        self.reported = now
        # No fsync: a lost progress file costs nothing.
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        draft.write_text(json.dumps({**asdict(progress), "pid": os.getpid()}))
        os.replace(draft, self.path)
        if self.job.stop_file.exists():
            raise StopTrial


def read_progress(folder: Path) -> Progress:
    """The last progress of a trial, zero if there is none."""
    try:
        values = json.loads((folder / PROGRESS_FILE).read_text())
        return Progress(values["step"], values["steps"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # Written without waiting for the disk: a crash may leave it empty.
        return Progress(0, 0)
