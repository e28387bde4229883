"""Colour pairs of two views, in groups of one ordered pair of views each."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ColourPairs:
    """P pairs of colours of B sets of V views, sorted by group.

    Group g = slot * (B * V) + view holds the pixels of one view (flat number) seen in its `slot`-th other view; there
    are G = (V - 1) * B * V groups.

    Attributes:
        num_sets: B.
        num_views: V.
        width: image width at which they were found, pixels.
        group: ascending, shape [P].
        own: colour in the pixel's own view, shape [3, P].
        other: colour in the other view, shape [3, P].
        weight: positive, shape [P].
    """

    num_sets: int
    num_views: int
    width: int
    group: Tensor
    own: Tensor
    other: Tensor
    weight: Tensor

    @property
    def num_groups(self) -> int:
        return (self.num_views - 1) * self.num_sets * self.num_views

    @property
    def counts(self) -> Tensor:
        """Pairs in each group, shape [G]."""
        return torch.bincount(self.group, minlength=self.num_groups)

    def by_group(self, values: Tensor, fill: float) -> Tensor:
        """Values [..., P] as [..., G, L] with L the size of the largest group, padded with `fill`.

        Sums and medians along a padded axis come out the same on every run, unlike scattered sums on a GPU.
        """
        counts = self.counts
        longest = max(int(counts.max()), 1)
        rank = torch.arange(len(self.group), device=self.group.device) - (counts.cumsum(0) - counts)[self.group]
        padded = torch.full((*values.shape[:-1], self.num_groups * longest), fill).to(values)
        padded = padded.index_copy(-1, self.group * longest + rank, values)
        return padded.unflatten(-1, (self.num_groups, longest))

    def between(self, per_group: Tensor) -> Tensor:
        """Values [..., G] of groups as [..., B, V, V]: of view i seen in view j at (i, j), zero on the diagonal."""
        num_views = self.num_views
        slots = per_group.unflatten(-1, (num_views - 1, self.num_sets, num_views))
        matrix = torch.zeros(*slots.shape[:-3], self.num_sets, num_views, num_views).to(per_group)
        view = torch.arange(num_views, device=per_group.device)
        for slot in range(num_views - 1):
            matrix[..., view, slot + (slot >= view).long()] = slots[..., slot, :, :]
        return matrix

    def permuted(self, seed: int) -> Tensor:
        """A random order [P] within each group; a set's order depends on `seed` and its own pairs only."""
        owner = self.group % (self.num_sets * self.num_views) // self.num_views
        by_set = owner.argsort(stable=True)
        keys = [
            torch.rand(int(count), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
            for count in torch.bincount(owner, minlength=self.num_sets)
        ]
        key = torch.zeros(len(self.group), dtype=torch.float64, device=self.group.device)
        key = key.index_copy(0, by_set, torch.cat(keys).to(key))
        return (self.group + key).argsort(stable=True)
