"""Styles give the exact texts of their sources and refuse views they have no word for."""

import json
from pathlib import Path

import pytest

from mflab.errors import MflabError
from mflab.prompts import FACELIFT_ORDER, STYLES, VIEW_SETS, identify_style, write_prompts
from mflab.prompts.styles import DIRECTIONS

AZIMUTHS = (0.0, 45.0, 90.0, 180.0, 270.0, 315.0)
LEVEL = (0.0,) * 6


@pytest.mark.parametrize(
    ("style", "colour"),
    [
        ("facelift", "a rendering image of 3D models, front_right view, color map."),
        ("mouse_elevated", "a rendering image of a 3D model, top-front-right view, from above at an angle, color map."),
        ("realistic", "a photograph of a mouse, front-right view, from above at an angle."),
        ("hybrid", "a multi-view image of a mouse, front-right view, elevated camera."),
        ("hybrid_notes", "a multi-view image of a mouse, front-right view, elevated camera angle."),
        ("simple", "a mouse, front-right view, top-down angle."),
        ("facelift_elevated", "a rendering image of 3D models, front_right view, from above at an angle, color map."),
        ("horizontal", "a rendering image of a 3D model, front_right view, from the side, color map."),
        (
            "with_angles",
            "a rendering image of a 3D model, front_right view, elevation 20 degrees, azimuth 45 degrees, color map.",
        ),
        (
            "from_camera",
            "a rendering image of a 3D model, upper-front-right view, elevation 20 degrees, azimuth 45 degrees, "
            "color map.",
        ),
        ("real_mouse", "a photograph of a real mouse, top-front-right view, from above at an angle."),
        ("minimal", "front-right view"),
        ("laboratory", "a laboratory mouse, white background, high quality"),
        ("laboratory_short", "a laboratory mouse"),
    ],
)
def test_text_is_exactly_the_source_text(style: str, colour: str) -> None:
    assert write_prompts(style, ["front_right"], [45.0], [20.0]) == (colour,)


@pytest.mark.parametrize(
    ("style", "normal"),
    [
        ("facelift", "a rendering image of 3D models, back view, normal map."),
        ("mouse_elevated", "a rendering image of a 3D model, top-back view, from above at an angle, normal map."),
        ("realistic", "a depth image of a mouse, back view, from above at an angle."),
        ("hybrid", "a normal map of a mouse, back view, elevated camera."),
        ("simple", "a mouse depth map, back view, top-down angle."),
    ],
)
def test_normal_text_is_exactly_the_source_text(style: str, normal: str) -> None:
    assert write_prompts(style, ["back"], [180.0], [0.0], "normal") == (normal,)


def test_normal_text_is_refused_where_the_source_has_none() -> None:
    with pytest.raises(MflabError, match=r"'minimal' has no normal-map text.*facelift"):
        write_prompts("minimal", ["back"], [180.0], [0.0], "normal")


def test_mouse_elevated_equals_the_shared_metadata(shared: Path) -> None:
    path = shared / "data" / "prompt_embeds" / "mouse_elevated_clip_l" / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    for kind, key in (("colour", "color_prompts"), ("normal", "normal_prompts")):
        texts = write_prompts("mouse_elevated", FACELIFT_ORDER, AZIMUTHS, LEVEL, kind)
        assert list(texts) == metadata[key]
        assert identify_style(texts, kind) == ("mouse_elevated", FACELIFT_ORDER)


@pytest.mark.parametrize("style", [name for name in STYLES if STYLES[name].view_set not in ("none", "top_four")])
def test_all_eight_directions_have_distinct_texts(style: str) -> None:
    azimuths = [45.0 * index for index in range(8)]
    assert len(set(write_prompts(style, DIRECTIONS, azimuths, [0.0] * 8))) == 8


@pytest.mark.parametrize(
    ("style", "kind"),
    [
        (style.name, kind)
        for style in STYLES.values()
        for kind in ("colour", "normal")
        if style.view_set not in ("none", "camera") and (kind == "colour" or style.normal)
    ],
)
def test_style_is_identified_from_its_texts_unless_it_states_angles(style: str, kind: str) -> None:
    names = tuple(VIEW_SETS[STYLES[style].view_set])
    texts = write_prompts(style, names, [0.0] * len(names), [0.0] * len(names), kind)
    assert identify_style(texts, kind) == (None if STYLES[style].uses_angles else (style, names))


def test_foreign_texts_belong_to_no_style() -> None:
    assert identify_style(["a drawing of a mouse"]) is None
    assert identify_style([]) is None


@pytest.mark.parametrize("style", ["facelift", "realistic", "mouse_elevated", "minimal"])
def test_view_without_a_word_is_refused(style: str) -> None:
    with pytest.raises(MflabError, match=r"words for the views .*got view 'az_011.25'"):
        write_prompts(style, ["az_011.25"], [11.25], [20.0])


def test_topdown_has_four_views_only() -> None:
    assert "top-left view, from above looking down" in write_prompts("topdown", ["left"], [270.0], [20.0])[0]
    with pytest.raises(MflabError, match="front, right, back, left, but got view 'front_right'"):
        write_prompts("topdown", ["front_right"], [45.0], [20.0])


def test_angles_state_the_true_camera_also_for_ring_names() -> None:
    text = write_prompts("with_angles", ["az_258.75"], [258.75], [19.6])[0]
    assert "left view, elevation 20 degrees, azimuth 259 degrees" in text


def test_azimuth_is_written_below_360_and_zero_without_sign() -> None:
    assert "elevation 0 degrees, azimuth 0 degrees" in write_prompts("with_angles", ["front"], [359.7], [-0.2])[0]


@pytest.mark.parametrize(
    ("elevation", "words"), [(-10.0, ", back"), (14.9, ", back"), (15.0, "upper-"), (45.0, "top-")]
)
def test_from_camera_takes_direction_and_height_from_the_camera(elevation: float, words: str) -> None:
    assert words in write_prompts("from_camera", ["front"], [180.0], [elevation])[0]


def test_unknown_style_lists_the_options() -> None:
    with pytest.raises(MflabError, match="Unknown prompt style 'real'; choose one of facelift, mouse_elevated"):
        write_prompts("real", ["front"], [0.0], [0.0])


def test_unknown_kind_lists_the_options() -> None:
    with pytest.raises(MflabError, match="Unknown prompt kind 'depth'; choose one of colour, normal"):
        write_prompts("facelift", ["front"], [0.0], [0.0], "depth")


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(MflabError, match="2 names, 1 azimuths and 1 elevations"):
        write_prompts("facelift", ["front", "back"], [0.0], [0.0])
