"""Cosine similarity of prompt embeddings under stated definitions."""

import itertools
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mflab.errors import MflabError
from mflab.prompts.embeddings import PromptEmbeddings

# Cosine to the following token from which on a run of tokens at the end is padding. Released CLIP encoders give
# 0.87 to 1 between padding tokens and at most 0.75 between words.
PADDING_COSINE = 0.8

DEFINITIONS: dict[str, str] = {
    "flattened": "cosine of the two [L*D] vectors",
    "per_token": "cosine at each of the L positions, averaged",
    "content_tokens": (
        "cosine at each content position, averaged; content runs from the first position at which any two of the "
        "compared prompts differ to the last that is not padding in all of them; padding is the run at a prompt's end "
        f"whose neighbouring tokens have a cosine of {PADDING_COSINE} or more"
    ),
    "pooled": "cosine of the means over the L positions",
    "pooled_content": "cosine of the means over each prompt's own tokens, without begin (position 0) and padding",
}


class Spread(NamedTuple):
    """Minimum, mean and maximum over `n` pairs of views."""

    low: float
    mean: float
    high: float
    n: int


def padding_start(tensor: Float[Tensor, "view token width"]) -> tuple[int, ...]:
    """Returns for each view the first padding position, L where there is no padding.

    >>> padding_start(torch.tensor([[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [-1.0, 0.1]]]))
    (2,)
    """
    unit = torch.nn.functional.normalize(tensor.double(), dim=-1)
    is_alike = (unit[:, 1:] * unit[:, :-1]).sum(-1) >= PADDING_COSINE
    starts = []
    for row in is_alike.tolist():
        num_alike = len(list(itertools.takewhile(bool, reversed(row))))
        starts.append(tensor.shape[1] if num_alike == 0 else tensor.shape[1] - 1 - num_alike)
    return tuple(starts)


def content_range(prompts: Float[Tensor, "view token width"]) -> tuple[int, int]:
    """Returns the content positions [start, stop) of prompts compared with one another; empty if all are equal."""
    differs = (prompts != prompts[:1]).any(-1).any(0)
    if not differs.any():
        return 0, 0
    start = int(torch.nonzero(differs)[0].item())
    return start, max(start + 1, *padding_start(prompts))


def cosines(
    a: Float[Tensor, "pair token width"], b: Float[Tensor, "pair token width"], content: tuple[int, int]
) -> dict[str, Float[Tensor, " pair"]]:
    """Returns the cosine of each pair under every definition, computed in double precision.

    Args:
        a: First prompt of each pair.
        b: Second prompt of each pair.
        content: Content positions [start, stop); an empty range means equal prompts, cosine 1.
    """
    own_a, own_b = _own_tokens(a), _own_tokens(b)
    a, b = a.double(), b.double()
    per_token = torch.nn.functional.cosine_similarity(a, b, dim=-1)
    start, stop = content
    return {
        "flattened": torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1), dim=-1),
        "per_token": per_token.mean(-1),
        "content_tokens": per_token[:, start:stop].mean(-1) if stop > start else torch.ones_like(per_token[:, 0]),
        "pooled": torch.nn.functional.cosine_similarity(a.mean(1), b.mean(1), dim=-1),
        "pooled_content": torch.nn.functional.cosine_similarity(_masked_mean(a, own_a), _masked_mean(b, own_b), dim=-1),
    }


def within(embeddings: PromptEmbeddings, content: tuple[int, int] | None = None) -> dict[str, Spread]:
    """Returns the spread over all pairs of views (15 for 6 views) under every definition.

    Args:
        embeddings: Embeddings of at least two views.
        content: Content positions [start, stop) instead of the found ones.

    Raises:
        MflabError: A single view has no pairs.
    """
    pairs = list(itertools.combinations(range(embeddings.num_views), 2))
    if not pairs:
        raise MflabError("Similarity within a file needs at least 2 views, but got 1; compare two files instead.")
    tensor = embeddings.tensor
    first, second = torch.tensor(pairs).unbind(1)
    values = cosines(tensor[first], tensor[second], content or content_range(tensor))
    return {
        name: Spread(value.min().item(), value.mean().item(), value.max().item(), len(pairs))
        for name, value in values.items()
    }


def between(a: PromptEmbeddings, b: PromptEmbeddings) -> dict[str, tuple[float, ...]]:
    """Returns the cosine of each view's prompt in one file to the same slot in another, under every definition.

    Raises:
        MflabError: Width, length or number of views differ, so that no cosine exists; names both numbers.
    """
    for label, one, other in (
        ("width", a.width, b.width),
        ("length", a.length, b.length),
        ("number of views", a.num_views, b.num_views),
    ):
        if one != other:
            raise MflabError(
                f"No cosine exists between embeddings of {label} {one} and {other}; encode both texts with one encoder."
            )
    x, y = a.tensor, b.tensor
    dtype = torch.promote_types(x.dtype, y.dtype)
    content = content_range(torch.cat([x.to(dtype), y.to(dtype)]))
    return {name: tuple(value.tolist()) for name, value in cosines(x, y, content).items()}


def _own_tokens(prompts: Float[Tensor, "pair token width"]) -> Bool[Tensor, "pair token"]:
    """Returns which positions hold a prompt's own words: neither begin nor padding; all if nothing else is left."""
    position = torch.arange(prompts.shape[1])
    stop = torch.tensor(padding_start(prompts))
    mask = (position >= 1) & (position < stop[:, None])
    return mask | ~mask.any(1, keepdim=True)


def _masked_mean(
    values: Float[Tensor, "pair token width"], mask: Bool[Tensor, "pair token"]
) -> Float[Tensor, "pair width"]:
    weight = mask.to(values.dtype)[..., None]
    return (values * weight).sum(1) / weight.sum(1)
