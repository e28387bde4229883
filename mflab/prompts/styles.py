"""Prompt styles: templates of text with one slot for the view, and the words that fill it."""

from collections.abc import Sequence
from dataclasses import dataclass

from mflab.errors import MflabError

DIRECTIONS = ("front", "front_right", "right", "back_right", "back", "back_left", "left", "front_left")
FACELIFT_ORDER = ("front", "front_right", "right", "back", "left", "front_left")
KINDS = ("colour", "normal")

# View set -> direction -> words in the text. `camera` takes direction and height from the camera itself.
VIEW_SETS: dict[str, dict[str, str]] = {
    "underscore": {name: name for name in DIRECTIONS},
    "hyphen": {name: name.replace("_", "-") for name in DIRECTIONS},
    "top": {name: "top-" + name.replace("_", "-") for name in DIRECTIONS},
    "top_four": {name: "top-" + name for name in ("front", "right", "back", "left")},
    "camera": {name: name.replace("_", "-") for name in DIRECTIONS},
    "none": {},
}

# Lowest elevation, in degrees, of the prefixes of the view set `camera`. The project's script has the three prefixes;
# these bounds are ours.
CAMERA_PREFIXES = ((45.0, "top-"), (15.0, "upper-"), (-90.0, ""))


@dataclass(frozen=True)
class PromptStyle:
    """One style of text.

    Attributes:
        name: Key in `STYLES`.
        colour: Template of the colour image's prompt, with {view}, {elevation} and {azimuth} (whole degrees).
        normal: Template of the normal map's prompt, None where the source has none.
        view_set: Key in `VIEW_SETS`.
        source: Where the text comes from in kafkapple/FaceLift or its author's notes.
    """

    name: str
    colour: str
    normal: str | None
    view_set: str
    source: str

    @property
    def uses_angles(self) -> bool:
        """Whether the text states the camera's azimuth."""
        return "{azimuth}" in self.colour

    def template(self, kind: str) -> str:
        """Returns the template for `kind`, colour or normal.

        Raises:
            MflabError: For another kind, or a normal map where the style has no such text.
        """
        if kind not in KINDS:
            raise MflabError(f"Unknown prompt kind '{kind}'; choose one of {', '.join(KINDS)}.")
        if kind == "colour":
            return self.colour
        if self.normal is None:
            styles = ", ".join(style.name for style in STYLES.values() if style.normal is not None)
            raise MflabError(f"Style '{self.name}' has no normal-map text; choose kind colour or one of {styles}.")
        return self.normal


_FIXED = "mvdiffusion/data/generate_fixed_text_embeds.py"
_REALISTIC = "scripts/generate_mouse_prompt_embeds_realistic.py"
_GENERIC = "scripts/generate_prompt_embeds.py"
_DEV = "generate_mouse_prompt_embeds.py (branch dev)"
_ANGLES = "a rendering image of a 3D model, {view} view, elevation {elevation} degrees, azimuth {azimuth} degrees, "
_3D = "a rendering image of a 3D model, {view} view, "
_3DS = "a rendering image of 3D models, {view} view, "

STYLES: dict[str, PromptStyle] = {
    style.name: style
    for style in (
        PromptStyle("facelift", _3DS + "color map.", _3DS + "normal map.", "underscore", _FIXED),
        PromptStyle(
            "mouse_elevated",
            _3D + "from above at an angle, color map.",
            _3D + "from above at an angle, normal map.",
            "top",
            "scripts/generate_mouse_prompt_embeds.py",
        ),
        PromptStyle(
            "realistic",
            "a photograph of a mouse, {view} view, from above at an angle.",
            "a depth image of a mouse, {view} view, from above at an angle.",
            "hyphen",
            _REALISTIC,
        ),
        PromptStyle(
            "hybrid",
            "a multi-view image of a mouse, {view} view, elevated camera.",
            "a normal map of a mouse, {view} view, elevated camera.",
            "hyphen",
            _REALISTIC,
        ),
        PromptStyle(
            "hybrid_notes",
            "a multi-view image of a mouse, {view} view, elevated camera angle.",
            None,
            "hyphen",
            "notes 251213, option B; differs from the script",
        ),
        PromptStyle(
            "simple",
            "a mouse, {view} view, top-down angle.",
            "a mouse depth map, {view} view, top-down angle.",
            "hyphen",
            _REALISTIC,
        ),
        PromptStyle(
            "facelift_elevated",
            _3DS + "from above at an angle, color map.",
            None,
            "underscore",
            "notes 251213, stage 2 of the three-stage curriculum; in no script",
        ),
        PromptStyle(
            "horizontal", _3D + "from the side, color map.", _3D + "from the side, normal map.", "underscore", _GENERIC
        ),
        PromptStyle("topdown", _3D + "from above looking down, color map.", None, "top_four", _GENERIC),
        PromptStyle("with_angles", _ANGLES + "color map.", _ANGLES + "normal map.", "underscore", _GENERIC),
        PromptStyle("with_angles_top", _ANGLES + "color map.", _ANGLES + "normal map.", "top", _GENERIC),
        PromptStyle("from_camera", _ANGLES + "color map.", _ANGLES + "normal map.", "camera", _GENERIC),
        PromptStyle(
            "real_mouse", "a photograph of a real mouse, {view} view, from above at an angle.", None, "top", _DEV
        ),
        PromptStyle("minimal", "{view} view", None, "hyphen", _DEV),
        PromptStyle(
            "laboratory",
            "a laboratory mouse, white background, high quality",
            None,
            "none",
            "notes on prompt experiments; no view slot",
        ),
        PromptStyle(
            "laboratory_short", "a laboratory mouse", None, "none", "notes on prompt experiments; no view slot"
        ),
    )
}


