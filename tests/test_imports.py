"""The pinned packages live together in one process."""

import subprocess
import sys

MODULES = (
    "torch",
    "torchvision.ops",
    "lpips",
    "diffusers.models.unets.unet_2d_condition",
    "transformers",
    "ray.tune",
    "optuna",
    "wandb",
    "gsplat",
    "skimage.metrics",
)


def test_torch_torchvision_lpips_diffusers_ray_optuna_wandb_and_gsplat_import_together() -> None:
    result = subprocess.run(
        [sys.executable, "-c", f"import {', '.join(MODULES)}"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
