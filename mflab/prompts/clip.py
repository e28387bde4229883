"""The CLIP text encoder of a local folder or a model id."""

import hashlib
from collections.abc import Callable, Sequence, Sized
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor

from mflab.errors import MflabError

# Begin, end and at least one word.
MIN_VOCABULARY = 3


class ClipEncoder:
    """CLIP text encoder: padding to the model's length, last hidden state, no attention mask.

    Without the mask the padding tokens attend as in the FaceLift scripts that made the embedding files.

    Attributes:
        identity: sha256 of weights and vocabulary, so a copy of the folder elsewhere is the same encoder.
        width: Channels of a token: 768 for CLIP ViT-L/14, 1024 for Stable Diffusion 2.1.
        length: Tokens of a prompt, 77 for every released CLIP.

    Args:
        folder_or_id: Folder or model id that holds tokenizer and text encoder, itself or in the subfolders
            `tokenizer/` and `text_encoder/` (a diffusers pipeline).

    Raises:
        MflabError: Nothing there, an empty vocabulary, or weights that do not fill the text encoder.
    """

    def __init__(self, folder_or_id: str) -> None:
        # Imported on use: transformers costs seconds that hashed runs need not pay.
        from transformers import CLIPTextModel, CLIPTokenizer

        if not folder_or_id:
            raise MflabError("The clip encoder needs a folder or model id, but got none; set prompts.path.")
        self._tokenizer: Any = _load_part(CLIPTokenizer.from_pretrained, folder_or_id, "tokenizer", {})
        if len(self._tokenizer) < MIN_VOCABULARY:
            raise MflabError(f"The tokenizer of '{folder_or_id}' has no vocabulary (vocab.json, merges.txt); add it.")
        options: dict[str, object] = {"dtype": torch.float32, "output_loading_info": True}
        loaded = _load_part(CLIPTextModel.from_pretrained, folder_or_id, "text_encoder", options)
        self._model, info = cast(tuple[Any, dict[str, Any]], loaded)
        missing = sorted(key for key in info["missing_keys"] if "position_ids" not in key)
        if missing or info["mismatched_keys"]:
            raise MflabError(
                f"The weights in '{folder_or_id}' must fill the CLIP text encoder, but {len(missing)} are missing or "
                f"of another shape (first: {(missing or ['-'])[0]}); use a complete text encoder folder."
            )
        self._model.eval()
        config = self._model.config
        self.width: int = config.hidden_size
        self.length: int = config.max_position_embeddings
        self.identity: str = f"clip({config.num_hidden_layers} x {self.width}, sha256 {self._fingerprint()[:16]})"

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "view token width"]:
        """Returns the last hidden states [V, L, D], float32.

        Raises:
            MflabError: A text that would be cut off.
        """
        for text in texts:
            num_tokens = len(self._tokenizer(text)["input_ids"])
            if num_tokens > self.length:
                raise MflabError(
                    f"A prompt must have at most {self.length} tokens, but '{text}' has {num_tokens}; shorten it."
                )
        inputs = self._tokenizer(list(texts), padding="max_length", max_length=self.length, return_tensors="pt")
        with torch.no_grad():
            return self._model(input_ids=inputs["input_ids"]).last_hidden_state.float()

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for token, index in sorted(self._tokenizer.get_vocab().items()):
            digest.update(f"{token} {index}\n".encode())
        digest.update(f"padding {self._tokenizer.pad_token_id}\n".encode())
        for name, value in sorted(self._model.state_dict().items()):
            # Older transformers keep this constant buffer in the state.
            if name.endswith("position_ids"):
                continue
            digest.update(f"{name.removeprefix('text_model.')} {tuple(value.shape)}\n".encode())
            digest.update(value.contiguous().numpy().tobytes())
        return digest.hexdigest()


def _load_part(load: Callable[..., object], folder_or_id: str, part: str, options: dict[str, object]) -> object:
    """Returns what `load` (a from_pretrained) reads from the subfolder `part`, else from the folder itself."""
    folder = Path(folder_or_id).expanduser()
    wanted = ("vocab.json", "tokenizer.json") if part == "tokenizer" else ("config.json",)
    if folder.is_dir():
        for candidate in (folder / part, folder):
            if any((candidate / name).is_file() for name in wanted):
                try:
                    return load(str(candidate), local_files_only=True, **options)
                except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
                    raise MflabError(f"Cannot load the {part} in {candidate}: {_first_line(error)}") from error
        raise MflabError(
            f"'{folder}' must hold a CLIP {part} ({' or '.join(wanted)}), itself or in the subfolder {part}/, but it "
            "does not; set prompts.path to a folder with tokenizer and text encoder."
        )
    # A model id is `name` or `owner/name`; anything else was meant as a path.
    if folder.is_absolute() or folder_or_id.startswith((".", "~")) or folder_or_id.count("/") > 1:
        raise MflabError(f"No folder '{folder_or_id}'; set prompts.path to a folder with tokenizer and text encoder.")
    failure = "nothing found"
    for extra in ({"subfolder": part}, {}):
        try:
            loaded = load(folder_or_id, **extra, **options)
        except (OSError, ValueError) as error:
            failure = _first_line(error)
            continue
        # transformers 5 makes an empty tokenizer, without an error, where it finds no vocabulary.
        if part != "tokenizer" or len(cast(Sized, loaded)) >= MIN_VOCABULARY:
            return loaded
        failure = "no vocabulary found"
    raise MflabError(
        f"'{folder_or_id}' is neither a folder nor a model id from which the {part} can be loaded ({failure}); set "
        "prompts.path to a local folder with tokenizer and text encoder."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
