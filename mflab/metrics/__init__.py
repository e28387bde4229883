"""Metrics: how far predicted views are from the true ones, and the baselines to beat."""

from mflab.metrics.baselines import copy_input, mean_image, white_image
from mflab.metrics.evaluate import METRICS, MetricInfo, evaluate_views
from mflab.metrics.image import mse, psnr, psnr_fg, ssim, ssim_fg
from mflab.metrics.perceptual import Absent, LpipsMetric, find_lpips

__all__ = [
    "METRICS",
    "Absent",
    "LpipsMetric",
    "MetricInfo",
    "copy_input",
    "evaluate_views",
    "find_lpips",
    "mean_image",
    "mse",
    "psnr",
    "psnr_fg",
    "ssim",
    "ssim_fg",
    "white_image",
]
