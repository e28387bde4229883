"""What a start of a sweep has to do: missing baselines first, then the missing trials."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mflab.errors import MflabError
from mflab.results import IMAGES_FOLDER, Status, TrialRecord
from mflab.sweep.planning.baselines import baseline_path
from mflab.sweep.planning.ledger import latest
from mflab.sweep.planning.overrides import split_override
from mflab.sweep.planning.planned import SweepPlan, store_url
from mflab.sweep.planning.unfinished import Ending, is_over
from mflab.sweep.running.export import BaselineFile
from mflab.sweep.running.jobs import Job, JobKind
from mflab.sweep.stages.artifacts import GROUND_TRUTH_FOLDER
from mflab.sweep.stages.assignment import Assignment
from mflab.sweep.stages.work import Work

# Of thousands, an error names no more.
SHOWN_IDS = 8


def pending_trials(plan: SweepPlan, endings: Mapping[str, Ending]) -> list[TrialRecord]:
    """Trials that are not over, in run order. A diverged one is over: it would diverge again.

    With `sweep.only` just that trial, also if it diverged.
    """
    only = plan.config.sweep.only
    return [
        trial
        for trial in sorted(plan.record.trials, key=lambda trial: trial.run_order)
        if only in ("", trial.trial_id)
        and not is_over(plan.folder, trial.trial_id, endings, [plan.record.response.name], retry_diverged=bool(only))
    ]


def with_whole_id(plan: SweepPlan) -> SweepPlan:
    """The plan with the id that `sweep.only` begins, in full.

    Raises:
        MflabError: no trial begins so, or several do.
    """
    # As it was typed: Hydra reads 12e4 as a number.
    typed = [value.strip("'\"") for key, value in map(split_override, plan.overrides) if key == "sweep.only"]
    only = typed[-1] if typed else plan.config.sweep.only
    if not only:
        return plan
    meant = [one for one in plan.trials if one.startswith(only)]
    shown = ", ".join([*(meant or plan.trials)][:SHOWN_IDS])
    if len(meant) > 1:
        raise MflabError(
            f"sweep.only must name one trial, but {len(meant)} begin with {only!r}: {shown}; give more digits."
        )
    if not meant:
        remedy = f"choose one of {shown}, or another of plan.json" if shown else "start without it first"
        raise MflabError(f"sweep.only must name a trial of the plan, but none begins with {only!r}; {remedy}.")
    return replace(plan, config=replace(plan.config, sweep=replace(plan.config.sweep, only=meant[0])))


def num_of_other_plans(plan: SweepPlan, rows: Sequence[Mapping[str, Any]]) -> int:
    """Finished trials of the ledger that are not of this plan: of other overrides, data or versions."""
    return sum(row["event"] == Status.done.value and one not in plan.trials for one, row in latest(rows).items())


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


def baseline_files(plan: SweepPlan) -> dict[str, tuple[BaselineFile, str, JobKind]]:
    """Baselines of a plan: key -> its file, a trial that has it, and the job that makes it."""
    keys_of = {one: trial.cell.keys for one, trial in plan.trials.items()}
    first: dict[JobKind, str] = {}
    files: dict[str, tuple[BaselineFile, str, JobKind]] = {}
    for trial in plan.record.trials:
        keys = keys_of[trial.trial_id]
        if keys.dataset not in files:
            path = baseline_path(plan.folder, keys.dataset)
            files[keys.dataset] = (BaselineFile(path, trial.dataset), trial.trial_id, JobKind.reference)
        for kind, key in ((JobKind.mean_image, keys.mean_image), (JobKind.pretrained, keys.pretrained)):
            if key and key not in files:
                # Several base models, samplers or training sets in one sweep: the first keeps the plain name.
                name = kind.value if first.setdefault(kind, key) == key else f"{kind.value}-{key[:6]}"
                file = BaselineFile(baseline_path(plan.folder, key), trial.dataset, name)
                files[key] = (file, trial.trial_id, kind)
    return files


def pending_baselines(plan: SweepPlan, stop_file: Path) -> list[Job]:
    """Baselines whose rows or true views are not there yet."""
    jobs = []
    for key, (file, trial_id, kind) in baseline_files(plan).items():
        truth = plan.folder / IMAGES_FOLDER / GROUND_TRUTH_FOLDER / file.dataset
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
