"""State names: they change with whatever can change bits, from the step at which it does, and with nothing else."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from mflab.config import RootCfg, compose, fingerprint
from mflab.curriculum import CurriculumCfg, Trainable, Transition
from mflab.curriculum.stage import StageCfg, Unit
from mflab.data.augment import AUGMENTATIONS, AugmentationCfg
from mflab.metrics import Absent
from mflab.model.mvdiffusion import NetworkOutput
from mflab.prompts import EncoderKind
from mflab.sweep.stages import keys
from mflab.sweep.stages.chain import RECORD, RECORD_BYTES, Chain, step_of
from mflab.sweep.stages.inputs import open_inputs
from mflab.sweep.stages.keys import evaluation_key, find_origin, make_chain, step_records
from mflab.sweep.stages.opening import InputCache
from mflab.sweep.stages.route import Route, make_route
from mflab.train import Device
from mflab.train.optim import LRSchedule, learning_rate
from tests.sweep.conftest import TINY

CACHE = InputCache()
STEPS = 6


@pytest.fixture(scope="module")
def base(data_folder: Path) -> RootCfg:
    """Six steps: three with the base wording, three with the target's."""
    config = compose([*TINY, f"paths.data={data_folder}", "prompts.style=mouse_elevated", "base_data.size=16"])
    return with_stages(config, [stage(3, prompt="facelift"), stage(STEPS)])


def stage(until: int, **fields: Any) -> StageCfg:
    """A stage that ends at a step."""
    return StageCfg(float(until), **fields)


def with_stages(config: RootCfg, stages: list[StageCfg], name: str = "c") -> RootCfg:
    """The config with stages that count steps."""
    train = dataclasses.replace(config.train, steps=int(stages[-1].until))
    return dataclasses.replace(config, train=train, curriculum=CurriculumCfg(name, Unit.steps, stages))


def changed(config: RootCfg, path: str, value: Any) -> RootCfg:
    """The config with another value at a dotted path."""
    first, _, rest = path.partition(".")
    if rest:
        value = changed(getattr(config, first), rest, value)
    return dataclasses.replace(config, **{first: value})


def second_stage(**fields: Any) -> Callable[[RootCfg], RootCfg]:
    """Gives the second stage other settings."""
    return lambda config: with_stages(
        config, [config.curriculum.stages[0], dataclasses.replace(config.curriculum.stages[1], **fields)]
    )


def chain_of(config: RootCfg) -> Chain:
    inputs = open_inputs(config, CACHE)
    return make_chain(config, find_origin(config, inputs), step_records(config, inputs))


def test_a_root_is_the_fingerprint_of_its_values_whatever_texts_it_is_put_together_from() -> None:
    for overrides in ([], ["model.weights=none", "seed=5"]):
        config = compose([*TINY, *overrides])
        origin = find_origin(config, open_inputs(config, CACHE))
        start, data = json.loads(origin.start), json.loads(origin.data)
        start["seed"] = config.seed if origin.has_drawn_weights else None
        through_rates = ("lr", "schedule", "warmup_steps")
        optim = {name: value for name, value in vars(config.optim).items() if name not in through_rates}
        chain = chain_of(config)
        assert chain.initial == fingerprint(start)
        assert chain.root == fingerprint([start, optim, data, config.seed, config.train.batch_size])


def route_of(config: RootCfg, trial_id: str = "trial") -> Route:
    inputs = open_inputs(config, CACHE)
    return make_route(config, inputs, step_records(config, inputs), trial_id)


def names(config: RootCfg) -> list[str]:
    """Names of the states before steps 0, 1, … and of the last."""
    return chain_of(config).names(list(range(config.train.steps + 1)))


def first_difference(one: Sequence[str], other: Sequence[str]) -> int | None:
    """Step of the first state with another name; from there on no name may be the same again."""
    same = [a == b for a, b in zip(one, other, strict=False)]
    first = same.index(False) if False in same else None
    assert not any(same[first:] if first is not None else [])
    return first


