"""The training loop: exact resume, common random numbers, stages that bite, honest divergence."""

import math
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from tiny_task import CURRICULUM, OPTIM, new_state, small_model, small_task

from mflab.curriculum import Curriculum, CurriculumCfg, StageCfg, Trainable
from mflab.data.sources import Sources
from mflab.errors import MflabError
from mflab.train import Diverged, StepRecord, train
from mflab.train.atomic import write_atomically


def run(sources: Sources, until: int, seed: int = 0, curriculum: Curriculum = CURRICULUM):
    task = small_task(sources, seed)
    state, records = new_state(task), []
    train(state, task, curriculum, OPTIM, until, records.append)
    return task, state, records


def weights(state) -> dict[str, torch.Tensor]:
    raw = state.module.state_dict()
    return {**raw, **{f"average.{name}": value for name, value in state.average.average.items()}}


def assert_same_bits(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert not different, different


@pytest.mark.parametrize("stops", [(1,), (2,), (5,), (3, 4, 7)])
def test_stop_and_resume_equals_an_uninterrupted_run_bit_for_bit(
    sources: Sources, tmp_path: Path, stops: tuple[int, ...]
) -> None:
    _, whole, records = run(sources, 8)
    resumed_records: list[StepRecord] = []
    path = tmp_path / "checkpoint.pt"
    for stop in (*stops, 8):
        task = small_task(sources, model=small_model(seed=1))
        state = new_state(task)
        if path.exists():
            state.load_state_dict(torch.load(path, weights_only=True))
        else:
            task = small_task(sources)
            state = new_state(task)
        train(state, task, CURRICULUM, OPTIM, stop, resumed_records.append)
        torch.save(state.state_dict(), path)
    assert_same_bits(weights(state), weights(whole))
    assert [(r.step, r.loss, r.lr, r.grad_norm) for r in records] == [
        (r.step, r.loss, r.lr, r.grad_norm) for r in resumed_records
    ]


def test_same_seed_same_bits_other_seed_other_bits(sources: Sources) -> None:
    first, second, third = run(sources, 3)[1], run(sources, 3)[1], run(sources, 3, seed=1)[1]
    assert_same_bits(weights(first), weights(second))
    assert not torch.equal(first.module.state_dict()["conv_in.weight"], third.module.state_dict()["conv_in.weight"])


def test_arms_of_a_block_see_the_same_scenes_noise_and_time_steps(sources: Sources) -> None:
    styles = ("facelift", "mouse_elevated")
    curricula = [Curriculum(CurriculumCfg(), 4, style, "none", "fixed") for style in styles]
    task = small_task(sources)
    first, second = (task.batch(3, curriculum.at(3)) for curriculum in curricula)
    assert torch.equal(first.images, second.images)
    assert first.names == second.names
    losses = [task.loss(first, 3, curriculum.at(3)) for curriculum in curricula]
    assert not torch.equal(losses[0], losses[1])


def test_a_stage_trains_only_its_part(sources: Sources) -> None:
    curriculum = Curriculum(
        CurriculumCfg(stages=[StageCfg(until=1.0, trainable=Trainable.cross_attention)]), 3, "facelift", "none", "fixed"
    )
    before = small_model().unet.state_dict()
    _, state, _ = run(sources, 3, curriculum=curriculum)
    moved = {name for name, value in state.module.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(".attn2." in name for name in moved)


def test_the_last_step_leaves_every_parameter_trainable(sources: Sources) -> None:
    _, state, _ = run(sources, 6)
    assert all(parameter.requires_grad for parameter in state.module.parameters())


def test_learning_rate_follows_schedule_and_stage_multiplier(sources: Sources) -> None:
    stages = [StageCfg(until=0.5), StageCfg(until=1.0, lr_multiplier=0.1)]
    curriculum = Curriculum(CurriculumCfg(stages=stages), 6, "facelift", "none", "fixed")
    records = run(sources, 6, curriculum=curriculum)[2]
    shares = [(1 + math.cos(math.pi * share)) / 2 for share in (0, 0.25, 0.5, 0.75)]
    expected = [OPTIM.lr / 3, 2 * OPTIM.lr / 3, OPTIM.lr * shares[0]] + [0.1 * OPTIM.lr * share for share in shares[1:]]
    assert [r.lr for r in records] == pytest.approx(expected)
    assert [r.stage for r in records] == [0, 0, 0, 1, 1, 1]


def test_nan_ends_the_run_as_diverged_and_names_the_step(sources: Sources) -> None:
    task = small_task(sources)
    task.prompts = {style: torch.full_like(value, math.nan) for style, value in task.prompts.items()}
    state = new_state(task)
    with pytest.raises(Diverged, match="loss was nan at step 0"):
        train(state, task, CURRICULUM, OPTIM, 4, lambda record: None)


def test_training_past_the_end_is_refused(sources: Sources) -> None:
    with pytest.raises(MflabError, match="at most the run's 8 steps, but got until=9"):
        run(sources, 9)


def test_averaged_weights_are_lent_and_given_back(sources: Sources) -> None:
    _, state, _ = run(sources, 4)
    raw = {name: value.clone() for name, value in state.module.state_dict().items()}
    with state.average.applied():
        lent = state.module.state_dict()
        assert all(torch.equal(lent[name], value) for name, value in state.average.average.items())
    assert_same_bits(raw, state.module.state_dict())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, lambda file: file.write(b"old"))

    def fail(file: BinaryIO) -> None:
        file.write(b"new")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
