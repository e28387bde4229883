"""What a config says about prompts: the style of the text, the encoder and the names of the views."""

from dataclasses import dataclass
from enum import Enum


class EncoderKind(Enum):
    """Where embeddings come from: hashed words (no weights), a CLIP text encoder, or an embedding file."""

    hashed = "hashed"
    clip = "clip"
    file = "file"


class ViewNaming(Enum):
    """Which names the views have in the text.

    `rig` uses the rig's own names, which are true to its angles. `facelift_order` writes front, front_right, right,
    back, left, front_left into slots 0 to 5 whatever the cameras see, as the FaceLift code does.
    """

    rig = "rig"
    facelift_order = "facelift_order"


@dataclass
class PromptsCfg:
    """Prompt style, encoder and view names.

    Attributes:
        style: The target style, a key of `mflab.prompts.STYLES`.
        encoder: Where embeddings come from.
        width: Channels of a hashed token; the UNet's `cross_attention_dim` must equal it.
        length: Tokens of a hashed prompt, padding included.
        path: `clip`: a folder or model id with tokenizer and text encoder. `file`: the embedding folder or file, in
            which `{style}` stands for the name of the style.
        view_names: Which names the views have in the text.
    """

    style: str = "mouse_elevated"
    encoder: EncoderKind = EncoderKind.hashed
    width: int = 64
    length: int = 32
    path: str = ""
    view_names: ViewNaming = ViewNaming.rig
