"""Metrics: how far predicted views are from the true ones, and the baselines to beat."""

from mflab.metrics.baselines import copy_input, mean_image, white_image
from mflab.metrics.boxes import foreground_box, in_box, psnr_box, ssim_box
from mflab.metrics.evaluate import evaluate_views, evaluated_metrics
from mflab.metrics.image import mse, psnr, psnr_fg, ssim, ssim_fg
from mflab.metrics.learned import Absent, PairMetric, of_neighbours
from mflab.metrics.local import LearnedMetric, find_learned
from mflab.metrics.multiscale import ms_ssim
from mflab.metrics.outline import ErrorSplit, alpha_iou, on_foreground, split_error
from mflab.metrics.perceptual import LpipsMetric, find_lpips
from mflab.metrics.table import METRICS, METRICS_VERSION, NEGATIVE_CONTROLS, MetricInfo

__all__ = [
    "METRICS",
    "METRICS_VERSION",
    "NEGATIVE_CONTROLS",
    "Absent",
    "ErrorSplit",
    "LearnedMetric",
    "LpipsMetric",
    "MetricInfo",
    "PairMetric",
    "alpha_iou",
    "copy_input",
    "evaluate_views",
    "evaluated_metrics",
    "find_learned",
    "find_lpips",
    "foreground_box",
    "in_box",
    "mean_image",
    "ms_ssim",
    "mse",
    "of_neighbours",
    "on_foreground",
    "psnr",
    "psnr_box",
    "psnr_fg",
    "split_error",
    "ssim",
    "ssim_box",
    "ssim_fg",
    "white_image",
]
