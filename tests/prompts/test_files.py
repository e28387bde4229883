"""Embedding files keep everything, prove their content, and are refused when anything is wrong."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from mflab.errors import MflabError
from mflab.prompts import FACELIFT_ORDER, PromptEmbeddings, check_views, check_width, load, save


def embeddings(dtype: torch.dtype = torch.float32, num_views: int = 2, width: int = 8) -> PromptEmbeddings:
    tensor = torch.randn(num_views, 5, width, generator=torch.Generator().manual_seed(0)).to(dtype)
    names = ("front", "back", "left")[:num_views]
    return PromptEmbeddings(tensor, "simple", "colour", names, tuple(f"a mouse, {name}" for name in names), "test")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_saved_embeddings_load_equal(tmp_path: Path, dtype: torch.dtype) -> None:
    original = embeddings(dtype)
    path = save(original, tmp_path / "new" / "folder")
    for source in (path, path.parent):
        loaded = load(source)
        assert torch.equal(loaded.tensor, original.tensor)
        assert loaded.metadata == original.metadata
        assert loaded.sha256 == original.sha256


def test_sha256_covers_values_and_metadata() -> None:
    original = embeddings()
    changed = original.tensor.clone()
    changed[1, 4, 7] += 1e-6
    variants = [
        original,
        replace(original, tensor=changed),
        replace(original, style="hybrid"),
        replace(original, kind="normal"),
        replace(original, encoder="other"),
        replace(original, view_names=("back", "front")),
        replace(original, texts=("a", "b")),
        embeddings(torch.float16),
    ]
    assert len({variant.sha256 for variant in variants}) == len(variants)


def test_sha256_does_not_depend_on_memory_layout() -> None:
    original = embeddings()
    strided = original.tensor.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert replace(original, tensor=strided).sha256 == original.sha256


def test_saving_twice_is_allowed_and_other_content_refused(tmp_path: Path) -> None:
    save(embeddings(), tmp_path)
    save(embeddings(), tmp_path)
    with pytest.raises(MflabError, match="holds other embeddings already"):
        save(embeddings(torch.float16), tmp_path)
    assert load(tmp_path).sha256 == embeddings().sha256
    assert [path.name for path in tmp_path.iterdir()] == ["embeddings.safetensors"]


def test_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(MflabError, match="Cannot write"):
        save(embeddings(), tmp_path / "file" / "folder")


def rewrite(path: Path, tensor: torch.Tensor, **changes: str) -> None:
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    save_file({"embeddings": tensor}, path, metadata={**header, **changes})


def test_changed_values_are_refused(tmp_path: Path) -> None:
    path = save(embeddings(), tmp_path)
    rewrite(path, embeddings().tensor + 1e-3)
    with pytest.raises(MflabError, match="must match its sha256"):
        load(path)


def test_changed_metadata_is_refused(tmp_path: Path) -> None:
    path = save(embeddings(), tmp_path)
    metadata = json.dumps({**embeddings().metadata, "style": "facelift"})
    rewrite(path, embeddings().tensor, metadata=metadata)
    with pytest.raises(MflabError, match="must match its sha256"):
        load(path)


@pytest.mark.parametrize("changes", [{"format": "other"}, {"metadata": "{"}, {"metadata": "{}"}, {"metadata": "[]"}])
def test_foreign_header_is_refused(tmp_path: Path, changes: dict[str, str]) -> None:
    path = save(embeddings(), tmp_path)
    rewrite(path, embeddings().tensor, **changes)
    with pytest.raises(MflabError, match=r"embeddings.safetensors (must be of format|is not a readable)"):
        load(path)


@pytest.mark.parametrize("name", ["embeddings.safetensors", "clr_embeds.pt"])
def test_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    path = save(embeddings(), tmp_path)
    if name.endswith(".pt"):
        path = tmp_path / name
        torch.save(embeddings().tensor, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(MflabError, match=f"{name} is not a readable"):
        load(path)


def broken(value: float) -> torch.Tensor:
    tensor = embeddings().tensor.clone()
    tensor[1, 2, 3] = value
    return tensor


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (broken(float("nan")), "finite, but view 1, token 2, channel 3 is nan"),
        (broken(float("inf")), "finite, but view 1, token 2, channel 3 is inf"),
        (torch.zeros(6, 77, 1024), "all zeros .*view 0"),
        (torch.cat([embeddings().tensor, torch.zeros(1, 5, 8)]), "all zeros .*view 2"),
        (torch.ones(77, 1024), r"\[view, token, width\].*got \[77, 1024\]"),
        (torch.ones(0, 77, 1024), r"empty axis, but got \[0, 77, 1024\]"),
        (torch.ones(2, 3, 4, dtype=torch.float64), "float16, float32, but got float64"),
    ],
)
def test_values_that_cannot_be_embeddings_are_refused(tmp_path: Path, tensor: torch.Tensor, words: str) -> None:
    path = tmp_path / "clr_embeds.pt"
    torch.save(tensor, path)
    with pytest.raises(MflabError, match=rf"clr_embeds.pt: .*{words}"):
        load(path)


def test_other_object_is_refused(tmp_path: Path) -> None:
    torch.save({"embeds": torch.ones(1)}, tmp_path / "clr_embeds.pt")
    with pytest.raises(MflabError, match="must hold one tensor, but holds dict"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent", "No prompt embeddings at .*absent; make it with"),
        ("absent/clr_embeds.pt", "No prompt embeddings at .*clr_embeds.pt"),
        (".", "must hold embeddings.safetensors or clr_embeds.pt, but has neither"),
        ("notes.txt", "must end in .safetensors or .pt"),
    ],
)
def test_missing_file_is_refused_with_path_and_remedy(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "notes.txt").write_text("no tensor", encoding="utf-8")
    with pytest.raises(MflabError, match=words):
        load(tmp_path / name)


def test_plain_tensor_without_metadata_records_nothing(tmp_path: Path) -> None:
    torch.save(embeddings().tensor, tmp_path / "clr_embeds.pt")
    loaded = load(tmp_path)
    assert (loaded.style, loaded.view_names, loaded.texts, loaded.encoder) == (None, None, None, None)


def test_metadata_of_another_tensor_is_refused(tmp_path: Path) -> None:
    torch.save(embeddings().tensor, tmp_path / "clr_embeds.pt")
    (tmp_path / "metadata.json").write_text('{"shape": [6, 77, 768]}', encoding="utf-8")
    with pytest.raises(MflabError, match=r"shape \[6, 77, 768\] that metadata.json states, but has \[2, 5, 8\]"):
        load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_unreadable_metadata_is_refused(tmp_path: Path, text: str) -> None:
    torch.save(embeddings().tensor, tmp_path / "clr_embeds.pt")
    (tmp_path / "metadata.json").write_text(text, encoding="utf-8")
    with pytest.raises(MflabError, match=r"metadata.json"):
        load(tmp_path)


def test_names_and_texts_are_one_per_view() -> None:
    with pytest.raises(MflabError, match="2 views and 1 view names"):
        replace(embeddings(), view_names=("front",))


def test_shared_mouse_file_is_recognised_and_too_narrow(shared: Path) -> None:
    loaded = load(shared / "data" / "prompt_embeds" / "mouse_elevated_clip_l")
    assert loaded.tensor.shape == (6, 77, 768)
    assert (loaded.style, loaded.encoder) == ("mouse_elevated", "openai/clip-vit-large-patch14")
    assert loaded.view_names == FACELIFT_ORDER
    check_width(loaded, 768)
    with pytest.raises(MflabError, match="cross_attention_dim=1024, but got width 768"):
        check_width(loaded, 1024)


def test_shared_normal_file_is_recognised_as_normal(shared: Path) -> None:
    loaded = load(shared / "data" / "prompt_embeds" / "mouse_elevated_clip_l" / "normal_embeds.pt")
    assert (loaded.style, loaded.kind) == ("mouse_elevated", "normal")


def test_shared_facelift_file_fits_its_unet(shared: Path) -> None:
    loaded = load(shared / "data" / "prompt_embeds" / "facelift")
    assert loaded.tensor.shape == (6, 77, 1024)
    check_width(loaded, 1024)


def test_views_of_another_rig_are_refused() -> None:
    check_views(embeddings(), ("front", "back"), "file")
    with pytest.raises(MflabError, match="which has 3, but got 2"):
        check_views(embeddings(), ("front", "back", "left"), "file")
    with pytest.raises(MflabError, match="the views back, front, but got front, back"):
        check_views(embeddings(), ("back", "front"), "file")
