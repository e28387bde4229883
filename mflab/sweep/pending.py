"""What a start of a sweep has to do: missing baselines first, then the missing trials."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mflab.errors import MflabError
from mflab.results import IMAGES_FOLDER, METRICS_FILE, TRAINING_FILE, Status, TrialRecord
from mflab.sweep.artifacts import GROUND_TRUTH_FOLDER, trial_folder
from mflab.sweep.assemble import has_weights
from mflab.sweep.assignment import Assignment, Task
from mflab.sweep.baselines import PRETRAINED, baseline_path
from mflab.sweep.export import BaselineFile
from mflab.sweep.jobs import Job, JobKind
from mflab.sweep.planned import SweepPlan, store_url
from mflab.sweep.prepare import PreparedTrial
from mflab.sweep.work import Work

Ending = Mapping[str, Any]


def pending_trials(plan: SweepPlan, endings: Mapping[str, Ending]) -> list[TrialRecord]:
    """Trials that are not over, in run order. A diverged one is over: it would diverge again.

    With `sweep.only` just that trial, also if it diverged.

    Raises:
        MflabError: `sweep.only` names no trial of the plan.
    """
    only = plan.config.sweep.only
    known = [trial.trial_id for trial in plan.record.trials]
    if only and only not in known:
        raise MflabError(f"Unknown trial {only!r} in sweep.only; choose one of {', '.join(known)}.")
    return [
        trial
        for trial in sorted(plan.record.trials, key=lambda trial: trial.run_order)
        if only in ("", trial.trial_id)
        and not is_over(plan.folder, trial.trial_id, endings, [plan.record.response.name], retry_diverged=bool(only))
    ]


def is_over(
    folder: Path, trial_id: str, endings: Mapping[str, Ending], responses: Iterable[str], retry_diverged: bool
) -> bool:
    """Whether a trial needs no work: it ended, these responses were measured, and its files are there."""
    if trial_id not in endings:
        return False
    own = trial_folder(folder, trial_id)
    if not all((own / name).is_file() for name in (METRICS_FILE, TRAINING_FILE)):
        # Rows that were removed are made again.
        return False
    status = endings[trial_id]["event"]
    if status == Status.done.value:
        # Where LPIPS weights came later, the store evaluates the last state anew.
        return set(responses) <= set(endings[trial_id]["responses"])
    return status == Status.diverged.value and not retry_diverged


def task_of(trial: PreparedTrial, folder: Path, order: int) -> Task:
    """A trial to bring to its end."""
    needs_state = trial.route.keeps_weights and bool(trial.route.leaf) and not has_weights(folder, trial.trial_id)
    return Task(trial.trial_id, trial.route, trial.route.chain.num_steps, needs_state, (), order)


def trial_name(trial: TrialRecord, is_search: bool) -> str:
    """For people: cell and seed; of a search, which suggestion it is and what it drew.

    Example:
        >>> trial = TrialRecord("00", {"lr": "0.001"}, 0, 7, 100, (), "", (), ())
        >>> trial_name(trial, False), trial_name(trial, True)
        ('0.001 seed 0', 'suggestion 7 (lr=0.001) seed 0')
    """
    if not is_search:
        return " ".join([*trial.cell.values(), f"seed {trial.seed}"])
    values = ", ".join(f"{name}={value}" for name, value in trial.cell.items())
    return f"suggestion {trial.run_order} ({values}) seed {trial.seed}"


def trial_job(plan: SweepPlan, record: TrialRecord, assignment: Assignment, stop_file: Path) -> Job:
    """The job that does what the schedule assigned."""
    trial = plan.trials[record.trial_id]
    others = tuple((wanted, plan.trials[other].config) for wanted, other in assignment.others)
    task = assignment.task
    limits = plan.config.store
    is_repeat = bool(plan.config.sweep.only)
    work = Work(
        store_url(plan.config), limits, trial.route.names, task.until, assignment.keep, others, is_repeat=is_repeat
    )
    name = trial_name(record, plan.record.search is not None)
    return _job(plan, JobKind.trial, trial.trial_id, trial.trial_id, name, record.dataset, stop_file, work)


def baseline_files(plan: SweepPlan) -> dict[str, tuple[BaselineFile, str]]:
    """Baselines of a plan: key -> its file and a trial that has it."""
    keys_of = {one: trial.cell.keys for one, trial in plan.trials.items()}
    pretrained = list(dict.fromkeys(keys.pretrained for keys in keys_of.values() if keys.pretrained))
    files: dict[str, tuple[BaselineFile, str]] = {}
    for trial in plan.record.trials:
        keys = keys_of[trial.trial_id]
        path = baseline_path(plan.folder, keys.dataset)
        files.setdefault(keys.dataset, (BaselineFile(path, trial.dataset), trial.trial_id))
        if keys.pretrained:
            # Several base models or samplers in one sweep: the first keeps the plain name.
            name = PRETRAINED if keys.pretrained == pretrained[0] else f"{PRETRAINED}-{keys.pretrained[:6]}"
            path = baseline_path(plan.folder, keys.pretrained)
            files.setdefault(keys.pretrained, (BaselineFile(path, trial.dataset, name), trial.trial_id))
    return files


def pending_baselines(plan: SweepPlan, stop_file: Path) -> list[Job]:
    """Baselines whose rows or true views are not there yet."""
    jobs = []
    for key, (file, trial_id) in baseline_files(plan).items():
        truth = plan.folder / IMAGES_FOLDER / GROUND_TRUTH_FOLDER / file.dataset
        kind = JobKind.pretrained if file.name else JobKind.reference
        is_shown = plan.trials[trial_id].config.validation.num_images > 0 and kind is JobKind.reference
        if not file.path.is_file() or (is_shown and not truth.is_dir()):
            name = file.name or "white, copy_input"
            jobs.append(_job(plan, kind, key, trial_id, name, file.dataset, stop_file))
    return jobs


def _job(
    plan: SweepPlan,
    kind: JobKind,
    job_id: str,
    trial_id: str,
    name: str,
    dataset: str,
    stop_file: Path,
    work: Work | None = None,
) -> Job:
    config = plan.trials[trial_id].config
    return Job(kind, job_id, name, config, dataset, plan.folder, Path.cwd(), stop_file, work)
