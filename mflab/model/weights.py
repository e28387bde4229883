"""Initial weights: the shipped base of the miniature, a file, or none."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mflab.errors import MflabError

SHIPPED = Path(__file__).parent / "base_weights"
NO_WEIGHTS = "none"


def weights_path(weights: str) -> Path | None:
    """File of `weights`: the name of a shipped base, a path, or `none` for a fresh initialisation.

    Raises:
        MflabError: neither a shipped name nor an existing file.
    """
    if weights == NO_WEIGHTS:
        return None
    shipped = SHIPPED / f"{weights}.safetensors"
    if shipped.is_file():
        return shipped
    path = Path(weights)
    if not path.is_file():
        names = sorted(file.stem for file in SHIPPED.glob("*.safetensors"))
        raise MflabError(
            f"model.weights must be {NO_WEIGHTS!r}, a shipped base ({', '.join(names)}) or a .safetensors file, "
            f"but got {weights!r}; give an existing path."
        )
    return path


def weights_fingerprint(weights: str) -> str:
    """SHA-256 of the weights' bytes, or `none`."""
    path = weights_path(weights)
    if path is None:
        return NO_WEIGHTS
    status = path.stat()
    return _file_sha256(path, (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=16)
def _file_sha256(path: Path, status: tuple[int, ...]) -> str:
    """Digest of a file, read again once its place, time or size say that it is another."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_weights(module: nn.Module, weights: str) -> None:
    """Loads all weights strictly; half-precision files are widened to the module's precision.

    Raises:
        MflabError: names or shapes differ; the message shows the first difference.
    """
    path = weights_path(weights)
    if path is None:
        return
    stored = load_file(path)
    own = module.state_dict()
    different = sorted(set(stored) ^ set(own))
    if different:
        raise MflabError(
            f"Weights must have the names of the model, but {len(different)} differ in {path}, the first is "
            f"{different[0]!r}; set model.weights to a file made for this model."
        )
    for name, value in own.items():
        if stored[name].shape != value.shape:
            raise MflabError(
                f"Weights must have the shapes of the model, but {name} is {tuple(stored[name].shape)} in {path} and "
                f"{tuple(value.shape)} in the model; set model.unet to match, or model.weights=none."
            )
    module.load_state_dict({name: stored[name].to(value.dtype) for name, value in own.items()})


def save_weights(state: dict[str, torch.Tensor], path: Path, recipe: dict[str, object]) -> str:
    """Writes weights in half precision with their recipe beside them; returns the SHA-256 of the weights file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in state.items()}, path)
    fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({**recipe, "sha256": fingerprint}, indent=2) + "\n")
    return fingerprint
