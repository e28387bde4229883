"""Embedding files: `<folder>/embeddings.safetensors`, and the plain tensors of FaceLift (`clr_embeds.pt`)."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mflab.errors import MflabError
from mflab.prompts.embeddings import PromptEmbeddings, check_tensor
from mflab.prompts.styles import identify_style

FILE_NAME = "embeddings.safetensors"
FORMAT = "mflab prompt embeddings 1"
PLAIN_NAMES = {"colour": "clr_embeds.pt", "normal": "normal_embeds.pt"}
REMEDY = "make it with `python -m mflab.prompts make`"


def save(embeddings: PromptEmbeddings, folder: str | Path) -> Path:
    """Writes `<folder>/embeddings.safetensors` and returns its path.

    The header holds style, kind, view names, texts, encoder and the sha256 over them and the values.

    Raises:
        MflabError: The folder cannot be written, or holds other embeddings already.
    """
    path = Path(folder) / FILE_NAME
    if path.exists() and load(path).sha256 != embeddings.sha256:
        raise MflabError(f"{path} holds other embeddings already; choose another folder or remove it.")
    header = {
        "format": FORMAT,
        "metadata": json.dumps(embeddings.metadata, sort_keys=True),
        "sha256": embeddings.sha256,
    }
    draft = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"embeddings": embeddings.tensor.detach().cpu().contiguous()}, draft, metadata=header)
        os.replace(draft, path)
    except (OSError, SafetensorError) as error:
        raise MflabError(f"Cannot write {path}: {error}; choose a folder that can be written.") from error
    return path


def load(path: str | Path) -> PromptEmbeddings:
    """Returns the embeddings in a file or folder.

    A folder is searched for `embeddings.safetensors`, then `clr_embeds.pt`. A plain tensor takes texts and encoder
    from `metadata.json` beside it, where there is one; its style is recorded only if the texts are exactly a style's.

    Raises:
        MflabError: Missing or broken file, a content that does not match its sha256, or values that cannot be
            embeddings; always with the path.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        found = [path / name for name in (FILE_NAME, PLAIN_NAMES["colour"]) if (path / name).is_file()]
        if not found:
            raise MflabError(f"{path} must hold {FILE_NAME} or {PLAIN_NAMES['colour']}, but has neither; {REMEDY}.")
        path = found[0]
    if not path.is_file():
        raise MflabError(f"No prompt embeddings at {path}; {REMEDY} or set prompts.path.")
    if path.suffix == ".safetensors":
        return _load_own(path)
    if path.suffix == ".pt":
        return _load_plain(path)
    raise MflabError(f"An embedding file must end in .safetensors or .pt, but got {path}; {REMEDY}.")


def _load_own(path: Path) -> PromptEmbeddings:
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise MflabError(f"{path} must be of format '{FORMAT}', but says '{header.get('format')}'; {REMEDY}.")
            tensor = file.get_tensor("embeddings")
        check_tensor(tensor, str(path))
        metadata = json.loads(header["metadata"])
        embeddings = PromptEmbeddings(
            tensor=tensor,
            style=metadata["style"],
            kind=metadata["kind"],
            view_names=_names(metadata["view_names"]),
            texts=_names(metadata["texts"]),
            encoder=metadata["encoder"],
        )
        recorded = header["sha256"]
    except (OSError, SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise MflabError(f"{path} is not a readable embedding file ({error}); {REMEDY}.") from error
    if embeddings.sha256 != recorded:
        raise MflabError(
            f"{path}: the content must match its sha256 {recorded[:16]}, but gives {embeddings.sha256[:16]}: the file "
            f"was changed; {REMEDY}."
        )
    return embeddings


def _load_plain(path: Path) -> PromptEmbeddings:
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise MflabError(f"{path} is not a readable tensor file ({type(error).__name__}); {REMEDY}.") from error
    if not isinstance(tensor, Tensor):
        raise MflabError(f"{path} must hold one tensor, but holds {type(tensor).__name__}; {REMEDY}.")
    check_tensor(tensor, str(path))
    kind = "normal" if path.name == PLAIN_NAMES["normal"] else "colour"
    metadata_path = path.with_name("metadata.json")
    if not metadata_path.is_file():
        return PromptEmbeddings(tensor, None, kind, None, None, None)
    metadata = _read_metadata(metadata_path)
    if metadata.get("shape") not in (None, list(tensor.shape)):
        raise MflabError(
            f"{path} must have the shape {metadata['shape']} that {metadata_path.name} states, but has "
            f"{list(tensor.shape)}; {REMEDY}."
        )
    texts = _names(metadata.get("color_prompts" if kind == "colour" else "normal_prompts"))
    identified = identify_style(texts, kind) if texts else None
    style, view_names = identified or (None, None)
    return PromptEmbeddings(tensor, style, kind, view_names, texts, metadata.get("model"))


def _read_metadata(path: Path) -> dict[str, Any]:
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MflabError(f"{path} is not readable JSON ({error}); mend or remove it.") from error
    if not isinstance(metadata, dict):
        raise MflabError(f"{path} must hold a JSON object, but holds {type(metadata).__name__}; mend or remove it.")
    return metadata


def _names(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
