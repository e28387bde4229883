"""Words for measures of whole sets of views, of other scenes than the validation set, and for numbers of verdicts."""

from typing import NamedTuple

_PRIOR = "on validation scenes of the base data under the base wording, which the initial weights knew"
_TRAIN = "on scenes of the training data"
# Definition, unit, direction by name, as the metrics' own package has them.
SET_WORDS: dict[str, tuple[str, str, str]] = {
    "consistency/sc": (
        "Silhouette coherence: share of each silhouette covered by the visual hull of the other views, grown by W/128 "
        "px; mean over views. Exactly 1 for consistent views.",
        "",
        "higher",
    ),
    "consistency/sc_min": ("Silhouette coherence of the worst view.", "", "higher"),
    "consistency/et_max": ("Epipolar tangency error of the worst tangent.", "% of width", "lower"),
    "consistency/pc": (
        "Photo-consistency: 1 - colour error / chance error on the hull with a short depth search, at 128 px; about "
        "0.15 for unrelated views, at most 1.",
        "",
        "higher",
    ),
    "consistency/pc_min": ("Photo-consistency of the pixels that the worst view shares.", "", "higher"),
    "consistency/ti": (
        "Tint spread: largest offset of a view's colour gain from the others, L2 norm over RGB; 0.15 for one view 10 % "
        "darker.",
        "log gain",
        "lower",
    ),
    "consistency/loo": (
        "Leave-one-out: foreground PSNR of each view predicted from hull and colours of the others at 64 px, mean over "
        "views; compare sets of one object only.",
        "dB",
        "higher",
    ),
    "consistency/vc": (
        "Convenience score sc_min^10 x clip((pc - 0.15) / 0.70, 0, 1); for ranking only, read its parts.",
        "",
        "higher",
    ),
    "consistency/inconsistent": (
        "1 for a set beyond an alarm limit of the suite, or of one picture in all places, else 0.",
        "",
        "lower",
    ),
    "consistency/valid": ("1 for a set whose views all hold an object that can be judged, else 0.", "", "higher"),
    "collapse/diversity": (
        "Mean RMS difference between the predicted views of a set, as a share of the same between its true views; 0 "
        "when all views are alike, 1 when they differ as the true ones do.",
        "",
        "higher",
    ),
    "collapse/to_input": (
        "Mean RMS difference of the predicted unseen views to the true input view, as a share of the same of the true "
        "views; 0 when every view is the input.",
        "",
        "higher",
    ),
    "prior/psnr_fg": (f"psnr_fg {_PRIOR}; its fall along training is what was forgotten.", "dB", "higher"),
    "prior/ssim_fg": (f"ssim_fg {_PRIOR}; its fall along training is what was forgotten.", "", "higher"),
    "train/psnr_fg": (f"psnr_fg {_TRAIN}; what it has beyond the validation set is overfitted.", "dB", "higher"),
    "train/ssim_fg": (f"ssim_fg {_TRAIN}; what it has beyond the validation set is overfitted.", "", "higher"),
}


class NumberWords(NamedTuple):
    """Short name of a verdict's number, its unit, and its definition."""

    label: str
    unit: str
    definition: str


_BEST = "over the best of white, copy_input and mean_image, mean over unseen views"
NUMBER_WORDS: dict[str, NumberWords] = {
    "gain": NumberWords("gain", "dB", f"psnr_fg {_BEST}"),
    "gain_ssim": NumberWords("SSIM gain", "", f"ssim_fg {_BEST}"),
    "gain_pretrained": NumberWords("gain over initial weights", "dB", "psnr_fg over the baseline pretrained"),
    "view_fall": NumberWords("worst view", "dB", "psnr_fg of the worst unseen view below the median view"),
    "view_fall_ssim": NumberWords("worst view, SSIM", "", "ssim_fg of the worst unseen view below the median view"),
    "rise": NumberWords("late rise", "dB", "gain of psnr_fg over the last part of the curve"),
    "decline": NumberWords("late decline", "dB", "psnr_fg at the end below the best validation"),
    "inconsistent": NumberWords("inconsistent sets", "", "share of sets with an alarm, less that of the true views"),
    "sc_min_fall": NumberWords("silhouettes", "", "consistency/sc_min of the true views less that of the predicted"),
    "pc_fall": NumberWords("colours", "", "consistency/pc of the true views less that of the predicted"),
    "diversity": NumberWords("diversity", "", "collapse/diversity, mean over sets"),
    "to_input": NumberWords("distance to input", "", "collapse/to_input, mean over sets"),
    "elevation_error": NumberWords("elevation", "deg", "camera self-check: found less claimed elevation, its size"),
    "forgetting": NumberWords("forgetting", "dB", "fall of prior/psnr_fg since step 0"),
    "gap": NumberWords("overfitting", "dB", "growth of train/psnr_fg less psnr_fg since step 0"),
}

CASE_WORDS = {
    "A": "converged: every measured number keeps its limit",
    "B": "slow or inconsistent: no unseen view fails, but some number misses its limit",
    "C": "failed: diverged, collapsed, worse than the initial weights, or every unseen view fails",
    "D": "partial: some unseen views fail, being worse than a prediction without a model or far below the others",
    "undecided": "too little was measured to say",
}