# What is changed, and the first state that it changes: the state before step t knows the settings of steps below t.
CHANGES: dict[str, tuple[int, Callable[[RootCfg], RootCfg]]] = {
    "seed": (0, lambda config: changed(config, "seed", 1)),
    "threads": (0, lambda config: changed(config, "train.threads", 2)),
    "device": (0, lambda config: changed(config, "train.device", Device.cuda)),
    "batch_size": (0, lambda config: changed(config, "train.batch_size", 3)),
    "world": (0, lambda config: changed(config, "data.seed", 1)),
    "number of scenes": (0, lambda config: changed(config, "data.num_train", 3)),
    "background": (0, lambda config: changed(config, "data.background", "black")),
    "shape": (0, lambda config: changed(config, "model.unet.layers_per_block", 2)),
    "output": (0, lambda config: changed(config, "model.output", NetworkOutput.v)),
    "condition_dropout": (0, lambda config: changed(config, "model.condition_dropout", 0.1)),
    "beta1": (0, lambda config: changed(config, "optim.beta1", 0.8)),
    "beta2": (0, lambda config: changed(config, "optim.beta2", 0.98)),
    "eps": (0, lambda config: changed(config, "optim.eps", 1e-7)),
    "weight_decay": (0, lambda config: changed(config, "optim.weight_decay", 0.0)),
    "max_grad_norm": (0, lambda config: changed(config, "optim.max_grad_norm", 2.0)),
    "ema_decay": (0, lambda config: changed(config, "optim.ema_decay", 0.5)),
    "lr": (1, lambda config: changed(config, "optim.lr", 2e-3)),
    "warm-up": (1, lambda config: changed(config, "optim.warmup_steps", 2)),
    "schedule": (3, lambda config: changed(config, "optim.schedule", LRSchedule.constant)),
    "target wording": (4, lambda config: changed(config, "prompts.style", "realistic")),
    "augmentation of the run": (1, lambda config: changed(config, "train.augmentation", "crop")),
    "prompt": (4, second_stage(prompt="realistic")),
    "blend": (4, second_stage(transition=Transition.linear)),
    "augmentation": (4, second_stage(augmentation="jitter")),
    "lr multiplier": (4, second_stage(lr_multiplier=0.5)),
    "lr ramp": (5, second_stage(lr_multiplier_end=0.5)),
    "trainable part": (4, second_stage(trainable=Trainable.cross_attention)),
    "reference": (4, second_stage(reference="random")),
    "base scenes": (4, second_stage(base_fraction=0.5)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_names_change_from_the_step_at_which_bits_can_change(base: RootCfg, change: str):
    first, apply = CHANGES[change]
    assert first_difference(names(base), names(apply(base))) == first


NO_CHANGES: dict[str, Callable[[RootCfg], RootCfg]] = {
    "name of the sweep": lambda config: changed(config, "sweep.name", "other"),
    "question": lambda config: changed(config, "sweep.question", "Why?"),
    "workers": lambda config: changed(config, "sweep.workers", 7),
    "outputs": lambda config: changed(config, "paths.outputs", "elsewhere"),
    "store": lambda config: changed(config, "paths.store", "s3://elsewhere"),
    "store limits": lambda config: changed(config, "store.budget_gb", 5.0),
    "names of parts": lambda config: changed(changed(config, "data.name", "rats"), "model.name", "maxi"),
    "name of the curriculum": lambda config: changed(config, "curriculum.name", "other"),
    "memory for scenes": lambda config: changed(config, "data.cache_mb", 1.0),
    "interim states": lambda config: changed(config, "train.checkpoint_every", 1),
    "kept weights": lambda config: changed(config, "train.keep_weights", False),
    "base wording without base scenes": lambda config: changed(config, "train.base_style", "realistic"),
    "base scenes that nothing draws from": lambda config: changed(config, "base_data.seed", 9),
    "validation times": lambda config: changed(config, "validation.at", [1.0]),
    "validation scenes": lambda config: changed(config, "validation.num_scenes", 1),
    "validation sampler": lambda config: changed(config, "validation.sampling_steps", 3),
    "pictures": lambda config: changed(config, "validation.num_images", 0),
}


@pytest.mark.parametrize("change", NO_CHANGES)
def test_names_do_not_change_with_what_cannot_change_bits(base: RootCfg, change: str):
    assert names(NO_CHANGES[change](base)) == names(base)


def test_where_data_lie_does_not_count(base: RootCfg, tmp_path: Path):
    assert names(changed(base, "paths.data", str(tmp_path / "elsewhere"))) == names(base)


def test_versions_of_torch_and_of_the_training_count(base: RootCfg, monkeypatch: pytest.MonkeyPatch):
    before = names(base)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "0.0.1")
        assert first_difference(before, names(base)) == 0
    with monkeypatch.context() as patch:
        patch.setattr(keys, "TRAINING_VERSION", keys.TRAINING_VERSION + 1)
        assert first_difference(before, names(base)) == 0


def test_prompts_count_by_their_numbers_not_by_their_names(base: RootCfg, tmp_path: Path):
    numbers = torch.randn(6, 4, 16, generator=torch.Generator().manual_seed(0))

    def from_files(folder: str, of_target: torch.Tensor) -> RootCfg:
        for style, tensor in (("facelift", numbers), ("mouse_elevated", of_target), ("realistic", of_target)):
            path = tmp_path / folder / style / "clr_embeds.pt"
            path.parent.mkdir(parents=True)
            torch.save(tensor, path)
        config = changed(base, "prompts.encoder", EncoderKind.file)
        return changed(config, "prompts.path", str(tmp_path / folder / "{style}" / "clr_embeds.pt"))

    first, moved, other = from_files("a", numbers + 1), from_files("b", numbers + 1), from_files("c", numbers + 2)
    assert names(first) == names(moved) == names(changed(first, "prompts.style", "realistic"))
    assert first_difference(names(first), names(other)) == 4


def test_augmentations_count_by_their_strengths_not_by_their_names(base: RootCfg, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(AUGMENTATIONS, "shift", dataclasses.replace(AUGMENTATIONS["jitter"], name="shift"))
    jitter = second_stage(augmentation="jitter")(base)
    before = names(jitter)
    assert names(second_stage(augmentation="shift")(base)) == before
    monkeypatch.setitem(AUGMENTATIONS, "jitter", AugmentationCfg("jitter", brightness=0.3))
    assert first_difference(names(jitter), before) == 4


def test_loaded_weights_count_by_content_wherever_they_lie(base: RootCfg, tmp_path: Path):
    def loaded(name: str, value: float) -> RootCfg:
        save_file({"w": np.full(3, value, np.float32)}, tmp_path / name)
        return changed(base, "model.weights", str(tmp_path / name))

    first, moved, other = loaded("a.safetensors", 1.0), loaded("b.safetensors", 1.0), loaded("c.safetensors", 2.0)
    assert names(first) == names(moved)
    assert first_difference(names(first), names(other)) == first_difference(names(first), names(base)) == 0


class Setting(NamedTuple):
    """What a stage may set and a boundary inside it does not change."""

    prompt: str
    augmentation: str
    trainable: Trainable
    reference: str
    lr_multiplier: float


SETTINGS = st.builds(
    Setting,
    st.sampled_from(["facelift", "realistic", "target"]),
    st.sampled_from(["none", "crop"]),
    st.sampled_from([Trainable.all, Trainable.decoder]),
    st.sampled_from(["fixed", "random"]),
    st.sampled_from([1.0, 0.5]),
)
PER_STEP = st.lists(SETTINGS, min_size=STEPS, max_size=STEPS)
CUTS = st.sets(st.integers(1, STEPS - 1))


def cut(config: RootCfg, settings: Sequence[Setting], cuts: set[int]) -> RootCfg:
    """Stages that give each step its settings, with boundaries where they change and wherever else is asked."""
    needed = {step for step in range(1, STEPS) if settings[step] != settings[step - 1]}
    ends = sorted(needed | cuts | {STEPS})
    return with_stages(config, [stage(end, **settings[end - 1]._asdict()) for end in ends], name=f"{cuts}")


@settings(max_examples=40)
@given(one=PER_STEP, other=PER_STEP, shared=st.integers(0, STEPS), cuts=CUTS, other_cuts=CUTS)
def test_curricula_share_exactly_the_steps_with_equal_settings_however_they_are_cut(
    base: RootCfg, one: list[Setting], other: list[Setting], shared: int, cuts: set[int], other_cuts: set[int]
):
    other = one[:shared] + other[shared:]
    # `target` is what the run is about: another word for one embedding.
    resolved = [
        [step._replace(prompt=step.prompt.replace("target", base.prompts.style)) for step in s] for s in (one, other)
    ]
    same = [a == b for a, b in zip(*resolved, strict=True)]
    expected = same.index(False) + 1 if False in same else None
    assert first_difference(names(cut(base, one, cuts)), names(cut(base, other, other_cuts))) == expected


@settings(max_examples=20)
@given(short=st.integers(1, 8), longer=st.integers(1, 8))
def test_longer_run_contains_the_shorter_one_at_constant_learning_rate(base: RootCfg, short: int, longer: int):
    config = changed(base, "optim.schedule", LRSchedule.constant)
    one, other = (with_stages(config, [stage(steps)]) for steps in (short, short + longer))
    assert names(other)[: short + 1] == names(one)


def test_longer_run_under_a_cosine_shares_its_warm_up_and_its_first_step_at_the_peak(base: RootCfg):
    one, other = (with_stages(base, [stage(steps)]) for steps in (6, 12))
    assert first_difference(names(one), names(other)) == base.optim.warmup_steps + 2


def test_blend_that_has_arrived_no_longer_knows_where_it_came_from(base: RootCfg):
    # A stage of one step under `linear` is at its end at once.
    stages = [[stage(2, prompt=style), stage(3, transition=Transition.linear)] for style in ("realistic", "facelift")]
    records = [chain_of(with_stages(base, one)).records for one in stages]
    assert records[0][: 2 * RECORD_BYTES] != records[1][: 2 * RECORD_BYTES]
    assert records[0][2 * RECORD_BYTES :] == records[1][2 * RECORD_BYTES :]


STAGES = st.lists(
    st.builds(
        stage,
        st.just(0),
        prompt=st.sampled_from(["facelift", "realistic", "target"]),
        transition=st.sampled_from(Transition),
        lr_multiplier=st.floats(0.1, 2.0),
        lr_multiplier_end=st.none() | st.floats(0.0, 2.0),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60)
@given(STAGES, st.lists(st.integers(1, 4), min_size=4, max_size=4), st.sampled_from(LRSchedule), st.integers(0, 20))
def test_records_say_what_the_loop_will_do_at_every_step(
    base: RootCfg, stages: list[StageCfg], lengths: list[int], schedule: LRSchedule, warmup_steps: int
):
    stages = [
        dataclasses.replace(
            one, until=float(sum(lengths[: place + 1])), transition=one.transition if place else Transition.switch
        )
        for place, one in enumerate(stages)
    ]
    optim = dataclasses.replace(base.optim, schedule=schedule, warmup_steps=warmup_steps)
    config = with_stages(dataclasses.replace(base, optim=optim), stages)
    inputs = open_inputs(config, CACHE)
    curriculum = inputs.curriculum
    assert curriculum is not None
    records = np.frombuffer(step_records(config, inputs), RECORD)
    seen: dict[bytes, tuple[str, ...]] = {}
    for step, record in enumerate(records):
        state = curriculum.at(step)
        # To the bit: a state's name promises the learning rate that the loop will use.
        lr = learning_rate(optim, step, curriculum.num_steps) * state.stage.lr_multiplier_at(step)
        assert (record["lr"], record["blend"]) == (lr, state.blend)
        prompts = (state.prompt_from if state.blend < 1.0 else state.prompt_to, state.prompt_to)
        assert seen.setdefault(record["settings"], prompts) == prompts
    assert len(set(seen.values())) == len(seen)


def test_chain_passes_its_own_states_and_no_others(base: RootCfg):
    chain, other = chain_of(base), chain_of(changed(base, "prompts.style", "realistic"))
    assert all(chain.passes(name) for name in names(base))
    assert [chain.passes(other.name(step)) for step in range(STEPS + 1)] == [True] * 4 + [False] * 3
    longer = chain_of(with_stages(changed(base, "optim.schedule", LRSchedule.constant), [stage(9)]))
    assert not chain.passes(longer.name(9))
    assert [step_of(name) for name in names(base)] == list(range(STEPS + 1))


def evaluations(config: RootCfg) -> dict[int, str]:
    return {wanted.step: wanted.name for wanted in route_of(config).evaluations}


def test_evaluations_at_other_times_have_the_same_names_where_they_meet(base: RootCfg):
    few, many = evaluations(base), evaluations(changed(base, "validation.at", [0.0, 0.25, 0.5, 0.75, 1.0]))
    assert set(few) < set(many)
    assert {step: many[step] for step in few} == few


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("validation.num_scenes", 1),
        ("validation.sampling_steps", 2),
        ("validation.guidance_scale", 2.0),
        ("validation.batch_size", 1),
        ("validation.seed", 1),
        ("data.num_val", 3),
    ],
)
def test_evaluations_depend_on_how_is_evaluated_while_states_do_not(base: RootCfg, path: str, value: Any):
    other = changed(base, path, value)
    assert names(base) == names(other)
    assert set(evaluations(base).values()).isdisjoint(evaluations(other).values())


def test_evaluations_depend_on_the_wording_even_of_one_state(base: RootCfg):
    # Both stages name their wording: only the evaluation asks for the target's.
    stages = [stage(3, prompt="facelift"), stage(STEPS, prompt="realistic")]
    one = with_stages(base, stages)
    other = changed(one, "prompts.style", "simple")
    assert names(one) == names(other)
    assert set(evaluations(one).values()).isdisjoint(evaluations(other).values())


def test_evaluations_with_and_without_lpips_differ(base: RootCfg, monkeypatch: pytest.MonkeyPatch):
    inputs = open_inputs(base, CACHE)
    before = evaluation_key(base, inputs)
    asked = changed(base, "validation.lpips", "alex")
    monkeypatch.setattr(keys, "find_metric", lambda net: Absent("not here"))
    absent = evaluation_key(asked, inputs)
    monkeypatch.setattr(keys, "find_metric", lambda net: object())
    assert len({before, absent, evaluation_key(asked, inputs)}) == 3


def test_pictures_are_wanted_beside_an_evaluation_not_instead_of_it(base: RootCfg):
    with_pictures, without = route_of(base), route_of(changed(base, "validation.num_images", 0))
    assert [one.name for one in with_pictures.evaluations] == [one.name for one in without.evaluations]
    assert [len(one.names) for one in with_pictures.evaluations] == [1, 1, 2]
    assert [len(one.names) for one in without.evaluations] == [1, 1, 1]


def test_first_evaluation_of_loaded_weights_needs_no_seed_and_nothing_of_the_training(base: RootCfg, tmp_path: Path):
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "a.safetensors")
    loaded = changed(base, "model.weights", str(tmp_path / "a.safetensors"))
    for path, value in (("seed", 1), ("optim.lr", 1.0), ("optim.beta1", 0.5), ("train.batch_size", 3)):
        other = evaluations(changed(loaded, path, value))
        assert other[0] == evaluations(loaded)[0]
        assert other[6] != evaluations(loaded)[6]
    # Drawn weights are the seed's own.
    assert evaluations(base)[0] != evaluations(changed(base, "seed", 1))[0]
    assert evaluations(base)[0] == evaluations(changed(base, "optim.lr", 1.0))[0]
    for path, value in (("train.threads", 2), ("train.device", Device.cuda), ("model.codec_scale", 5.0)):
        assert evaluations(changed(loaded, path, value))[0] != evaluations(loaded)[0]


def test_trials_that_must_not_share_have_names_of_their_own(base: RootCfg):
    apart = changed(base, "store.share", False)
    routes = [route_of(base), route_of(apart, "one"), route_of(apart, "other")]
    chains = [route.chain.names(list(range(STEPS + 1))) for route in routes]
    assert [first_difference(chains[0], one) for one in chains[1:]] == [0, 0]
    assert first_difference(*chains[1:]) == 0
    wanted = [name for route in routes for one in route.evaluations for name in one.names]
    assert len(wanted) == len(set(wanted))


def test_trial_without_steps_has_no_state_but_one_evaluation(base: RootCfg):
    route = route_of(changed(base, "train.steps", 0))
    assert (route.leaf, route.chain.num_steps, [one.step for one in route.evaluations]) == ("", 0, [0])
    assert route.evaluations[0].name == evaluations(base)[0]
