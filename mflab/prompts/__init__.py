"""Prompts: styles of text, encoders, embedding files and their similarity."""

from mflab.prompts.cfg import EncoderKind, PromptsCfg, ViewNaming
from mflab.prompts.clip import ClipEncoder
from mflab.prompts.embeddings import PromptEmbeddings, check_views, check_width
from mflab.prompts.encoders import HashedEncoder, TextEncoder
from mflab.prompts.files import load, save
from mflab.prompts.make import make_embeddings, make_encoder, slot_names
from mflab.prompts.similarity import DEFINITIONS, between, within
from mflab.prompts.styles import (
    FACELIFT_ORDER,
    STYLES,
    VIEW_SETS,
    PromptStyle,
    get_style,
    identify_style,
    write_prompts,
)

__all__ = [
    "DEFINITIONS",
    "FACELIFT_ORDER",
    "STYLES",
    "VIEW_SETS",
    "ClipEncoder",
    "EncoderKind",
    "HashedEncoder",
    "PromptEmbeddings",
    "PromptStyle",
    "PromptsCfg",
    "TextEncoder",
    "ViewNaming",
    "between",
    "check_views",
    "check_width",
    "get_style",
    "identify_style",
    "load",
    "make_embeddings",
    "make_encoder",
    "save",
    "slot_names",
    "within",
    "write_prompts",
]
