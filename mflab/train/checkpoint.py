"""Checkpoints on disk: whole or absent, and only for the run they belong to."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch

from mflab.errors import MflabError


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Lets `write` fill a temporary file, then puts it in place of `path`; a crash leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save_checkpoint(path: Path, fingerprint: str, content: dict[str, Any]) -> None:
    """Saves tensors and plain values under the fingerprint of the run they belong to."""
    write_atomically(path, lambda file: torch.save({"fingerprint": fingerprint, "content": content}, file))


def load_checkpoint(path: Path, fingerprint: str) -> dict[str, Any]:
    """Content of a checkpoint.

    Raises:
        MflabError: the file is damaged or belongs to another run.
    """
    try:
        stored = torch.load(path, weights_only=True)
        found, content = stored["fingerprint"], stored["content"]
    except Exception as error:
        raise MflabError(
            f"A checkpoint must be whole, but {path} cannot be read ({type(error).__name__}); remove it to train the "
            "trial again from its start."
        ) from error
    if found != fingerprint:
        raise MflabError(
            f"A checkpoint must belong to the trial that resumes it, {fingerprint}, but {path} belongs to {found}; "
            "remove it or choose another output folder."
        )
    return content
