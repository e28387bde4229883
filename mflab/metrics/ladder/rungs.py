"""The ladder itself: every perturbation with its strengths, in full and quick."""

from dataclasses import replace

from mflab.metrics.ladder import pixels, renders, sets
from mflab.metrics.ladder.perturbation import REFERENCE_WIDTH, Kind, Perturbation, on_all, on_one, on_some

# The true views themselves, as a row of the ladder.
CLEAN = "clean"

FAULTS = (
    Perturbation("shift", Kind.fault, "% of width", (0.5, 1.0, 2.0, 4.0, 8.0),
                 on_one(lambda i, a, level, g: pixels.shifted(i, a, 0.01 * level, g)), "one view moved in the frame"),
    Perturbation("shift_all", Kind.fault, "% of width", (1.0, 2.0, 4.0),
                 on_all(lambda i, a, level, g: pixels.shifted(i, a, 0.01 * level, g)),
                 "every view moved in a direction of its own"),
    Perturbation("warp", Kind.fault, "% of width", (0.5, 1.0, 2.0, 4.0),
                 on_one(lambda i, a, level, g: pixels.warped(i, a, 0.01 * level, g)), "one view bent smoothly"),
    Perturbation("warp_all", Kind.fault, "% of width", (1.0, 2.0),
                 on_all(lambda i, a, level, g: pixels.warped(i, a, 0.01 * level, g)),
                 "every view bent smoothly in a way of its own"),
    Perturbation("rotation", Kind.fault, "deg", (1.0, 2.0, 5.0, 10.0),
                 on_one(lambda i, a, level, g: pixels.turned(i, a, level)), "one view turned in the frame"),
    Perturbation("scale_up", Kind.fault, "%", (2.0, 5.0, 10.0, 20.0),
                 on_one(lambda i, a, level, g: pixels.turned(i, a, 0.0, 1.0 + 0.01 * level)), "one view too large"),
    Perturbation("scale_down", Kind.fault, "%", (2.0, 5.0, 10.0, 20.0),
                 on_one(lambda i, a, level, g: pixels.turned(i, a, 0.0, 1.0 - 0.01 * level)), "one view too small"),
    Perturbation("hue", Kind.fault, "deg", (10.0, 20.0, 45.0, 90.0),
                 on_one(lambda i, a, level, g: pixels.recoloured(i, a, pixels.hue_turn(level))),
                 "one view of another hue"),
    Perturbation("gain", Kind.fault, "% darker", (5.0, 10.0, 20.0, 40.0),
                 on_one(lambda i, a, level, g: pixels.recoloured(i, a, lambda own: own / (1.0 + 0.01 * level))),
                 "one view divided by 1 + level"),
    Perturbation("blur", Kind.fault, f"px of {REFERENCE_WIDTH}", (1.0, 2.0, 4.0),
                 on_one(lambda i, a, level, g: pixels.blurred(i, a, level * i.shape[-1] / REFERENCE_WIDTH)),
                 "one view under a Gaussian of that sigma"),
    Perturbation("noise", Kind.fault, "standard deviation", (0.1, 0.2, 0.4), on_one(pixels.with_noise),
                 "noise on the object in one view"),
    Perturbation("azimuth", Kind.fault, "deg", (2.8125, 5.625, 11.25, 22.5, 45.0), renders.wrong_azimuth,
                 "one view from another side than its camera claims"),
    Perturbation("elevation", Kind.fault, "deg", (2.5, 5.0, 10.0, 20.0, 30.0), renders.wrong_elevation,
                 "one view from higher up than its camera claims"),
    Perturbation("swap_neighbours", Kind.fault, "pairs", (1.0, 2.0, 3.0), sets.swapped(sets.NEIGHBOURS),
                 "neighbouring views in each other's place"),
    Perturbation("swap_opposite", Kind.fault, "pairs", (1.0, 2.0), sets.swapped(sets.OPPOSITE),
                 "opposite views in each other's place"),
    Perturbation("mirror", Kind.fault, "views", (1.0, 2.0, 3.0), sets.mirrored, "views seen in a mirror"),
    Perturbation("janus", Kind.fault, "views", (1.0,), sets.janus, "the back shows the mirrored front"),
    Perturbation("identity", Kind.fault, "views", (1.0, 2.0, 3.0), renders.other_identity, "views of another object"),
    Perturbation("blend", Kind.fault, "%", (10.0, 25.0, 50.0, 75.0), renders.blended_identity,
                 "one view mixed with that of another object"),
    Perturbation("texture", Kind.fault, "views", (1.0, 2.0, 3.0), on_some(pixels.with_texture),
                 "another pattern on the same shape"),
    Perturbation("missing_part", Kind.fault, "% of area", (2.0, 5.0, 10.0, 20.0), renders.missing_parts,
                 "one view of the object without limbs of that silhouette area"),
    Perturbation("erased", Kind.fault, "% of area", (2.0, 5.0, 10.0, 40.0),
                 on_one(lambda i, a, level, g: pixels.erased(i, a, 0.01 * level)), "the tip of one silhouette erased"),
    Perturbation("blob", Kind.fault, "% of area", (5.0, 10.0, 40.0),
                 on_one(lambda i, a, level, g: pixels.with_blob(i, a, 0.01 * level)),
                 "a disc beside the object in one view"),
)  # fmt: skip
CAMERA_LIES = (
    Perturbation("cameras_lower", Kind.camera, "deg", (2.5, 5.0, 10.0, 20.0, 30.0), sets.claimed("elevation", -1.0),
                 "all cameras claim to stand lower than they did"),
    Perturbation("cameras_higher", Kind.camera, "deg", (2.5, 5.0, 10.0, 20.0, 30.0), sets.claimed("elevation"),
                 "all cameras claim to stand higher than they did"),
    Perturbation("azimuth_step", Kind.camera, "deg", (2.0, 4.0, 8.0, 15.0), sets.claimed("step", -1.0),
                 "all cameras claim a smaller step from view to view"),
    Perturbation("focal", Kind.camera, "%", (10.0, 20.0, 40.0), sets.claimed("focal"),
                 "all cameras claim a longer focal length"),
)  # fmt: skip
CONTROLS = (
    Perturbation("same_image", Kind.control, "", (1.0,), sets.same_image, "one image in all places"),
    Perturbation("noise_in_masks", Kind.control, "", (1.0,), sets.noise_in_masks, "true silhouettes filled with noise"),
    Perturbation("full_frame_noise", Kind.control, "", (1.0,), sets.full_frame_noise, "noise everywhere"),
    Perturbation("unrelated", Kind.control, "", (1.0,), renders.unrelated, "another object in every view"),
    Perturbation("reversed_order", Kind.control, "", (1.0,), sets.reversed_order, "the views run the other way round"),
)  # fmt: skip
INVARIANCES = (
    Perturbation("gain_all", Kind.invariance, "factor", (0.6, 0.85),
                 sets.all_recoloured(lambda level: lambda own: level * own), "all views darker"),
    Perturbation("gamma_all", Kind.invariance, "exponent", (0.7, 1.5),
                 sets.all_recoloured(lambda level: lambda own: own**level), "all views under one gamma"),
    Perturbation("hue_all", Kind.invariance, "deg", (45.0, 150.0), sets.all_recoloured(pixels.hue_turn),
                 "all views of another hue"),
    Perturbation("eight_bit", Kind.invariance, "", (1.0,), sets.eight_bit, "colours and masks in 8 bits"),
    Perturbation("black_background", Kind.invariance, "", (1.0,), sets.black_background,
                 "stored over black, with masks"),
    Perturbation("resolution", Kind.invariance, "factor", (0.5, 2.0), sets.other_resolution, "another image size"),
    Perturbation("rolled_order", Kind.gauge, "places", (1.0, 3.0), sets.rolled, "the whole object turned"),
    Perturbation("mirrored_object", Kind.gauge, "", (1.0,), sets.mirrored_object, "a mirrored object, reversed order"),
)  # fmt: skip
COLOUR_CHANGES = ("gain_all", "gamma_all", "hue_all")
LADDER = (*FAULTS, *CAMERA_LIES, *CONTROLS, *INVARIANCES)