def get_style(name: str) -> PromptStyle:
    """Returns the style of that name.

    Raises:
        MflabError: Unknown name; lists the styles.
    """
    if name not in STYLES:
        raise MflabError(f"Unknown prompt style '{name}'; choose one of {', '.join(STYLES)}.")
    return STYLES[name]


def write_prompts(
    style: str,
    view_names: Sequence[str],
    azimuths_deg: Sequence[float],
    elevations_deg: Sequence[float],
    kind: str = "colour",
) -> tuple[str, ...]:
    """Returns the text of each view.

    Args:
        style: Key in `STYLES`.
        view_names: One of the eight direction words per view. Styles that state angles also take other names, such
            as those of a ring: they get the direction word nearest to the azimuth.
        azimuths_deg: Rig azimuth per view, clockwise seen from above, 0 = front.
        elevations_deg: Elevation per view.
        kind: colour or normal.

    >>> write_prompts("facelift", ["front_right"], [45.0], [0.0])
    ('a rendering image of 3D models, front_right view, color map.',)

    Raises:
        MflabError: Unknown style, a view the style has no word for, or lists of different length.
    """
    chosen = get_style(style)
    template = chosen.template(kind)
    if not len(view_names) == len(azimuths_deg) == len(elevations_deg):
        raise MflabError(
            f"Names, azimuths and elevations must be one per view, but got {len(view_names)} names, "
            f"{len(azimuths_deg)} azimuths and {len(elevations_deg)} elevations; pass those of one rig."
        )
    return tuple(
        template.format(
            view=_view_words(chosen, name, azimuth, elevation), elevation=round(elevation), azimuth=round(azimuth) % 360
        )
        for name, azimuth, elevation in zip(view_names, azimuths_deg, elevations_deg, strict=True)
    )


def identify_style(texts: Sequence[str], kind: str = "colour") -> tuple[str, tuple[str, ...]] | None:
    """Returns the style and the direction words that give exactly these texts, or None.

    Only styles with view words and without angles can be told from their text.

    >>> identify_style(["a mouse, front-left view, top-down angle."])
    ('simple', ('front_left',))
    """
    for style in STYLES.values():
        if style.uses_angles or style.view_set == "none" or (kind == "normal" and style.normal is None):
            continue
        template = style.template(kind)
        names = {template.format(view=words): name for name, words in VIEW_SETS[style.view_set].items()}
        if texts and all(text in names for text in texts):
            return style.name, tuple(names[text] for text in texts)
    return None


def _view_words(style: PromptStyle, name: str, azimuth_deg: float, elevation_deg: float) -> str:
    words = VIEW_SETS[style.view_set]
    if not words:
        return ""
    if style.view_set == "camera" or (style.uses_angles and name not in words):
        name = DIRECTIONS[round(azimuth_deg / 45.0) % 8]
    if name not in words:
        raise MflabError(
            f"Style '{style.name}' has words for the views {', '.join(words)}, but got view '{name}'; choose a rig "
            "with these views, a style that states angles (with_angles) or one without views (laboratory)."
        )
    if style.view_set == "camera":
        return next(prefix for bound, prefix in CAMERA_PREFIXES if elevation_deg >= bound) + words[name]
    return words[name]
