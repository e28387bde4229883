"""Splits: disjoint, with their gap, whole scenes; and leakage is found."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mflab.data.scenes import Scene
from mflab.data.splits import check_leakage, split_by_block, split_by_scene
from mflab.errors import MflabError


@dataclass
class ListedScenes:
    """Scenes held in a list."""

    name: str
    scenes: list[Scene]
    view_names: tuple[str, ...] = ("front", "back")
    azimuths_deg: tuple[float, ...] = (0.0, 180.0)
    elevations_deg: tuple[float, ...] = (0.0, 0.0)
    fingerprint: str = "none"

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Scene:
        return self.scenes[index]


def make_scene(seed: int) -> Scene:
    rng = torch.Generator().manual_seed(seed)
    rgba = torch.randint(1, 256, (2, 4, 4, 4), generator=rng, dtype=torch.uint8)
    return Scene(f"scene{seed}", rgba, ("front", "back"), None)


@settings(deadline=None, derandomize=True)
@given(
    num_samples=st.integers(60, 400),
    fraction=st.floats(0.05, 0.4),
    gap=st.integers(0, 4),
    num_blocks=st.integers(1, 2),
)
def test_no_training_sample_is_nearer_to_validation_than_the_gap(
    num_samples: int, fraction: float, gap: int, num_blocks: int
) -> None:
    split = split_by_block(num_samples, fraction, gap, num_blocks)
    train, val = np.array(split.train), np.array(split.val)
    assert np.abs(train[:, None] - val[None, :]).min() > gap
    assert num_samples - len(train) - len(val) == gap * (2 * num_blocks - 1)
    assert abs(len(val) - fraction * num_samples) <= 1.5 * num_blocks


@pytest.mark.parametrize(("num_blocks", "gap"), list(product((1, 2, 5), (0, 3))))
def test_held_out_samples_form_that_many_blocks(num_blocks: int, gap: int) -> None:
    val = split_by_block(200, 0.1, gap, num_blocks).val
    assert int((np.diff(val) > 1).sum()) + 1 == num_blocks
    assert val[-1] == 199


def test_block_split_keeps_frames_of_the_tail_together() -> None:
    assert split_by_block(100, 0.2, gap=5).train == tuple(range(75))
    assert split_by_block(100, 0.2, gap=5).val == tuple(range(80, 100))


def test_scenes_never_part_and_nothing_is_lost() -> None:
    names = [f"animal{index % 7}" for index in range(50)]
    for seed in range(20):
        split = split_by_scene(names, 0.3, np.random.default_rng(seed))
        sides = [{names[index] for index in side} for side in split]
        assert not sides[0] & sides[1]
        assert sorted(split.train + split.val) == list(range(50))
        assert len(sides[1]) == 2


def test_scene_split_depends_on_the_seed_and_on_nothing_else() -> None:
    names = [f"animal{index}" for index in range(30)]
    first, again, other = (split_by_scene(names, 0.3, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    shuffled = names[::-1]
    assert {shuffled[index] for index in split_by_scene(shuffled, 0.3, np.random.default_rng(0)).val} == {
        names[index] for index in first.val
    }


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 2.0])
def test_fraction_must_leave_both_sides(fraction: float) -> None:
    with pytest.raises(MflabError, match=f"fraction={fraction}"):
        split_by_block(10, fraction, gap=0)
    with pytest.raises(MflabError, match=f"fraction={fraction}"):
        split_by_scene(["a", "b"], fraction, np.random.default_rng(0))


def test_split_that_leaves_a_side_empty_is_refused() -> None:
    with pytest.raises(MflabError, match="0 for training"):
        split_by_block(10, 0.2, gap=8)
    with pytest.raises(MflabError, match="0 for training"):
        split_by_scene(["a", "a"], 0.5, np.random.default_rng(0))
    with pytest.raises(MflabError, match="gap=-1"):
        split_by_block(10, 0.2, gap=-1)


def test_sources_without_common_image_pass() -> None:
    check_leakage(
        ListedScenes("train", [make_scene(0), make_scene(1)]),
        ListedScenes("val", [make_scene(2), make_scene(3)]),
    )


def test_common_image_is_named_on_both_sides_even_in_another_view() -> None:
    train, val = make_scene(0), make_scene(1)
    leaked = replace(val, rgba=torch.stack([val.rgba[0], train.rgba[0]]))
    with pytest.raises(MflabError, match=r"val/scene1 \(back\) equals train/scene0 \(front\)"):
        check_leakage(ListedScenes("train", [train]), ListedScenes("val", [leaked]))


def test_invisible_colour_does_not_hide_a_leak() -> None:
    train = make_scene(0)
    train.rgba[:, 3, 0] = 0
    copy = replace(train, name="copy", rgba=train.rgba.clone())
    copy.rgba[:, :3, 0] = 77
    with pytest.raises(MflabError, match="must not share images"):
        check_leakage(ListedScenes("train", [train]), ListedScenes("val", [copy]))


def test_repeats_within_one_side_are_not_leaks() -> None:
    check_leakage(ListedScenes("train", [make_scene(0), make_scene(0)]), ListedScenes("val", [make_scene(1)]))
