"""Colour pairs: their groups, the chance level, the object's own colours, and what the search finds."""

import pytest
import torch
from torch.nn import functional

from mflab.metrics.consistency import ViewSet, photo_consistency
from mflab.metrics.consistency.matching import box_sum, match_views, object_colours
from mflab.metrics.consistency.pairs import ColourPairs
from tests.metrics.consistency.conftest import procedural, recoloured, seeded, sphere, with_view


def toy_pairs() -> ColourPairs:
    """Two sets of three views; groups 0, 4 and 7 hold 2, 3 and 1 pairs."""
    group = torch.tensor([0, 0, 4, 4, 4, 7])
    own = torch.arange(18.0).view(3, 6)
    return ColourPairs(2, 3, 128, group, own, own + 0.5, torch.ones(6))


def test_groups_are_padded_to_the_longest() -> None:
    pairs = toy_pairs()
    padded = pairs.by_group(torch.arange(6.0), -1.0)
    assert padded.shape == (12, 3)
    assert padded[[0, 4, 7, 1]].tolist() == [[0, 1, -1], [2, 3, 4], [5, -1, -1], [-1, -1, -1]]
    assert pairs.counts.tolist() == [2, 0, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0]


def test_groups_name_their_two_views() -> None:
    # Group = slot * 6 + view: 0 is view 0 of set 0 in its first other view, 4 view 1 of set 1, 7 view 1 of set 0.
    between = toy_pairs().between(toy_pairs().counts.float()[None])[0]
    expected = torch.zeros(2, 3, 3)
    expected[0, 0, 1], expected[1, 1, 0], expected[0, 1, 2] = 2, 3, 1
    assert torch.equal(between, expected)


def test_partners_are_permuted_inside_their_group_only() -> None:
    pairs = match_views(procedural("mice", "facelift6_el20", 64, 0).flattened())
    order = pairs.permuted(7)
    assert torch.equal(order.sort().values, torch.arange(len(order)))
    assert torch.equal(pairs.group[order], pairs.group)
    assert float((order == torch.arange(len(order))).float().mean()) < 0.05
    assert torch.equal(order, pairs.permuted(7)) and not torch.equal(order, pairs.permuted(8))


def test_box_sum_is_the_average_filter() -> None:
    values = torch.rand(2, 3, 17, 17, generator=seeded())
    expected = functional.avg_pool2d(values, 5, 1, 2) * 25
    torch.testing.assert_close(box_sum(values, 5), expected, rtol=0, atol=1e-5)


def test_object_colours_do_not_mix_with_white() -> None:
    views = procedural("objects", "facelift6_el20", 64, 0)
    red = torch.tensor([0.6, 0.1, 0.2])[:, None, None]
    plain = recoloured(views, lambda colours: red.expand_as(colours))
    colours = object_colours(plain.images, plain.alpha)
    inside = (plain.alpha > 0.02).expand_as(colours)
    torch.testing.assert_close(colours[inside], red.expand_as(colours)[inside], rtol=0, atol=2e-3)


def test_a_flat_coloured_object_is_textureless() -> None:
    views = procedural("objects", "even60_el20", 64, 0)
    flat = recoloured(views, lambda colours: torch.full_like(colours, 0.4))
    photo = photo_consistency(flat, seeded())
    assert bool(photo.is_textureless) and float(photo.null) < 0.02
    assert not bool(photo_consistency(views, seeded()).is_textureless)


def test_too_few_pairs_have_no_score() -> None:
    views = sphere(20, radius=0.1)
    photo = photo_consistency(views, seeded())
    assert 0 < int(photo.pairs) < 2000
    assert bool(photo.score.isnan()) and bool(photo.per_view.isnan().all()) and bool(photo.minimum.isnan())


def test_views_without_foreground_have_no_pairs() -> None:
    views = sphere(20, width=64)
    photo = photo_consistency(
        ViewSet(torch.ones_like(views.images), torch.zeros_like(views.alpha), views.cameras), seeded()
    )
    assert int(photo.pairs) == 0 and bool(photo.score.isnan())


def test_unrelated_colours_score_near_chance() -> None:
    views = procedural("objects", "even60_el20", 128, 0)
    noise = torch.rand(views.images.shape, generator=seeded())
    photo = photo_consistency(ViewSet(noise * views.alpha + 1 - views.alpha, views.alpha, views.cameras), seeded())
    assert 0.1 < float(photo.score) < 0.2


def test_a_retextured_view_is_the_worst_one() -> None:
    views, other = procedural("objects", "even60_el20", 128, 0), procedural("objects", "even60_el20", 128, 1)
    texture = torch.where(other.alpha[2] > 0.5, other.images[2], other.images[2][:, 64:65, 64:65])
    spoiled = with_view(views, 2, texture * views.alpha[2] + 1 - views.alpha[2], views.alpha[2])
    before, after = photo_consistency(views, seeded()), photo_consistency(spoiled, seeded())
    assert int(after.per_view.argmin()) == 2
    assert float(before.minimum - after.minimum) > 0.3


@pytest.mark.parametrize("width", [64, 128])
def test_wide_views_are_averaged_down_to_128_pixels(width: int) -> None:
    views = procedural("mice", "facelift6_el20", 2 * width, 0)
    small = photo_consistency(views.resized(width), seeded())
    assert (float(photo_consistency(views, seeded()).score) == float(small.score)) == (width == 128)
