"""The actor that does jobs: each begins as soon as the actor has it, once, and all in one thread."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mflab.config import RootCfg
from mflab.results import Status
from mflab.sweep.running import runner_worker
from mflab.sweep.running.jobs import Job, JobKind
from mflab.sweep.running.meeting import Meeting
from mflab.sweep.running.runner_worker import JobActor
from mflab.sweep.running.searchers import JOB, MEET, OUTCOME
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.outcome import TrialOutcome

SECONDS = 20.0


class Jobs:
    """Stands for `run_job`: notes what was begun, and where."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.threads: set[int] = set()
        self.is_begun = {name: threading.Event() for name in ("a", "b")}

    def run(self, job: Job, cache: InputCache) -> TrialOutcome:
        self.begun.append(job.job_id)
        self.threads.add(threading.get_ident())
        self.is_begun[job.job_id].set()
        return TrialOutcome(Status.done, error=f"of {job.job_id}")


def make_job(name: str, folder: Path) -> Job:
    return Job(JobKind.reference, name, name, RootCfg(), "", folder, folder, folder / "stop")


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """In place of real jobs; Ctrl-C, which an actor ignores, is heard again afterwards."""
    jobs = Jobs()
    monkeypatch.setattr(runner_worker, "run_job", jobs.run)
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path_factory.mktemp("results")))
    before = signal.getsignal(signal.SIGINT)
    yield jobs
    signal.signal(signal.SIGINT, before)


def test_a_job_begins_when_it_is_given(jobs: Jobs, tmp_path: Path) -> None:
    actor = JobActor({MEET: Meeting(tmp_path, 1)})
    assert actor.step() == {"done": True}
    for name in ("a", "b"):
        assert actor.reset_config({JOB: make_job(name, tmp_path)})
        assert jobs.is_begun[name].wait(SECONDS)
        assert actor.step()[OUTCOME].error == f"of {name}"
    assert jobs.begun == ["a", "b"]
    assert len(jobs.threads) == 1


def test_what_an_actor_starts_with_begins_with_its_step(jobs: Jobs, tmp_path: Path) -> None:
    """An actor that has only started may be given up, and its job done by another."""
    actor = JobActor({JOB: make_job("a", tmp_path)})
    assert not jobs.is_begun["a"].wait(0.2)
    assert actor.step()[OUTCOME].error == "of a"
    assert jobs.begun == ["a"]
    JobActor({MEET: Meeting(tmp_path, 1)})
    assert not list(tmp_path.iterdir())
