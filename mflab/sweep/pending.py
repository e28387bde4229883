"""Which jobs a start of a sweep has to do, in order: missing baselines first, then the missing trials in run order."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mflab.errors import MflabError
from mflab.results import IMAGES_FOLDER, METRICS_FILE, TRAINING_FILE, Status
from mflab.sweep.artifacts import GROUND_TRUTH_FOLDER, trial_folder
from mflab.sweep.baselines import PRETRAINED, baseline_path
from mflab.sweep.export import BaselineFile
from mflab.sweep.jobs import Job, JobKind
from mflab.sweep.plan import SweepPlan

Ending = Mapping[str, Any]


def pending_trials(plan: SweepPlan, endings: Mapping[str, Ending], stop_file: Path) -> list[Job]:
    """Trials that are not over, in run order. A diverged one is over: it would diverge again.

    With `sweep.only` just that trial, also if it diverged.

    Raises:
        MflabError: `sweep.only` names no trial of the plan.
    """
    only = plan.config.sweep.only
    known = [trial.trial_id for trial in plan.record.trials]
    if only and only not in known:
        raise MflabError(f"Unknown trial {only!r} in sweep.only; choose one of {', '.join(known)}.")
    jobs = []
    for trial in sorted(plan.record.trials, key=lambda trial: trial.run_order):
        own = trial.trial_id
        if (only and own != only) or _is_over(plan.folder, own, endings, retry_diverged=bool(only)):
            continue
        name = " ".join([*trial.cell.values(), f"seed {trial.seed}"])
        jobs.append(_job(plan, JobKind.trial, own, own, name, trial.dataset, stop_file))
    return jobs


def _is_over(folder: Path, trial_id: str, endings: Mapping[str, Ending], retry_diverged: bool) -> bool:
    if trial_id not in endings:
        return False
    own = trial_folder(folder, trial_id)
    if not all((own / name).is_file() for name in (METRICS_FILE, TRAINING_FILE)):
        # Rows that were removed are made again.
        return False
    status = endings[trial_id]["event"]
    return status == Status.done.value or (status == Status.diverged.value and not retry_diverged)


def baseline_files(plan: SweepPlan) -> dict[str, tuple[BaselineFile, str]]:
    """Baselines of a plan: key -> its file and a trial that has it."""
    pretrained = list(dict.fromkeys(keys.pretrained for keys in plan.keys.values() if keys.pretrained))
    files: dict[str, tuple[BaselineFile, str]] = {}
    for trial in plan.record.trials:
        keys = plan.keys[trial.trial_id]
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
        if not file.path.is_file() or (kind is JobKind.reference and not truth.is_dir()):
            name = file.name or "white, copy_input"
            jobs.append(_job(plan, kind, key, trial_id, name, file.dataset, stop_file))
    return jobs


def _job(plan: SweepPlan, kind: JobKind, job_id: str, trial_id: str, name: str, dataset: str, stop_file: Path) -> Job:
    return Job(kind, job_id, name, plan.configs[trial_id], dataset, plan.folder, Path.cwd(), stop_file)
