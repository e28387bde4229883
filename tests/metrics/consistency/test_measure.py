"""All measures together: names, levels of clean sets, flags, and the view at fault."""

import pytest
import torch

from mflab.errors import MflabError
from mflab.metrics.consistency import (
    CONSISTENCY_METRICS,
    THRESHOLDS,
    Band,
    Consistency,
    ConsistencyThresholds,
    ViewSet,
    best_without,
    drop_one_photo,
    drop_one_silhouette,
    measure_consistency,
)
from tests.metrics.consistency.conftest import hue, procedural, recoloured, rig, seeded, shifted, sphere, stacked

FACELIFT_RIGS = ("facelift6_el0", "facelift6_el20", "facelift6_el30")


def measure(views: ViewSet) -> Consistency:
    return measure_consistency(views, seeded(), with_leave_one_out=False)


def value(found: Consistency, name: str) -> torch.Tensor:
    return found.values[f"consistency/{name}"]


def test_every_measure_has_a_meaning_and_every_meaning_a_measure() -> None:
    views = procedural("mice", "facelift6_el20", 64, 0)
    full, quick = measure_consistency(views, seeded()), measure(views)
    assert set(full.values) == set(CONSISTENCY_METRICS)
    assert set(full.values) - set(quick.values) == {f"consistency/{name}" for name in ("loo", "loo_min", "hull_iou")}
    assert set(full.per_view) == {"sc", "pc", "ti", "loo"} and set(quick.per_view) == {"sc", "pc", "ti"}
    assert {info.direction for info in CONSISTENCY_METRICS.values()} == {"higher", "lower"}


def test_set_values_follow_from_the_values_of_views() -> None:
    views = shifted(procedural("mice", "facelift6_el20", 64, 1), 2, 3)
    found = measure_consistency(views, seeded())
    assert float(value(found, "sc")) == float(found.per_view["sc"].mean())
    assert float(value(found, "sc_min")) == float(found.per_view["sc"].min())
    assert float(value(found, "pc_min")) == float(found.per_view["pc"].min())
    assert float(value(found, "ti")) == float(found.per_view["ti"].max())
    assert float(value(found, "loo_min")) == float(found.per_view["loo"].min())
    pc = 1 - float(value(found, "pc_error")) / float(value(found, "pc_null"))
    assert float(value(found, "pc")) == pytest.approx(pc, abs=1e-5)
    expected = float(value(found, "sc_min")) ** 10 * min(max((pc - 0.15) / 0.7, 0), 1)
    assert float(value(found, "vc")) == pytest.approx(expected, abs=1e-5)


# Steps of 60 degrees, as the published levels. Thin mice seen horizontally share so little that PC_min falls to .57.
@pytest.mark.parametrize(
    "world, rig_name",
    [("mice", "even60_el20"), ("mice", "even60_el30")]
    + [("objects", f"even60_el{elevation}") for elevation in (0, 20, 30)],
)
def test_clean_sets_are_good_at_128_pixels(world: str, rig_name: str) -> None:
    good = THRESHOLDS.band(128).good
    found = measure(stacked([procedural(world, rig_name, 128, index) for index in (1, 2)]))
    assert bool((value(found, "sc_min") >= good.sc_min).all())
    assert bool((value(found, "et_max") <= 1.1 * good.et_max).all())
    assert bool((value(found, "pc") >= good.pc).all())
    assert bool((value(found, "pc_min") >= good.pc_min).all())
    assert bool((value(found, "ti") <= good.ti).all())


@pytest.mark.parametrize("rig_name", FACELIFT_RIGS)
@pytest.mark.parametrize("world", ["mice", "objects"])
def test_clean_sets_raise_no_flag(world: str, rig_name: str) -> None:
    for width, indices in ((64, range(4)), (128, range(1)), (32, range(4))):
        found = measure(stacked([procedural(world, rig_name, width, index, seed=5) for index in indices]))
        assert bool(found.valid.all()) and not bool(found.inconsistent.any()), width
        assert found.culprit.tolist() == [-1] * len(indices)
        if width >= 64:
            assert bool((value(found, "sc_min") >= 0.998).all())


@pytest.mark.parametrize("world", ["mice", "objects"])
def test_a_view_shifted_by_three_percent_is_found_and_named(world: str) -> None:
    sets = [shifted(procedural(world, "facelift6_el20", 64, view), view, 2) for view in range(6)]
    found = measure(stacked(sets))
    assert bool(found.inconsistent.all())
    assert found.culprit.tolist() == list(range(6))


