"""The shipped prompt styles: templates of text with one slot for the view."""

from dataclasses import dataclass

from mflab.errors import MflabError

KINDS = ("colour", "normal")


@dataclass(frozen=True)
class PromptStyle:
    """One style of text.

    Attributes:
        name: Key in `STYLES`.
        colour: Template of the colour image's prompt, with {view}, {elevation} and {azimuth} (whole degrees).
        normal: Template of the normal map's prompt, None where the source has none.
        view_set: Key in `mflab.prompts.VIEW_SETS`.
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
