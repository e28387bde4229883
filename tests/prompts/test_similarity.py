"""Similarities equal the measured ones of the shared files, and plain cosines by hand."""

from pathlib import Path

import pytest
import torch

from mflab.errors import MflabError
from mflab.prompts import DEFINITIONS, PromptEmbeddings, between, load, within
from mflab.prompts.similarity import content_range, cosines, padding_start

FACELIFT = "facelift"
MOUSE = "mouse_elevated_clip_l"


def wrap(tensor: torch.Tensor) -> PromptEmbeddings:
    return PromptEmbeddings(tensor, None, "colour", None, None, None)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("file", "definition", "expected"),
    [
        (FACELIFT, "flattened", (0.8775, 0.9268, 0.9951)),
        (FACELIFT, "per_token", (0.8816, 0.9294, 0.9953)),
        (FACELIFT, "pooled", (0.9846, 0.9909, 0.9988)),
        (MOUSE, "flattened", (0.8490, 0.9161, 0.9877)),
        (MOUSE, "per_token", (0.8443, 0.9131, 0.9872)),
        (MOUSE, "pooled", (0.9379, 0.9707, 0.9910)),
    ],
)
def test_spread_within_shared_file_is_the_measured_one(
    shared: Path, file: str, definition: str, expected: tuple[float, float, float]
) -> None:
    spread = within(load(shared / "data" / "prompt_embeds" / file))[definition]
    assert spread[:3] == pytest.approx(expected, abs=5.1e-5)
    assert spread.n == 15


def test_content_of_shared_files_is_found(shared: Path) -> None:
    # "front_right" and "top-front-right" are two tokens longer than the other views. The end token counts as
    # content in the FaceLift file and as padding in the mouse file, whose encoder pads with it.
    facelift = load(shared / "data" / "prompt_embeds" / FACELIFT)
    assert padding_start(facelift.tensor) == (16, 18, 16, 16, 16, 18)
    assert content_range(facelift.tensor) == (9, 18)
    assert within(facelift)["content_tokens"].mean == pytest.approx(0.504, abs=5e-4)
    mouse = load(shared / "data" / "prompt_embeds" / MOUSE)
    assert padding_start(mouse.tensor) == (24, 26, 24, 24, 24, 26)
    assert content_range(mouse.tensor) == (12, 26)
    assert within(mouse)["content_tokens"].mean == pytest.approx(0.636, abs=5e-4)
    assert within(mouse, content=(12, 25))["content_tokens"].mean == pytest.approx(0.625, abs=5e-4)


def test_no_cosine_exists_between_widths(shared: Path) -> None:
    folder = shared / "data" / "prompt_embeds"
    with pytest.raises(MflabError, match="No cosine exists between embeddings of width 1024 and 768"):
        between(load(folder / FACELIFT), load(folder / MOUSE))


@pytest.mark.parametrize(
    ("shape", "words"), [((3, 9, 4), "length 8 and 9"), ((2, 8, 4), "number of views 3 and 2"), ((3, 8, 5), "width")]
)
def test_files_that_do_not_match_are_refused(shape: tuple[int, int, int], words: str) -> None:
    with pytest.raises(MflabError, match=words):
        between(wrap(noise(3, 8, 4)), wrap(noise(*shape)))


def test_definitions_equal_cosines_by_hand() -> None:
    a, b = noise(2, 1, 3, 4).unbind(0)
    values = {name: value.item() for name, value in cosines(a, b, (1, 3)).items()}

    def cosine(x: torch.Tensor, y: torch.Tensor) -> float:
        return float(x.double().flatten() @ y.double().flatten() / x.double().norm() / y.double().norm())

    tokens = [cosine(a[0, i], b[0, i]) for i in range(3)]
    assert values["flattened"] == pytest.approx(cosine(a, b))
    assert values["per_token"] == pytest.approx(sum(tokens) / 3)
    assert values["content_tokens"] == pytest.approx(sum(tokens[1:]) / 2)
    assert values["pooled"] == pytest.approx(cosine(a.mean(1), b.mean(1)))
    assert values["pooled_content"] == pytest.approx(cosine(a[:, 1:].mean(1), b[:, 1:].mean(1)))
    assert set(values) == set(DEFINITIONS)


def test_a_file_equals_itself_and_scale_does_not_count() -> None:
    first = noise(3, 8, 4)
    for second in (first, 2 * first):
        for row in between(wrap(first), wrap(second)).values():
            assert row == pytest.approx((1.0,) * 3)


def test_prompts_without_padding_have_content_to_the_end() -> None:
    tensor = torch.eye(4).repeat(2, 1, 1)
    tensor[1, 2] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert padding_start(tensor) == (4, 4)
    assert content_range(tensor) == (2, 4)


def test_one_view_has_no_pairs() -> None:
    with pytest.raises(MflabError, match="at least 2 views, but got 1"):
        within(wrap(noise(1, 8, 4)))