# Strengths of the quick ladder, where it has fewer: those of the pass criteria and the next ones.
_QUICK: dict[str, tuple[float, ...]] = {
    "shift": (2.0, 4.0),
    "shift_all": (2.0,),
    "warp": (2.0, 4.0),
    "warp_all": (2.0,),
    "rotation": (5.0, 10.0),
    "scale_up": (5.0, 10.0),
    "scale_down": (5.0, 10.0),
    "hue": (45.0, 90.0),
    "gain": (20.0, 40.0),
    "blur": (2.0, 4.0),
    "noise": (0.2, 0.4),
    "azimuth": (22.5, 45.0),
    "elevation": (10.0, 20.0),
    "swap_neighbours": (1.0, 3.0),
    "swap_opposite": (1.0,),
    "mirror": (1.0, 3.0),
    "identity": (1.0, 3.0),
    "blend": (25.0, 75.0),
    "texture": (1.0, 3.0),
    "missing_part": (5.0, 10.0),
    "erased": (10.0, 40.0),
    "blob": (10.0, 40.0),
    "cameras_lower": (10.0, 20.0),
    "cameras_higher": (10.0, 20.0),
    "azimuth_step": (4.0, 8.0),
    "focal": (20.0, 40.0),
}


def make_ladder(is_quick: bool) -> tuple[Perturbation, ...]:
    """Returns every perturbation, with at most two strengths each in the quick ladder.

    >>> len(make_ladder(True)) == len(make_ladder(False))
    True
    """
    if not is_quick:
        return LADDER
    return tuple(replace(one, levels=_QUICK[one.name]) if one.name in _QUICK else one for one in LADDER)
