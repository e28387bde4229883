"""What the names of the consistency measures mean, for tables and reports."""

from mflab.metrics.table import MetricInfo

PREFIX = "consistency/"

_MEANINGS = {
    "sc": (
        "higher",
        "",
        "Silhouette coherence: share of each silhouette covered by the visual hull of the other views, "
        "grown by W/128 px; mean over views. Exactly 1 for consistent views.",
    ),
    "sc_min": ("higher", "", "Silhouette coherence of the worst view."),
    "sc0": ("higher", "", "Silhouette coherence without tolerance; its peak over claimed cameras is at the true ones."),
    "et_mean": (
        "lower",
        "% of width",
        "Epipolar tangency error: distance from a silhouette's tangent pixel to the tangent "
        "of another view; mean over valid tangents.",
    ),
    "et_max": ("lower", "% of width", "Epipolar tangency error of the worst tangent."),
    "et_count": ("higher", "", "Number of valid epipolar tangents, at most V (V - 1)."),
    "pc": (
        "higher",
        "",
        "Photo-consistency: 1 - colour error / chance error on the hull with a short depth search, at "
        "128 px; about 0.15 for unrelated views, at most 1.",
    ),
    "pc_min": ("higher", "", "Photo-consistency of the pixels that the worst view shares."),
    "pc_error": ("lower", "", "Mean absolute colour difference of photo-consistency, range 0 to 1."),
    "pc_null": ("higher", "", "The same with partners permuted inside each pair of views: what chance gives."),
    "pc_pairs": (
        "higher",
        "",
        "Number of colour pairs behind photo-consistency; below 2,000 at 128 px it is undefined.",
    ),
    "ti": (
        "lower",
        "log gain",
        "Tint spread: largest offset of a view's colour gain from the others, L2 norm over RGB; "
        "0.15 for one view 10 % darker.",
    ),
    "sh": (
        "lower",
        "octaves",
        "Sharpness spread: largest difference of a view's detail from the median of the others; "
        "a diagnostic, clean sets reach 2 and more.",
    ),
    "loo": (
        "higher",
        "dB",
        "Leave-one-out: foreground PSNR of each view predicted from hull and colours of the others at "
        "64 px, mean over views; compare sets of one object only.",
    ),
    "loo_min": ("higher", "dB", "Leave-one-out PSNR of the worst view."),
    "hull_iou": (
        "higher",
        "",
        "Overlap of each silhouette with the hull of the other views; describes how tight the hull "
        "is and depends on the object.",
    ),
    "vc": (
        "higher",
        "",
        "Convenience score sc_min^10 x clip((pc - 0.15) / 0.70, 0, 1); for ranking only, read its parts.",
    ),
}
CONSISTENCY_METRICS: dict[str, MetricInfo] = {PREFIX + name: MetricInfo(*info) for name, info in _MEANINGS.items()}
