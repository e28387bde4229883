"""Where a plan comes from: command, code, versions, data and weights, for the record."""

import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from mflab.config import ROOT
from mflab.data.sources import Sources
from mflab.model.weights import weights_fingerprint
from mflab.sweep.stages.identity import TRAINING_VERSION

_PACKAGES = ("mflab", "torch", "diffusers", "numpy", "ray")


def provenance(
    overrides: Sequence[str], data: Mapping[str, Sources], weights: Sequence[str], torch_version: str
) -> dict[str, Any]:
    """What a reader needs to know to trust or repeat a sweep, as JSON values."""
    return {
        "overrides": list(overrides),
        "git": git_state(),
        "versions": {"python": platform.python_version(), **package_versions(), "torch": torch_version},
        "training_version": TRAINING_VERSION,
        "data": {name: {"train": s.train.fingerprint, "val": s.val.fingerprint} for name, s in data.items()},
        "base_weights": {name: weights_fingerprint(name) for name in weights},
        "processor": platform.processor() or platform.machine(),
    }


def package_versions() -> dict[str, str]:
    """Installed versions of what numbers depend on."""
    return {name: version(name) for name in _PACKAGES}


def git_state() -> str:
    """Commit of the code, with `-dirty` where files differ from it; `unknown` outside a repository."""
    if shutil.which("git") is None:
        return "unknown"
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else "unknown"
