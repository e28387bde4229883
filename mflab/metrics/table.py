"""What the name of each metric means: direction, unit, region and convention, for people and for reports."""

from typing import NamedTuple

# Raise when a definition here changes or `evaluate_views` returns other metrics: stored rows must not stand for those.
METRICS_VERSION = 2


class MetricInfo(NamedTuple):
    """What a metric's name means, for reports.

    Attributes:
        direction: `higher` or `lower`, whichever is better.
        unit: unit of the value, empty if it has none.
        definition: one sentence with region, window and constants.
    """

    direction: str
    unit: str
    definition: str


_SSIM = "SSIM (Gaussian window 11 px, sigma 1.5, population covariance, K .01/.03, data range 1, mean over RGB)"
_BOX = "the box of the true mask (alpha above 0.5) widened by 1/16 of the image side, at least 5 px"
_UNION = "the union of true and predicted mask (alpha above 0.5), divided by its area x channels"
# Metrics of single views: what `evaluate_views` returns, each where it is defined.
METRICS: dict[str, MetricInfo] = {
    "psnr": MetricInfo(
        "higher", "dB", "Peak signal-to-noise ratio over the full frame, data range 1; infinite for identical images."
    ),
    "psnr_fg": MetricInfo(
        "higher", "dB", "Peak signal-to-noise ratio over the pixels with target alpha above 0.5, data range 1."
    ),
    "psnr_box": MetricInfo("higher", "dB", f"Peak signal-to-noise ratio over {_BOX}; data range 1."),
    "ssim": MetricInfo("higher", "", f"{_SSIM} over the frame without its 5 px border."),
    "ssim_fg": MetricInfo("higher", "", f"{_SSIM}, averaged where target alpha is above 0.5 inside the 5 px border."),
    "ssim_box": MetricInfo("higher", "", f"{_SSIM} over {_BOX}, without a border of 5 px inside it."),
    "ms_ssim": MetricInfo(
        "higher",
        "",
        "Multi-scale SSIM over the full frame: five scales by 2 x 2 means, published weights, SSIM's window at each, "
        "negative means as 0, mean over RGB; only for images of at least 176 px.",
    ),
    "psnr_union": MetricInfo(
        "higher", "dB", f"Peak signal-to-noise ratio over {_UNION}; only with a mask of the prediction."
    ),
    "mse_colour": MetricInfo(
        "lower",
        "",
        f"Squared error over the pixels of both masks, as a mean over {_UNION}; 0 for whoever draws nothing, so read "
        "it with mse_silhouette.",
    ),
    "mse_silhouette": MetricInfo(
        "lower",
        "",
        f"Squared error over the pixels of one mask alone, as a mean over {_UNION}; mse_colour + mse_silhouette is the "
        "error of psnr_union.",
    ),
    "alpha_iou": MetricInfo(
        "higher",
        "",
        "Intersection over union of true and predicted mask (alpha above 0.5); an estimated mask of true images scores "
        "below 1.",
    ),
    "lpips_alex": MetricInfo(
        "lower", "", "LPIPS 0.1 on AlexNet over the full frame; only where its backbone weights are installed."
    ),
    "lpips_vgg": MetricInfo(
        "lower", "", "LPIPS 0.1 on VGG-16 over the full frame; only where its backbone weights are installed."
    ),
}
# Metrics of neighbouring views of one set. They need no truth, and say nothing about geometry.
_ADJACENT = (
    "Negative control, no measure of consistency: LPIPS 0.1 on {} between each view and the next one of the rig; six "
    "times the same image scores best."
)
NEGATIVE_CONTROLS: dict[str, MetricInfo] = {
    "adjacent_lpips_alex": MetricInfo("lower", "", _ADJACENT.format("AlexNet")),
    "adjacent_lpips_vgg": MetricInfo("lower", "", _ADJACENT.format("VGG-16")),
}
