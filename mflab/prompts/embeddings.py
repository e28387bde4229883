"""Prompt embeddings: the tensor with everything that says what it is."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from mflab.errors import MflabError

DTYPES = {torch.float16: "float16", torch.float32: "float32"}


@dataclass(frozen=True)
class PromptEmbeddings:
    """Token embeddings of one prompt per view; None stands for what a file did not record.

    Attributes:
        tensor: Embeddings [V, L, D], float16 or float32.
        style: Name of the prompt style.
        kind: colour or normal.
        view_names: View names as written in the text, one per view.
        texts: Prompt text per view.
        encoder: Identity of the encoder.
    """

    tensor: Float[Tensor, "view token width"]
    style: str | None
    kind: str
    view_names: tuple[str, ...] | None
    texts: tuple[str, ...] | None
    encoder: str | None

    def __post_init__(self) -> None:
        check_tensor(self.tensor, "Prompt embeddings")
        for label, values in (("view names", self.view_names), ("texts", self.texts)):
            if values is not None and len(values) != self.num_views:
                raise MflabError(
                    f"Prompt embeddings must have one of each per view, but got {self.num_views} views and "
                    f"{len(values)} {label}; make the file again."
                )

    @property
    def num_views(self) -> int:
        """Number of views V."""
        return self.tensor.shape[0]

    @property
    def length(self) -> int:
        """Tokens L of a prompt."""
        return self.tensor.shape[1]

    @property
    def width(self) -> int:
        """Channels D of a token."""
        return self.tensor.shape[2]

    @property
    def metadata(self) -> dict[str, object]:
        """What the tensor is, ready for JSON."""
        return {
            "style": self.style,
            "kind": self.kind,
            "view_names": None if self.view_names is None else list(self.view_names),
            "texts": None if self.texts is None else list(self.texts),
            "encoder": self.encoder,
            "shape": list(self.tensor.shape),
            "dtype": DTYPES[self.tensor.dtype],
        }

    @cached_property
    def sha256(self) -> str:
        """Hex digest of metadata and values (little-endian), independent of the file format."""
        digest = hashlib.sha256(json.dumps(self.metadata, sort_keys=True).encode())
        values = self.tensor.detach().cpu().contiguous().numpy()
        digest.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    @cached_property
    def values_sha256(self) -> str:
        """Hex digest of shape and values in single precision: what a network is shown, whatever it is called."""
        values = self.tensor.detach().cpu().float().contiguous().numpy()
        return hashlib.sha256(repr(values.shape).encode() + values.astype("<f4").tobytes()).hexdigest()


def check_tensor(tensor: Tensor, source: str) -> None:
    """Refuses a tensor that cannot be prompt embeddings.

    Raises:
        MflabError: Rank other than 3, another dtype, an empty axis, NaN or infinity, or a view that is all zeros.
    """
    if tensor.ndim != 3 or 0 in tensor.shape:
        raise MflabError(
            f"{source}: the shape must be [view, token, width] without an empty axis, but got {list(tensor.shape)}; "
            "make the file again."
        )
    if tensor.dtype not in DTYPES:
        raise MflabError(
            f"{source}: the dtype must be one of {', '.join(DTYPES.values())}, but got "
            f"{str(tensor.dtype).removeprefix('torch.')}; convert it."
        )
    if not torch.isfinite(tensor).all():
        view, token, channel = torch.nonzero(~torch.isfinite(tensor))[0].tolist()
        raise MflabError(
            f"{source}: all values must be finite, but view {view}, token {token}, channel {channel} is "
            f"{tensor[view, token, channel].item()}; make the file again."
        )
    zero_views = torch.nonzero((tensor == 0).flatten(1).all(1)).flatten().tolist()
    if zero_views:
        raise MflabError(
            f"{source}: no view may be all zeros (a stand-in for a missing file), but view {zero_views[0]} is; make "
            "the file again."
        )


def check_width(embeddings: PromptEmbeddings, width: int) -> None:
    """Refuses embeddings that the UNet cannot attend to.

    Raises:
        MflabError: The token width differs from `width`, the UNet's cross_attention_dim; names both.
    """
    if embeddings.width != width:
        raise MflabError(
            f"Prompt embeddings must be as wide as the UNet's cross_attention_dim={width}, but got width "
            f"{embeddings.width} (style {embeddings.style or 'not recorded'}, encoder "
            f"{embeddings.encoder or 'not recorded'}); encode the prompts with the text encoder of that UNet."
        )


def check_views(embeddings: PromptEmbeddings, view_names: tuple[str, ...], source: str) -> None:
    """Refuses embeddings of other views than the rig's.

    Raises:
        MflabError: Another number of views, or recorded view names in another order.
    """
    if embeddings.num_views != len(view_names):
        raise MflabError(
            f"{source}: prompt embeddings must have one row per view of the rig, which has {len(view_names)}, but got "
            f"{embeddings.num_views}; make embeddings for this rig or choose another rig."
        )
    if embeddings.view_names is not None and embeddings.view_names != view_names:
        raise MflabError(
            f"{source}: prompt embeddings must have the views {', '.join(view_names)}, but got "
            f"{', '.join(embeddings.view_names)}; set prompts.view_names or make embeddings for this rig."
        )
