"""Text encoders: texts to token embeddings [V, L, D]."""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mflab.errors import MflabError

# Names that the tokeniser can never produce, since it splits off '<' and '>'.
BEGIN, END, PADDING = "<begin>", "<end>", "<padding>"
POSITION_SCALE = 0.1
WORD_WEIGHTS = {
    **dict.fromkeys(("front", "back", "left", "right"), 3.0),
    **dict.fromkeys(("a", "an", "at", "from", "of", "the", "with", ",", ".", "-", "_", ":"), 0.25),
}


@runtime_checkable
class TextEncoder(Protocol):
    """Anything that turns texts into token embeddings.

    Attributes:
        identity: Says which encoder made an embedding: equal identities and texts give equal embeddings.
        width: Channels D of a token.
        length: Tokens L of a prompt, padding included.
    """

    @property
    def identity(self) -> str: ...

    @property
    def width(self) -> int: ...

    @property
    def length(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "view token width"]:
        """Returns one row of `length` tokens for each text."""
        ...


def split_words(text: str) -> list[str]:
    """Returns the lower-case words, numbers and marks of a text.

    >>> split_words("3D models, front_right view.")
    ['3d', 'models', ',', 'front', '_', 'right', 'view', '.']
    """
    return re.findall(r"[a-z0-9]+|[^\sa-z0-9]", text.lower())


@dataclass(frozen=True)
class HashedEncoder:
    """Encoder without weights: each distinct word has its own fixed random vector.

    Token i is (w_i / 2 + c_i) / sqrt(1.25) plus 0.1 times a sinusoidal position code. w_i is the vector of its word and
    c_i = sum_{j <= i} a_j w_j / sqrt(sum a_j^2) the words so far: as behind the causal attention of a CLIP encoder, the
    end and the padding know the whole text. The weight a_j is 3 for the four directions, 1/4 for marks and words
    without meaning of their own, 1 otherwise: a small network hears in reasonable time which view is asked for. So
    prompts are similar as far as they share words in the same places. A word's vector depends on nothing but the word:
    a wider encoder extends it.

    Words are multiples of 2^-16 made without the C library's transcendental functions, sums run in order, roots and
    quotients are correctly rounded, and positions are rounded far above their error. So the bits are equal on every
    machine and with every NumPy version.

    Attributes:
        width: Channels of a token.
        length: Tokens of a prompt: begin, words, end, padding.

    >>> HashedEncoder(width=8, length=6).encode(["front view"]).shape
    torch.Size([1, 6, 8])
    """

    width: int = 64
    length: int = 32

    def __post_init__(self) -> None:
        if self.width < 1 or self.length < 3:
            raise MflabError(
                "The hashed encoder needs width of at least 1 and length of at least 3, but got "
                f"width={self.width}, length={self.length}; set prompts.width and prompts.length."
            )

    @property
    def identity(self) -> str:
        """Algorithm, its version and sizes."""
        return f"hashed-1(width={self.width}, length={self.length})"

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "view token width"]:
        """Returns embeddings [V, L, D], float32, token channels of variance near 1.

        Raises:
            MflabError: A text of more than length - 2 words and marks.
        """
        rows = []
        for text in texts:
            words = split_words(text)
            if len(words) > self.length - 2:
                raise MflabError(
                    f"A prompt must have at most {self.length - 2} words and marks (length {self.length} less begin "
                    f"and end), but '{text}' has {len(words)}; set prompts.length={len(words) + 2} or more."
                )
            rows.append(self._tokens(words))
        positions = _position_code(self.length, self.width)
        return torch.from_numpy(np.stack(rows) + positions) if rows else torch.zeros(0, self.length, self.width)

    def _tokens(self, words: Sequence[str]) -> np.ndarray:
        """Returns [L, D] float32, before the position code."""
        names = [BEGIN, *words, END]
        names += [PADDING] * (self.length - len(names))
        own = np.stack([_word_vector(name, self.width) for name in names])
        weights = np.zeros((self.length, 1), dtype=np.float32)
        weights[: len(words) + 1, 0] = [
            WORD_WEIGHTS[word] if word in WORD_WEIGHTS else 1.0 for word in names[: len(words) + 1]
        ]
        sums = np.cumsum(weights * own, axis=0, dtype=np.float32)
        context = sums / np.sqrt(np.cumsum(weights**2, axis=0, dtype=np.float32))
        return (np.float32(0.5) * own + context) / np.sqrt(np.float32(1.25))


@lru_cache(maxsize=4096)
def _word_vector(word: str, width: int) -> np.ndarray:
    """Returns [width] float32, mean 0, variance 1: sums of 12 uniform 16-bit numbers (Irwin-Hall)."""
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest(), "big")
    raw = np.random.PCG64(seed).random_raw(3 * width)
    # Four 16-bit numbers of each raw number by shifts, which do not depend on the machine's byte order.
    parts = np.stack([(raw >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)], axis=-1)
    sums = parts.reshape(width, 12).astype(np.int64).sum(axis=1)
    return ((sums - 12 * 65535 // 2) / 65536.0).astype(np.float32)


@lru_cache(maxsize=16)
def _position_code(length: int, width: int) -> np.ndarray:
    """Returns [length, width] float32: 0.1 sin and cos of falling frequency, rounded to multiples of 2^-12."""
    code = np.zeros((length, width), dtype=np.float32)
    for position in range(length):
        for channel in range(width):
            angle = position / 10000.0 ** (2 * (channel // 2) / width)
            wave = math.cos(angle) if channel % 2 else math.sin(angle)
            code[position, channel] = round(POSITION_SCALE * wave * 4096) / 4096
    return code