def test_a_view_shifted_by_two_percent_is_found_at_128_pixels() -> None:
    found = measure(shifted(procedural("mice", "facelift6_el20", 128, 2), 2, 3))
    assert bool(found.inconsistent) and int(found.culprit) == 2


def test_a_recoloured_view_is_found_by_its_colours_and_named() -> None:
    clean = procedural("objects", "even60_el20", 64, 2)
    darker = recoloured(clean, lambda colours: colours / 1.2, view=4)
    turned = recoloured(clean, hue(90.0), view=1)
    found = measure(stacked([clean, darker, turned]))
    assert found.inconsistent.tolist() == [False, True, True]
    assert found.culprit.tolist() == [-1, 4, 1]
    assert torch.equal(value(found, "sc"), value(found, "sc")[:1].expand(3)), "colours leave silhouettes alone"


def test_shapes_and_colours_name_the_same_other_object() -> None:
    clean, other = (procedural("objects", "even60_el20", 64, index) for index in (0, 1))
    images, alpha = clean.images.clone(), clean.alpha.clone()
    images[3], alpha[3] = other.images[3], other.alpha[3]
    spoiled = ViewSet(images, alpha, clean.cameras)
    assert int(best_without(drop_one_silhouette(spoiled))) == 3
    assert int(best_without(drop_one_photo(spoiled, seeded()))) == 3


@pytest.mark.parametrize("world", ["mice", "objects"])
def test_the_controls_that_fool_similarity_are_rejected(world: str) -> None:
    views = procedural(world, "facelift6_el20", 64, 2)
    same = ViewSet(views.images[1:2].repeat(6, 1, 1, 1), views.alpha[1:2].repeat(6, 1, 1, 1), views.cameras)
    order = [0, 5, 4, 3, 2, 1]
    backwards = ViewSet(views.images[order], views.alpha[order], views.cameras)
    claimed = ViewSet(views.images, views.alpha, rig("facelift6_el0").cameras(64))
    found = measure(stacked([same, backwards]))
    assert bool(found.inconsistent.all())
    assert bool(measure(claimed).inconsistent)


def test_noise_over_the_whole_frame_is_coherent_but_not_valid() -> None:
    noise = torch.rand(6, 3, 64, 64, generator=seeded())
    found = measure(ViewSet(noise, torch.ones(6, 1, 64, 64), rig("even60_el20").cameras(64)))
    assert float(value(found, "sc")) == 1.0
    assert not bool(found.valid) and not bool(found.inconsistent) and int(found.culprit) == -1


def test_an_empty_view_is_not_valid() -> None:
    views = procedural("mice", "facelift6_el20", 64, 0)
    images, alpha = views.images.clone(), views.alpha.clone()
    images[2], alpha[2] = 1.0, 0.0
    found = measure_consistency(ViewSet(images, alpha, views.cameras), seeded())
    assert not bool(found.valid) and float(value(found, "sc")) == 0.0
    assert bool(value(found, "pc").isnan())


def test_a_sphere_without_texture_says_so() -> None:
    found = measure(sphere(20, width=64))
    assert bool(found.textureless) and bool(found.valid) and not bool(found.inconsistent)


def test_two_views_have_no_culprit() -> None:
    views = shifted(procedural("mice", "even60_el20", 64, 1), 1, 12).select([0, 1])
    assert int(measure(views).culprit) == -1


@pytest.mark.parametrize("width, expected", [(16, 1), (63, 1), (64, 64), (127, 64), (128, 128), (512, 128)])
def test_band_of_a_width(width: int, expected: int) -> None:
    assert THRESHOLDS.band(width).min_width == expected


def test_alarms_are_never_stricter_than_good() -> None:
    for band in THRESHOLDS.bands:
        assert band.alarm.sc_min <= band.good.sc_min and band.alarm.et_max >= band.good.et_max
        assert band.alarm.pc <= band.good.pc and band.alarm.pc_min <= band.good.pc_min
        assert band.alarm.ti >= band.good.ti


def test_bands_must_cover_all_widths() -> None:
    first = THRESHOLDS.bands[0]
    with pytest.raises(MflabError, match="end at min_width 1, but got widths \\[128\\]"):
        ConsistencyThresholds(bands=(first,))
    with pytest.raises(MflabError, match="from wide to narrow"):
        ConsistencyThresholds(bands=(Band(1, first.good, first.alarm), first))
