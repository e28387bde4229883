"""The CLIP encoder reads real folders, equals a plain forward pass, and refuses incomplete ones."""

import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from mflab.errors import MflabError
from mflab.prompts import ClipEncoder, EncoderKind, PromptsCfg, TextEncoder, make_embeddings


def test_equals_the_last_hidden_state_of_ids_padded_by_hand(clip_folder: Path) -> None:
    encoder = ClipEncoder(str(clip_folder))
    vocabulary = json.loads((clip_folder / "tokenizer" / "vocab.json").read_text(encoding="utf-8"))
    tokens = ["<|startoftext|>", "the</w>", "a</w>", ".</w>", "<|endoftext|>"]
    ids = [vocabulary[token] for token in tokens] + [vocabulary["!"]] * 72
    model = CLIPTextModel.from_pretrained(clip_folder / "text_encoder")
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([ids])).last_hidden_state
    actual = encoder.encode(["The a."])
    assert actual.dtype == torch.float32
    assert torch.equal(actual, expected)


def test_states_width_length_and_content_identity(clip_folder: Path, tmp_path: Path) -> None:
    encoder = ClipEncoder(str(clip_folder))
    assert isinstance(encoder, TextEncoder)
    assert (encoder.width, encoder.length) == (16, 77)
    flat = tmp_path / "elsewhere"
    shutil.copytree(clip_folder / "text_encoder", flat)
    shutil.copytree(clip_folder / "tokenizer", flat, dirs_exist_ok=True)
    assert ClipEncoder(str(flat)).identity == encoder.identity


def test_other_weights_have_another_identity(clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(clip_folder, folder)
    path = folder / "text_encoder" / "model.safetensors"
    tensors = {name: tensor + 1 for name, tensor in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    assert ClipEncoder(str(folder)).identity != ClipEncoder(str(clip_folder)).identity


def test_makes_embeddings_with_texts_and_encoder(clip_folder: Path) -> None:
    cfg = PromptsCfg(encoder=EncoderKind.clip, path=str(clip_folder))
    embeddings = make_embeddings(cfg, "minimal", ["front", "front_left"], [0.0, 315.0], [0.0, 0.0])
    assert embeddings.texts == ("front view", "front-left view")
    assert embeddings.tensor.shape == (2, 77, 16)
    assert embeddings.encoder is not None
    assert embeddings.encoder.startswith("clip(2 x 16, sha256 ")


def test_text_that_would_be_cut_off_is_refused(clip_folder: Path) -> None:
    with pytest.raises(MflabError, match=r"at most 77 tokens, but 'a a .* has 82"):
        ClipEncoder(str(clip_folder)).encode(["a " * 80])


def test_missing_weights_are_refused_not_made_up(clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(clip_folder, folder)
    path = folder / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    tensors.pop(next(name for name in tensors if name.endswith("final_layer_norm.weight")))
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(MflabError, match=r"must fill the CLIP text encoder, but 1 are missing"):
        ClipEncoder(str(folder))


@pytest.mark.parametrize("part", ["tokenizer", "text_encoder"])
def test_folder_without_a_part_is_refused(clip_folder: Path, tmp_path: Path, part: str) -> None:
    folder = tmp_path / "half"
    shutil.copytree(clip_folder, folder)
    shutil.rmtree(folder / part)
    with pytest.raises(MflabError, match=f"must hold a CLIP {part}"):
        ClipEncoder(str(folder))


def test_truncated_weights_are_refused(clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "truncated"
    shutil.copytree(clip_folder, folder)
    path = folder / "text_encoder" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(MflabError, match="Cannot load the text_encoder"):
        ClipEncoder(str(folder))


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MflabError, match=r"No folder '.*absent'; set prompts.path"):
        ClipEncoder(str(tmp_path / "absent"))


def test_no_path_is_refused() -> None:
    with pytest.raises(MflabError, match="needs a folder or model id"):
        ClipEncoder("")


def test_model_id_that_cannot_be_loaded_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MflabError, match="'nobody/nothing' is neither a folder nor a model id"):
        ClipEncoder("nobody/nothing")
