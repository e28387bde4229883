"""A tiny CLIP text encoder with random weights, written in the format of released ones."""

import json
import string
from pathlib import Path

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel


def write_tokenizer(folder: Path) -> dict[str, int]:
    """Writes a byte-pair vocabulary of single characters and one merge; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    characters = string.ascii_lowercase + string.digits + string.punctuation
    tokens = [*characters, *(character + "</w>" for character in characters), "th", "the</w>"]
    vocabulary = {token: index for index, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\nt h\nth e</w>\n", encoding="utf-8")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "!",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return vocabulary


def write_text_encoder(folder: Path, vocabulary: dict[str, int]) -> CLIPTextModel:
    """Writes config and random weights of a two-layer text encoder of width 16; returns the model."""
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
        pad_token_id=vocabulary["!"],
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPTextModel(config)
    model.eval()
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with subfolders tokenizer/ and text_encoder/, as in a diffusers pipeline."""
    folder = tmp_path_factory.mktemp("clip")
    write_text_encoder(folder / "text_encoder", write_tokenizer(folder / "tokenizer"))
    return folder
