"""Tint, sharpness and leave-one-out: known changes of one view give known numbers."""

import math

import pytest
import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from mflab.metrics.consistency import ViewSet, leave_one_out, sharpness_spread, tint_spread
from mflab.metrics.consistency.pairs import ColourPairs
from mflab.metrics.consistency.tint import tint_of_pairs
from tests.metrics.consistency.conftest import procedural, recoloured, seeded, shifted, sphere


def toy_pairs(log_gains: Tensor) -> ColourPairs:
    """Pairs of three views of one set, 200 to 400 for each ordered pair of views, that differ by view gains alone."""
    view, partner = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([1, 0, 0, 2, 2, 1])
    group = torch.arange(6).repeat_interleave(torch.tensor([200, 300, 400, 250, 350, 200]))
    surface = 0.2 + 0.3 * torch.rand(3, len(group), generator=seeded())
    own, other = (surface * log_gains[views[group]].T.exp() for views in (view, partner))
    return ColourPairs(1, 3, 128, group, own, other, torch.ones(len(group)))


def test_tint_solves_for_the_gain_of_each_view() -> None:
    log_gains = torch.tensor([[0.2, -0.1, 0.0], [0.0, 0.1, 0.3], [-0.1, 0.0, 0.0]])
    found = tint_of_pairs(toy_pairs(log_gains))
    expected = (log_gains - log_gains.mean(0)).norm(dim=1)
    torch.testing.assert_close(found.per_view[0], expected, rtol=0, atol=1e-5)
    assert float(found.maximum) == float(found.per_view.max())


@pytest.mark.parametrize("gain", [0.9, 0.8])
def test_tint_of_one_darker_view_is_nearly_its_log_gain_less_the_mean(gain: float) -> None:
    views = procedural("objects", "even60_el20", 128, 0)
    found = tint_spread(recoloured(views, lambda colours: gain * colours, view=2))
    exact = math.sqrt(3) * -math.log(gain) * 5 / 6
    assert int(found.per_view.argmax()) == 2
    # The depth search prefers pairs that happen to agree, which takes some of the difference away.
    assert 0.7 * exact < float(found.maximum) < 1.1 * exact


def test_tint_sees_a_gain_of_one_channel() -> None:
    views = procedural("objects", "even60_el20", 128, 0)
    red = torch.tensor([0.8, 1.0, 1.0])[:, None, None]
    spoiled = tint_spread(recoloured(views, lambda colours: red * colours, view=4))
    assert int(spoiled.per_view.argmax()) == 4
    assert float(spoiled.maximum) == pytest.approx(-math.log(0.8) * 5 / 6, abs=0.05)


def test_tint_of_a_view_that_shares_nothing_is_unknown() -> None:
    views = sphere(20, width=64)
    alpha = views.alpha.clone()
    alpha[3] = 0
    found = tint_spread(ViewSet(views.images, alpha, views.cameras))
    assert bool(found.per_view.isnan().all()) and bool(found.maximum.isnan()), "an empty view empties the hull"


def test_sharpness_falls_by_the_blur_of_one_view() -> None:
    views = procedural("mice", "facelift6_el20", 128, 1)
    before = sharpness_spread(views).per_view
    images = views.images.clone()
    images[2] = gaussian_blur(images[2], [9, 9], [1.5, 1.5])
    after = sharpness_spread(ViewSet(images, views.alpha, views.cameras))
    assert float(before[2] - after.per_view[2]) > 0.5
    assert float(after.maximum) == float(after.per_view.abs().max())


def test_sharpness_against_the_formula() -> None:
    views = procedural("objects", "even60_el20", 64, 0)
    mask = views.alpha[:, 0] > 0.5
    octaves = []
    for image, inside in zip(views.images.double(), mask, strict=True):
        values = []
        for row in range(2, 62):
            for column in range(2, 62):
                if bool(inside[row - 2 : row + 3, column - 2 : column + 3].all()):
                    center = image[:, row, column]
                    around = image[:, row - 1, column] + image[:, row + 1, column]
                    around = around + image[:, row, column - 1] + image[:, row, column + 1]
                    values.append((around - 4 * center).square().mean())
        octaves.append(0.5 * torch.stack(values).mean().log2())
    octaves = torch.stack(octaves)
    expected = torch.stack([octaves[k] - torch.cat([octaves[:k], octaves[k + 1 :]]).quantile(0.5) for k in range(6)])
    torch.testing.assert_close(sharpness_spread(views).per_view.double(), expected, rtol=0, atol=1e-4)


def test_leave_one_out_predicts_the_held_out_view() -> None:
    views = procedural("objects", "even60_el20", 64, 0)
    found = leave_one_out(views)
    white = -10 * torch.log10(
        ((1 - views.images).square().mean(1) * (views.alpha[:, 0] > 0.5)).sum((1, 2))
        / (views.alpha[:, 0] > 0.5).sum((1, 2))
    )
    assert bool((found.per_view > white + 6).all())
    mask = (views.alpha > 0.5).expand_as(views.images)
    error = torch.where(mask, found.predicted - views.images, 0).square().sum((1, 2, 3)) / mask.sum((1, 2, 3))
    torch.testing.assert_close(found.per_view, -10 * torch.log10(error), rtol=0, atol=1e-3)
    assert bool(((found.hull_iou > 0.7) & (found.hull_iou <= 1)).all())
    assert float(found.minimum) == float(found.per_view.min()) and float(found.mean) == float(found.per_view.mean())


def test_leave_one_out_never_looks_at_the_view_it_predicts() -> None:
    views = procedural("objects", "even60_el20", 64, 0)
    spoiled = recoloured(shifted(views, 2, 9), lambda colours: 1 - colours, view=2)
    before, after = leave_one_out(views), leave_one_out(spoiled)
    assert torch.equal(before.predicted[2], after.predicted[2])
    assert float(before.per_view[2] - after.per_view[2]) > 3
    assert not torch.equal(before.predicted[1], after.predicted[1])


def test_leave_one_out_of_a_flat_coloured_sphere_is_nearly_exact() -> None:
    found = leave_one_out(sphere(20, width=64))
    assert float(found.minimum) > 25
    assert float(found.hull_iou.min()) > 0.85
