"""Augmentations: a flipped scene is the picture of the mirrored world, crops keep cameras true, scopes hold."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mflab.data.augment import (
    AUGMENTATIONS,
    AugmentationCfg,
    Scope,
    augment,
    check_augmentation,
    get_augmentation,
)
from mflab.data.ellipsoids import render_rgba
from mflab.data.procedural import World, make_body
from mflab.data.scenes import as_float
from mflab.data.transforms import mirror_order
from mflab.errors import MflabError
from mflab.geometry import RIGS, Cameras, Rig, get_rig

SIZE = 32
FACELIFT6 = get_rig("facelift6")
SYMMETRIC = ("facelift6", "facelift6_el20", "facelift32", "even60_el0", "even60_el20", "even60_el30")
ALWAYS_FLIP = AugmentationCfg("flipped", flip=1.0)


def make_images(rig: Rig = FACELIFT6, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    rgba = torch.rand(rig.num_views, 4, SIZE, SIZE, generator=rng)
    rgba[:, 3] = (rgba[:, 3] > 0.3).float()
    return rgba


def run(rgba: torch.Tensor, cfg: AugmentationCfg, rig: Rig = FACELIFT6, seed: int = 0) -> tuple[torch.Tensor, Cameras]:
    result, cameras = augment(
        rgba, rig.cameras(SIZE), rig.azimuths_deg, rig.elevations_deg, cfg, np.random.default_rng(seed)
    )
    assert cameras is not None
    return result, cameras


@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize("world", list(World))
def test_flip_with_its_permutation_is_the_picture_of_the_mirrored_world(name: str, world: World) -> None:
    rig = get_rig(name)
    body = make_body(world, 3, 1)
    pictures, mirrored = (
        as_float(torch.from_numpy(render_rgba(one, rig.cameras(SIZE)))) for one in (body, body.mirrored())
    )
    flipped, cameras = run(pictures, ALWAYS_FLIP, rig)
    assert torch.equal(cameras.c2w, rig.cameras(SIZE).c2w)
    difference = (flipped[:, :3] * flipped[:, 3:] - mirrored[:, :3] * mirrored[:, 3:]).abs()
    alpha_difference = (flipped[:, 3] - mirrored[:, 3]).abs()
    assert float(difference.mean()) < 1e-4
    assert float(alpha_difference.mean()) < 1e-4
    assert float((mirrored[:, :3] * mirrored[:, 3:] - pictures[:, :3] * pictures[:, 3:]).abs().mean()) > 1e-3


def test_flip_without_the_permutation_is_not_the_mirrored_world() -> None:
    rig = get_rig("facelift6_el20")
    body = make_body(World.mice, 3, 1)
    pictures, mirrored = (
        as_float(torch.from_numpy(render_rgba(one, rig.cameras(SIZE)))) for one in (body, body.mirrored())
    )
    assert float((pictures.flip(-1) - mirrored)[:, 3].abs().mean()) > 0.02


@pytest.mark.parametrize("name", SYMMETRIC)
def test_mirror_order_swaps_left_and_right_and_is_its_own_inverse(name: str) -> None:
    rig = get_rig(name)
    order = mirror_order(rig.azimuths_deg, rig.elevations_deg, rig.cameras(SIZE))
    assert [order[other] for other in order] == list(range(rig.num_views))
    for slot, other in enumerate(order):
        assert (rig.azimuths_deg[slot] + rig.azimuths_deg[other]) % 360 == pytest.approx(0)
        if not rig.view_names[slot].startswith("az_"):
            words = {"left": "right", "right": "left"}
            assert rig.view_names[other] == "_".join(words.get(word, word) for word in rig.view_names[slot].split("_"))


@pytest.mark.parametrize("name", sorted(set(RIGS) - set(SYMMETRIC)))
def test_rig_without_mirror_image_refuses_flips_and_only_flips(name: str) -> None:
    rig = get_rig(name)
    rgba = make_images(rig)
    with pytest.raises(MflabError, match=r"A flip needs a rig that is its own mirror image, but slot \d"):
        run(rgba, replace(AUGMENTATIONS["flip"], flip=1e-9), rig)
    run(rgba, AUGMENTATIONS["crop_per_view"], rig)


@pytest.mark.parametrize("change", ["radius", "fov", "elevation", "principal_point"])
def test_one_camera_out_of_symmetry_refuses_flips(change: str) -> None:
    rig = get_rig("facelift6")
    cameras = rig.cameras(SIZE)
    elevations = list(rig.elevations_deg)
    if change == "radius":
        cameras.c2w[1, :3, 3] *= 1.01
    elif change == "fov":
        cameras.K[1, 0, 0] *= 1.01
    elif change == "principal_point":
        cameras.K[1, 0, 2] += 1.0
    else:
        elevations[1] += 0.01
    with pytest.raises(MflabError, match=r"slot 1 .* has 0 partners at azimuth 315"):
        mirror_order(rig.azimuths_deg, elevations, cameras)


def test_mirrored_principal_points_allow_flips() -> None:
    rig = get_rig("facelift6")
    cameras = rig.cameras(SIZE)
    cameras.K[1, 0, 2] += 1.0
    cameras.K[5, 0, 2] -= 1.0
    assert mirror_order(rig.azimuths_deg, rig.elevations_deg, cameras) == (0, 5, 4, 3, 2, 1)


def test_flip_happens_with_its_probability() -> None:
    rgba = make_images()
    flips = [not torch.equal(run(rgba, AUGMENTATIONS["flip"], seed=seed)[0], rgba) for seed in range(400)]
    assert abs(np.mean(flips) - 0.5) < 4 * 0.5 / np.sqrt(400)


@settings(deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), name=st.sampled_from(sorted(AUGMENTATIONS)))
def test_result_stays_an_image_and_follows_its_generator(seed: int, name: str) -> None:
    rgba = make_images()
    before = rgba.clone()
    first, cameras = run(rgba, AUGMENTATIONS[name], seed=seed)
    again, _ = run(rgba, AUGMENTATIONS[name], seed=seed)
    assert torch.equal(first, again)
    assert torch.equal(rgba, before)
    assert first.shape == rgba.shape
    assert bool(((first >= 0) & (first <= 1)).all())
    assert (cameras.width, cameras.height) == (SIZE, SIZE)


def test_none_changes_nothing() -> None:
    rgba = make_images()
    result, cameras = run(rgba, AUGMENTATIONS["none"])
    assert torch.equal(result, rgba)
    assert torch.equal(cameras.K, get_rig("facelift6").cameras(SIZE).K)


def test_augmentations_share_their_random_values() -> None:
    rgba = make_images()
    for seed in range(10):
        together, cameras = run(rgba, replace(AUGMENTATIONS["flip"], crop=0.2), seed=seed)
        flipped, _ = run(rgba, AUGMENTATIONS["flip"], seed=seed)
        _, cropped_cameras = run(rgba, AUGMENTATIONS["crop"], seed=seed)
        assert torch.equal(cameras.K, cropped_cameras.K)
        assert torch.equal(together, run(flipped, AUGMENTATIONS["crop"], seed=seed)[0])


@pytest.mark.parametrize("name", ["jitter", "crop"])
def test_scope_scene_changes_equal_views_alike_and_scope_view_does_not(name: str) -> None:
    rgba = make_images()[:1].repeat(6, 1, 1, 1)
    together, _ = run(rgba, AUGMENTATIONS[name])
    apart, _ = run(rgba, AUGMENTATIONS[f"{name}_per_view"])
    assert bool((together == together[:1]).all())
    assert not torch.equal(together, rgba)
    differences = (apart - apart[:1]).abs().amax(dim=(1, 2, 3))
    assert bool((differences[1:] > 1e-3).all())
    torch.testing.assert_close(apart[0], together[0])


def test_jitter_of_a_scene_depends_on_colour_not_on_the_view() -> None:
    rgba = make_images()
    rgba[:, :3, 4, 4] = torch.tensor([0.3, 0.5, 0.6])
    result, _ = run(rgba, AUGMENTATIONS["jitter"])
    torch.testing.assert_close(result[:, :3, 4, 4], result[:1, :3, 4, 4].expand(6, 3))


def test_jitter_leaves_alpha_and_ignores_invisible_colours() -> None:
    rgba = make_images()
    other = torch.where(rgba[:, 3:] > 0, rgba, torch.cat([torch.rand_like(rgba[:, :3]), rgba[:, 3:]], dim=1))
    for name in ("jitter", "jitter_per_view"):
        first, second = run(rgba, AUGMENTATIONS[name])[0], run(other, AUGMENTATIONS[name])[0]
        assert torch.equal(first[:, 3], rgba[:, 3])
        torch.testing.assert_close(first * first[:, 3:], second * second[:, 3:])


def test_brightness_scales_and_hue_and_saturation_keep_grey() -> None:
    grey = torch.full((6, 4, SIZE, SIZE), 0.4)
    grey[:, 3] = 1.0
    torch.testing.assert_close(run(grey, AugmentationCfg("s", saturation=0.9, hue=0.3))[0], grey, atol=1e-5, rtol=0)
    torch.testing.assert_close(run(grey, AugmentationCfg("c", contrast=0.9))[0], grey, atol=1e-5, rtol=0)
    bright = run(grey, AugmentationCfg("b", brightness=0.5))[0][:, :3]
    assert bool((bright == bright.flatten()[0]).all())
    assert 0.2 <= float(bright.flatten()[0]) <= 0.6


def test_hue_keeps_luma() -> None:
    rgba = torch.full((6, 4, SIZE, SIZE), 1.0)
    rgba[:, :3] = torch.tensor([0.5, 0.4, 0.45])[:, None, None]
    result = run(rgba, AugmentationCfg("h", hue=0.5))[0]
    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    torch.testing.assert_close((result[:, :3] * luma).sum(dim=1), (rgba[:, :3] * luma).sum(dim=1), atol=1e-5, rtol=0)
    assert float((result - rgba).abs().max()) > 0.01


@pytest.mark.parametrize("scope", list(Scope))
def test_cropped_pictures_are_what_the_cropped_cameras_see(scope: Scope) -> None:
    rig = get_rig("facelift6_el20")
    body = make_body(World.mice, 5, 2)
    pictures = as_float(torch.from_numpy(render_rgba(body, rig.cameras(SIZE))))
    cropped, cameras = run(pictures, AugmentationCfg("c", crop=0.4, crop_scope=scope), rig, seed=3)
    expected = as_float(torch.from_numpy(render_rgba(body, cameras)))
    error = float((cropped[:, 3] - expected[:, 3]).abs().mean())
    ignored = float((pictures[:, 3] - expected[:, 3]).abs().mean())
    assert error < 0.03
    assert ignored > 3 * error
    assert (len(cameras.K.flatten(1).unique(dim=0)) == 1) is (scope is Scope.scene)


def test_crop_resizes_from_premultiplied_colours() -> None:
    rgba = torch.zeros(6, 4, SIZE, SIZE)
    rgba[:, 0] = 1.0
    rgba[:, :, :, : SIZE // 2] = torch.tensor([0.0, 1.0, 0.0, 1.0])[:, None, None]
    cropped, _ = run(rgba, AugmentationCfg("c", crop=0.3), seed=1)
    assert float((cropped[:, 0] * cropped[:, 3]).max()) < 1e-6


@pytest.mark.parametrize(("field", "value"), [("flip", 1.5), ("crop", 0.95), ("hue", 0.6), ("brightness", -0.1)])
def test_strength_out_of_range_is_refused(field: str, value: float) -> None:
    with pytest.raises(MflabError, match=f"{field} must lie in .* {field}={value} in augmentation wild"):
        check_augmentation(replace(AugmentationCfg("wild"), **{field: value}))


def test_shipped_augmentations_are_named_by_their_key_and_valid() -> None:
    for name, cfg in AUGMENTATIONS.items():
        assert get_augmentation(name).name == name
        check_augmentation(cfg)
    with pytest.raises(MflabError, match="Unknown augmentation 'filp'; choose one of none, flip"):
        get_augmentation("filp")


def test_a_factor_scales_strengths_and_leaves_probabilities():
    half, full = get_augmentation("strong*0.5"), get_augmentation("strong")
    assert (half.brightness, half.hue, half.crop) == (full.brightness / 2, full.hue / 2, full.crop / 2)
    assert (half.flip, half.jitter_scope) == (full.flip, full.jitter_scope)


@pytest.mark.parametrize("name", ["jitter*", "jitter*-1", "jitter*nan", "jitter*much", "crop*9", "nothing*2"])
def test_a_wrong_factor_is_refused(name: str):
    with pytest.raises(MflabError):
        get_augmentation(name)
