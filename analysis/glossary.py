"""What each metric means: definition, unit and direction, as the report's last card states them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.glossary_sets import SET_WORDS
from analysis.intervals import Interval
from mflab.results import Direction, Plan, split_response


@dataclass(frozen=True)
class MetricMeaning:
    """Definition, unit and direction of a metric."""

    definition: str
    unit: str
    direction: Direction


# Smaller than this is zero for a reader.
MOST_DECIMALS = 6

_BOX = "the box of the true mask (alpha above 0.5) widened by 1/16 of the image side, at least 5 px"
_UNION = "the union of true and predicted mask (alpha above 0.5), divided by its area x channels"
_SSIM = "SSIM (Gaussian window 11 px, sigma 1.5, population covariance, K .01/.03, data range 1, mean over RGB)"
# The same words as the table of the metrics' own package, repeated because a report must not import tensors.
GLOSSARY: dict[str, MetricMeaning] = {
    "psnr": MetricMeaning(
        "Peak signal-to-noise ratio over the full frame, data range 1; infinite for identical images.",
        "dB",
        Direction.higher,
    ),
    "psnr_fg": MetricMeaning(
        "Peak signal-to-noise ratio over the pixels with target alpha above 0.5, data range 1.", "dB", Direction.higher
    ),
    "psnr_box": MetricMeaning(f"Peak signal-to-noise ratio over {_BOX}; data range 1.", "dB", Direction.higher),
    "ssim": MetricMeaning(f"{_SSIM} over the frame without its 5 px border.", "", Direction.higher),
    "ssim_fg": MetricMeaning(
        f"{_SSIM}, averaged where target alpha is above 0.5 inside the 5 px border.", "", Direction.higher
    ),
    "ssim_box": MetricMeaning(f"{_SSIM} over {_BOX}, without a border of 5 px inside it.", "", Direction.higher),
    "ms_ssim": MetricMeaning(
        "Multi-scale SSIM over the full frame: five scales by 2 x 2 means, published weights, SSIM's window at each, "
        "negative means as 0, mean over RGB; only for images of at least 176 px.",
        "",
        Direction.higher,
    ),
    "psnr_union": MetricMeaning(
        f"Peak signal-to-noise ratio over {_UNION}; only with a mask of the prediction.", "dB", Direction.higher
    ),
    "mse_colour": MetricMeaning(
        f"Squared error over the pixels of both masks, as a mean over {_UNION}; 0 for whoever draws nothing, so read "
        "it with mse_silhouette.",
        "",
        Direction.lower,
    ),
    "mse_silhouette": MetricMeaning(
        f"Squared error over the pixels of one mask alone, as a mean over {_UNION}; mse_colour + mse_silhouette is the "
        "error of psnr_union.",
        "",
        Direction.lower,
    ),
    "alpha_iou": MetricMeaning(
        "Intersection over union of true and predicted mask (alpha above 0.5); an estimated mask of true images scores "
        "below 1.",
        "",
        Direction.higher,
    ),
    "lpips_alex": MetricMeaning(
        "LPIPS 0.1 on AlexNet over the full frame; only where its backbone weights are installed.", "", Direction.lower
    ),
    "lpips_vgg": MetricMeaning(
        "LPIPS 0.1 on VGG-16 over the full frame; only where its backbone weights are installed.", "", Direction.lower
    ),
    **{name: MetricMeaning(words, unit, Direction[side]) for name, (words, unit, side) in SET_WORDS.items()},
}

BASELINE_MEANING = {
    "white": "predicts a white image for every view",
    "copy_input": "predicts the input view for every view",
    "mean_image": "predicts for every view the mean of that view over the training scenes",
    "ground_truth": "the true views: the best that measures of whole sets can be",
    "pretrained": "the base weights before any fine-tuning",
}


def response_unit(response: str, plan: Plan) -> str:
    """Unit of a response column: declared, else from the glossary, else none."""
    if response == plan.response.name:
        return plan.response.unit
    metric, _ = split_response(response)
    return GLOSSARY[metric].unit if metric in GLOSSARY else ""


def number(value: float | None, unit: str = "", *, signed: bool = False, places: int | None = None) -> str:
    """A number as text, with a true minus sign: two decimals for dB, s and GB, four otherwise, or `places`.

    What these decimals would hide gets two significant digits; what six decimals hide is zero, which has no sign. None
    is a dash.

    Example:
        >>> number(-1.234, "dB"), number(0.5, signed=True), number(None)
        ('−1.23', '+0.5000', '–')
        >>> number(0.00312, "s"), number(-0.00312, "dB", signed=True), number(-1e-9, "dB", signed=True)
        ('0.0031', '−0.0031', '0.00')
    """
    if value is None or value != value:
        return "–"
    places = decimals(unit) if places is None else places
    if round(value, MOST_DECIMALS) == 0:
        return f"{0:.{places}f}"
    if abs(value) < 10**-places:
        places = min(MOST_DECIMALS, 1 - math.floor(math.log10(abs(value))))
    text = f"{value:+.{places}f}" if signed else f"{value:.{places}f}"
    return text.replace("-", "−")


def decimals(unit: str) -> int:
    """Decimals shown for a unit."""
    return 2 if unit in ("dB", "s", "GB") else 4


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun.

    Example:
        >>> counted(1, "trial"), counted(1200, "trial"), counted(0, "look"), counted(2, "entry", "entries")
        ('1 trial', '1,200 trials', '0 looks', '2 entries')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def percent(share: float) -> str:
    """A share in whole per cent, none of it hidden.

    Example:
        >>> percent(0.347), percent(0.002), percent(0.0)
        ('35 %', '< 1 %', '0 %')
    """
    return "< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def words(names: Sequence[str]) -> str:
    """Names as a reader would list them.

    Example:
        >>> words(["a", "b", "c"]), words(["a"])
        ('a, b and c', 'a')
    """
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def with_unit(text: str, unit: str) -> str:
    """A number's text followed by its unit, if it has one."""
    return f"{text} {unit}" if unit else text


def p_relation(p: float | None) -> str:
    """A p value with its relation sign.

    Example:
        >>> p_relation(0.0321), p_relation(0.00001)
        ('= 0.032', '< 0.001')
    """
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"


def signed_unit(value: float | None, unit: str) -> str:
    """A difference as text: sign, number, unit."""
    return with_unit(number(value, unit, signed=True), unit)


def p_text(p: float | None) -> str:
    """A p value as text.

    Example:
        >>> p_text(0.0321), p_text(0.00001), p_text(None)
        ('0.032', '< 0.001', '–')
    """
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval_text(interval: Interval, unit: str) -> str:
    """Mean and half width of the 95 % interval, "12.31 ± 0.42"; without interval the mean in brackets."""
    if interval.is_identical:
        return f"{number(interval.mean, unit)} (n = {interval.n} identical)"
    if interval.half_width is None:
        return f"({number(interval.mean, unit)})"
    return f"{number(interval.mean, unit)} ± {number(interval.half_width, unit)}"
