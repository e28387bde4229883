"""Hashed embeddings have fixed bits, normal-like channels, and similarity by shared words."""

import hashlib

import pytest
import torch

from mflab.errors import MflabError
from mflab.prompts import FACELIFT_ORDER, HashedEncoder, TextEncoder, between, make_embeddings
from mflab.prompts.cfg import PromptsCfg
from mflab.prompts.encoders import split_words
from mflab.prompts.similarity import padding_start

AZIMUTHS = (0.0, 45.0, 90.0, 180.0, 270.0, 315.0)
GOLDEN = "882e3cd4175aacd088bfcf6463bcd49e0ab4a334f1f54bd31c206fd4092068cd"


def similarity(first: str, second: str, definition: str) -> float:
    a, b = (make_embeddings(PromptsCfg(), style, FACELIFT_ORDER, AZIMUTHS, (0.0,) * 6) for style in (first, second))
    return sum(between(a, b)[definition]) / 6


def test_bits_are_fixed() -> None:
    tensor = HashedEncoder(width=64, length=32).encode(["a rendering image of 3D models, front_right view, color map."])
    values = tensor.numpy().astype("<f4")
    assert hashlib.sha256(values.tobytes()).hexdigest() == GOLDEN


def test_a_token_knows_what_came_before_it_and_nothing_after() -> None:
    first, second = HashedEncoder(64, 12).encode(["a mouse, front view.", "a mouse, back view."])
    differs = (first != second).any(-1)
    assert not differs[:4].any()
    assert differs[4:].all()


def test_the_context_weighs_as_much_as_the_word() -> None:
    cosine = torch.nn.functional.cosine_similarity
    first, second = HashedEncoder(4096, 6).encode(["one mouse view", "two mouse view"])
    # Token 2 is w / 2 + (begin + other + w) / sqrt(3), of which only `other` differs.
    expected = (1 / 4 + 1 / 3**0.5 + 2 / 3) / (1 / 4 + 1 / 3**0.5 + 1)
    assert float(cosine(first[2], second[2], dim=0)) == pytest.approx(expected, abs=0.03)


def test_directions_are_heard_and_fillers_are_not() -> None:
    cosine = torch.nn.functional.cosine_similarity
    base, direction, noun, filler = HashedEncoder(1024, 9).encode(
        ["a mouse, front view.", "a mouse, back view.", "a chair, front view.", "the mouse, front view."]
    )
    distances = [1 - float(cosine(base[-1], other[-1], dim=0)) for other in (filler, noun, direction)]
    assert distances[0] < 0.02 < distances[1] < 0.3 < distances[2]


def test_the_styles_differ_from_the_base_as_the_notes_found() -> None:
    assert similarity("facelift", "mouse_elevated", "flattened") == pytest.approx(0.70, abs=0.05)


def test_words_numbers_and_marks_are_tokens() -> None:
    assert split_words("Top-front_right 3D, 45.") == ["top", "-", "front", "_", "right", "3d", ",", "45", "."]


def test_channels_have_mean_near_zero_and_variance_of_order_one() -> None:
    tensor = HashedEncoder(width=4096, length=8).encode(["one two three four five six"])
    # The position code adds up to 0.05 to the mean; a word stands in its own context, by 1 / sqrt(n).
    assert tensor.mean().abs() < 0.07
    assert 1.0 < tensor.var() < 1.7


def test_wider_encoder_extends_words_but_not_identity() -> None:
    narrow, wide = HashedEncoder(8, 4), HashedEncoder(16, 4)
    difference = wide.encode(["mouse"])[..., :8] - narrow.encode(["mouse"])
    assert difference.abs().max() < 0.25
    assert narrow.identity != wide.identity


def test_text_is_followed_by_end_and_padding() -> None:
    tensor = HashedEncoder(64, 12).encode(["front view", "front_right view", "back view"])
    assert padding_start(tensor) == (4, 6, 4)


def test_longest_text_that_fits_is_taken_and_the_next_refused() -> None:
    encoder = HashedEncoder(8, 5)
    assert encoder.encode(["one two three"]).shape == (1, 5, 8)
    with pytest.raises(MflabError, match=r"at most 3 words and marks.*has 4; set prompts.length=6"):
        encoder.encode(["one two three four"])


@pytest.mark.parametrize(("width", "length"), [(0, 8), (8, 2)])
def test_sizes_that_hold_nothing_are_refused(width: int, length: int) -> None:
    with pytest.raises(MflabError, match=f"width={width}, length={length}"):
        HashedEncoder(width, length)


def test_lexical_overlap_gives_similarity() -> None:
    for definition in ("pooled_content", "content_tokens", "flattened"):
        bridge = similarity("facelift", "facelift_elevated", definition)
        assert bridge > similarity("facelift", "realistic", definition) + 0.1


def test_target_is_nearer_to_the_bridge_than_to_the_base_wording() -> None:
    assert similarity("facelift_elevated", "mouse_elevated", "pooled_content") > similarity(
        "facelift", "mouse_elevated", "pooled_content"
    )


def test_encoder_fulfils_the_protocol() -> None:
    assert isinstance(HashedEncoder(), TextEncoder)
