"""The text of prompts: a style's template with the words for each view, and the way back from text to style."""

from collections.abc import Sequence

from mflab.errors import MflabError
from mflab.prompts.styles_shipped import STYLES, PromptStyle

DIRECTIONS = ("front", "front_right", "right", "back_right", "back", "back_left", "left", "front_left")
FACELIFT_ORDER = ("front", "front_right", "right", "back", "left", "front_left")

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
