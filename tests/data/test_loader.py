"""The loader: a pure function of (seed, step), with random numbers in common across every setting."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from mflab.data.augment import AUGMENTATIONS
from mflab.data.loader import Batch, Loader, ReferenceMode, generator_for
from mflab.data.scenes import Scene, composite
from mflab.errors import MflabError
from mflab.geometry import Rig, get_rig

NONE = AUGMENTATIONS["none"]
FIXED = ReferenceMode.fixed
FACELIFT6 = get_rig("facelift6")


@dataclass
class NumberedScenes:
    """Opaque scenes whose red value is the scene and whose green value is the view."""

    name: str
    num_scenes: int
    rig: Rig = FACELIFT6
    first: int = 0
    with_cameras: bool = True
    fingerprint: str = "none"

    @property
    def view_names(self) -> tuple[str, ...]:
        return self.rig.view_names

    @property
    def azimuths_deg(self) -> tuple[float, ...]:
        return self.rig.azimuths_deg

    @property
    def elevations_deg(self) -> tuple[float, ...]:
        return self.rig.elevations_deg

    def __len__(self) -> int:
        return self.num_scenes

    def __getitem__(self, index: int) -> Scene:
        rgba = torch.full((self.rig.num_views, 4, 8, 8), 255, dtype=torch.uint8)
        rgba[:, 0] = self.first + index
        rgba[:, 1] = torch.arange(self.rig.num_views, dtype=torch.uint8)[:, None, None]
        cameras = self.rig.cameras(8) if self.with_cameras else None
        return Scene(f"{self.name}{index}", rgba, self.view_names, cameras)


MICE = NumberedScenes("mouse", 10)
OBJECTS = NumberedScenes("object", 7, first=100)


def shown_scenes(batch: Batch) -> list[int]:
    return [round(value) for value in (batch.images[:, 0, 0, 0, 0] * 255).tolist()]


def shown_views(batch: Batch) -> torch.Tensor:
    return (batch.images[:, :, 1, 0, 0] * 255).round().long()


def equal(a: Batch, b: Batch) -> bool:
    return (
        torch.equal(a.images, b.images)
        and torch.equal(a.alpha, b.alpha)
        and torch.equal(a.reference, b.reference)
        and torch.equal(a.slots, b.slots)
        and a.names == b.names
    )


@pytest.mark.parametrize("mode", list(ReferenceMode))
def test_batch_is_a_pure_function_of_seed_and_step(mode: ReferenceMode) -> None:
    first = Loader(MICE, OBJECTS, 4, 5, "white")
    in_order = [first.batch(step, AUGMENTATIONS["strong"], mode, 0.4) for step in range(6)]
    resumed = Loader(MICE, OBJECTS, 4, 5, "white")
    for step in (5, 2, 0, 2):
        assert equal(resumed.batch(step, AUGMENTATIONS["strong"], mode, 0.4), in_order[step])
    other_seed = Loader(MICE, OBJECTS, 4, 6, "white")
    assert not equal(other_seed.batch(0, AUGMENTATIONS["strong"], mode, 0.4), in_order[0])


def test_global_random_state_is_neither_used_nor_moved() -> None:
    loader = Loader(MICE, OBJECTS, 4, 5, "white")
    torch.manual_seed(1)
    first = loader.batch(3, AUGMENTATIONS["strong"], ReferenceMode.random, 0.5)
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    assert equal(loader.batch(3, AUGMENTATIONS["strong"], ReferenceMode.random, 0.5), first)
    torch.manual_seed(1)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("batch_size", [1, 3, 10, 16])
def test_each_epoch_visits_every_scene_once(batch_size: int) -> None:
    loader = Loader(MICE, None, batch_size, 0, "white")
    stream = [index for step in range(60) for index in loader.indices(step)]
    epochs = [stream[start : start + 10] for start in range(0, len(stream) - 9, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > len(epochs) // 2


def test_arms_share_the_order_of_scenes_whatever_their_settings() -> None:
    plain = Loader(MICE, None, 4, 0, "white")
    mixed = Loader(MICE, OBJECTS, 4, 0, "black")
    for step in range(8):
        expected = shown_scenes(plain.batch(step, NONE, FIXED))
        assert shown_scenes(plain.batch(step, NONE, ReferenceMode.rotated)) == expected
        assert shown_scenes(mixed.batch(step, AUGMENTATIONS["flip"], ReferenceMode.random)) == expected
        partly = mixed.batch(step, NONE, FIXED, 0.5)
        for scene, is_base, target in zip(shown_scenes(partly), partly.is_base.tolist(), expected, strict=True):
            assert scene >= 100 if is_base else scene == target


def test_arms_share_reference_and_augmentation_values() -> None:
    loader = Loader(MICE, OBJECTS, 8, 0, "white")
    random = loader.batch(2, NONE, ReferenceMode.random)
    rotated = loader.batch(2, NONE, ReferenceMode.rotated, 0.5)
    assert torch.equal(rotated.slots[:, 0], random.reference)
    jittered = loader.batch(2, AUGMENTATIONS["jitter"], FIXED)
    rotated = loader.batch(2, AUGMENTATIONS["jitter"], ReferenceMode.rotated)
    for row in range(8):
        torch.testing.assert_close(rotated.images[row], jittered.images[row][rotated.slots[row]])


def test_more_base_data_keeps_the_base_scenes_there_were() -> None:
    loader = Loader(MICE, OBJECTS, 32, 0, "white")
    few, many = loader.batch(1, NONE, FIXED, 0.3), loader.batch(1, NONE, FIXED, 0.7)
    assert bool((few.is_base <= many.is_base).all())
    assert 0 < int(few.is_base.sum()) < int(many.is_base.sum()) < 32
    assert torch.equal(few.images[few.is_base], many.images[few.is_base])


def test_base_fraction_is_the_share_of_base_scenes() -> None:
    loader = Loader(MICE, OBJECTS, 50, 0, "white")
    shares = np.concatenate([loader.batch(step, NONE, FIXED, 0.25).is_base.numpy() for step in range(20)])
    assert abs(shares.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 1000)
    assert bool(loader.batch(0, NONE, FIXED, 1.0).is_base.all())
    assert not bool(loader.batch(0, NONE, FIXED, 0.0).is_base.any())


def test_fixed_input_is_slot_zero_and_slots_are_the_rigs() -> None:
    batch = Loader(MICE, None, 8, 0, "white").batch(0, NONE, FIXED)
    assert bool((batch.reference == 0).all())
    assert torch.equal(batch.slots, torch.arange(6).repeat(8, 1))
    assert torch.equal(shown_views(batch), batch.slots)


def test_random_input_moves_and_slots_stay() -> None:
    loader = Loader(MICE, None, 8, 0, "white")
    batches = [loader.batch(step, NONE, ReferenceMode.random) for step in range(10)]
    assert {view for batch in batches for view in batch.reference.tolist()} == set(range(6))
    assert all(torch.equal(shown_views(batch), torch.arange(6).repeat(8, 1)) for batch in batches)


def test_rotated_slots_keep_the_ring_and_put_the_input_first() -> None:
    batch = Loader(MICE, None, 16, 0, "white").batch(0, NONE, ReferenceMode.rotated)
    assert bool((batch.reference == 0).all())
    assert torch.equal(shown_views(batch), batch.slots)
    assert torch.equal((batch.slots - batch.slots[:, :1]) % 6, torch.arange(6).repeat(16, 1))
    assert len(set(batch.slots[:, 0].tolist())) > 1
    assert batch.cameras is not None
    torch.testing.assert_close(batch.cameras.c2w, MICE.rig.cameras(8).c2w[batch.slots])


def test_batch_is_composited_on_the_background() -> None:
    grey = replace(MICE, num_scenes=1)
    batch = Loader(grey, None, 1, 0, 0.25).batch(0, NONE, FIXED)
    colour, alpha = composite(grey[0].rgba, 0.25)
    torch.testing.assert_close(batch.images[0], colour)
    torch.testing.assert_close(batch.alpha[0], alpha)


def test_cameras_follow_the_crop() -> None:
    loader = Loader(MICE, None, 2, 0, "white")
    plain, cropped = (loader.batch(0, AUGMENTATIONS[name], FIXED).cameras for name in ("none", "crop"))
    assert plain is not None
    assert cropped is not None
    assert bool((cropped.K[..., 0, 0] >= plain.K[..., 0, 0]).all())
    assert not torch.equal(cropped.K, plain.K)
    assert torch.equal(cropped.c2w, plain.c2w)


def test_sources_without_cameras_give_batches_without() -> None:
    bare = replace(MICE, with_cameras=False)
    assert Loader(bare, None, 2, 0, "white").batch(0, AUGMENTATIONS["mild"], FIXED).cameras is None
    mixed = Loader(bare, OBJECTS, 32, 0, "white").batch(0, NONE, FIXED, 0.5)
    assert mixed.cameras is None


def test_flip_of_an_irregular_rig_is_refused_with_the_view() -> None:
    source = replace(MICE, rig=get_rig("mouse_rig6"))
    loader = Loader(source, None, 2, 0, "white")
    with pytest.raises(MflabError, match=r"its own mirror image, but slot 1 \(azimuth 181"):
        loader.batch(0, AUGMENTATIONS["flip"], FIXED)
    assert loader.batch(0, AUGMENTATIONS["crop"], FIXED).images.shape == (2, 6, 3, 8, 8)


def test_generators_of_different_purpose_differ() -> None:
    purposes = [(0, 1, "reference"), (1, 0, "reference"), (0, 1, "base"), (0, 11, "reference"), (0, "1", "reference")]
    draws = [generator_for(*purpose).random(4).tolist() for purpose in purposes]
    assert len({tuple(values) for values in draws}) == len(purposes)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(MflabError, match="batch_size=0"):
        Loader(MICE, None, 0, 0, "white")
    with pytest.raises(MflabError, match="mouse has none"):
        Loader(replace(MICE, num_scenes=0), None, 1, 0, "white")
    with pytest.raises(MflabError, match=r"object has \(32, 4, 8, 8\)"):
        Loader(MICE, replace(OBJECTS, rig=get_rig("facelift32")), 1, 0, "white")
    with pytest.raises(MflabError, match=r"base_fraction=0\.5 without one"):
        Loader(MICE, None, 1, 0, "white").batch(0, NONE, FIXED, 0.5)
    with pytest.raises(MflabError, match=r"base_fraction=1\.5"):
        Loader(MICE, OBJECTS, 1, 0, "white").batch(0, NONE, FIXED, 1.5)
