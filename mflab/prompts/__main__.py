"""`python -m mflab.prompts list | make | compare | check`: texts, embedding files and their similarity."""

import argparse
import json
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from mflab.errors import MflabError
from mflab.prompts.cfg import EncoderKind, PromptsCfg
from mflab.prompts.embeddings import PromptEmbeddings, check_views, check_width
from mflab.prompts.files import load, save
from mflab.prompts.make import make_embeddings
from mflab.prompts.similarity import DEFINITIONS, between, content_range, within
from mflab.prompts.styles import FACELIFT_ORDER
from mflab.prompts.styles_shipped import KINDS, STYLES

FACELIFT_AZIMUTHS = (0.0, 45.0, 90.0, 180.0, 270.0, 315.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0, or 2 after one line on stderr."""
    args = _parser().parse_args(arguments)
    # Texts are long and exact: a file or a pipe gets them unbroken.
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False)
    try:
        args.run(args, console)
    except MflabError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mflab.prompts", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("list", help="all styles with their templates and sources")
    command.set_defaults(run=_list)

    command = commands.add_parser("make", help="write and encode the prompts of a style")
    command.add_argument("--style", required=True)
    command.add_argument("--encoder", required=True, choices=[EncoderKind.hashed.name, EncoderKind.clip.name])
    command.add_argument("--path", default="", help="clip: folder or model id with tokenizer and text encoder")
    command.add_argument("--width", type=int, default=PromptsCfg.width, help="hashed: channels of a token")
    command.add_argument("--length", type=int, default=PromptsCfg.length, help="hashed: tokens of a prompt")
    command.add_argument("--views", nargs="+", default=list(FACELIFT_ORDER), help="view names in slot order")
    command.add_argument("--azimuths", nargs="+", type=float, default=list(FACELIFT_AZIMUTHS), help="degrees")
    command.add_argument("--elevations", nargs="+", type=float, default=[0.0], help="degrees, one or one per view")
    command.add_argument("--kind", choices=KINDS, default=KINDS[0])
    command.add_argument("--out", required=True, help="folder for embeddings.safetensors")
    command.set_defaults(run=_make)

    command = commands.add_parser("compare", help="similarity within files and between two")
    command.add_argument("first")
    command.add_argument("second", nargs="?")
    command.set_defaults(run=_compare)

    command = commands.add_parser("check", help="whether a file fits a UNet and a number of views")
    command.add_argument("file")
    command.add_argument("--width", type=int, required=True, help="the UNet's cross_attention_dim")
    command.add_argument("--views", nargs="+", help="the rig's view names in slot order")
    command.set_defaults(run=_check)
    return parser


def _list(args: argparse.Namespace, console: Console) -> None:
    table = Table("style", "view words", "colour text", "normal text", "source")
    for style in STYLES.values():
        table.add_row(style.name, style.view_set, style.colour, style.normal or "-", style.source)
    console.print(table)


def _make(args: argparse.Namespace, console: Console) -> None:
    elevations = args.elevations * len(args.views) if len(args.elevations) == 1 else args.elevations
    cfg = PromptsCfg(
        style=args.style, encoder=EncoderKind[args.encoder], width=args.width, length=args.length, path=args.path
    )
    embeddings = make_embeddings(cfg, args.style, args.views, args.azimuths, elevations, args.kind)
    path = save(embeddings, args.out)
    for name, text in zip(embeddings.view_names or (), embeddings.texts or (), strict=True):
        console.print(f"{name}: {text}", markup=False)
    console.print(f"wrote {path}", markup=False, soft_wrap=True)
    _print_json({"path": str(path), "sha256": embeddings.sha256, "shape": list(embeddings.tensor.shape)})


def _compare(args: argparse.Namespace, console: Console) -> None:
    for name, text in DEFINITIONS.items():
        console.print(f"{name}: {text}", markup=False, soft_wrap=True)
    files = {path: load(path) for path in (args.first, args.second) if path}
    if args.first == args.second:
        raise MflabError(f"compare needs two different files, but got {args.first} twice; leave the second out.")
    spreads: dict[str, dict[str, list[float]]] = {}
    record: dict[str, object] = {"within": spreads, "between": None}
    for path, embeddings in files.items():
        start, stop = content_range(embeddings.tensor)
        spread = within(embeddings)
        spreads[path] = {name: list(values[:3]) for name, values in spread.items()}
        console.print(f"\nwithin {_describe(path, embeddings)}", markup=False, soft_wrap=True)
        table = Table("definition", "min", "mean", "max")
        for name, values in spread.items():
            table.add_row(name, *(f"{value:.4f}" for value in values[:3]))
        console.print(table)
        num_pairs = next(iter(spread.values())).n
        where = f"content positions {start} to {stop - 1}" if stop > start else "no content: all prompts are equal"
        console.print(f"{num_pairs} pairs of views; {where}")
    if len(files) == 2:
        first, second = files.values()
        try:
            values = between(first, second)
        except MflabError as error:
            # Not a failure of the command: that there is no cosine is the answer.
            console.print(f"\nbetween the files: {error}", markup=False, soft_wrap=True)
            record["between_reason"] = str(error)
        else:
            record["between"] = values
            slots = [str(i) for i in range(first.num_views)]
            console.print("\nbetween the files, per slot")
            table = Table("definition", *slots, "mean")
            for name, row in values.items():
                table.add_row(name, *(f"{value:.4f}" for value in (*row, sum(row) / len(row))))
            console.print(table)
    _print_json(record)


def _check(args: argparse.Namespace, console: Console) -> None:
    embeddings = load(args.file)
    check_width(embeddings, args.width)
    if args.views:
        check_views(embeddings, tuple(args.views), args.file)
    console.print(f"{_describe(args.file, embeddings)} fits cross_attention_dim={args.width}", markup=False)
    _print_json({"fits": True, "sha256": embeddings.sha256, **embeddings.metadata})


def _describe(path: str, embeddings: PromptEmbeddings) -> str:
    shape = ", ".join(str(size) for size in embeddings.tensor.shape)
    style = embeddings.style or "not recorded"
    return f"{path}: ({shape}), style {style}, encoder {embeddings.encoder or 'not recorded'}"


def _print_json(record: dict[str, object]) -> None:
    """Writes the last line of output: one JSON object for scripts."""
    sys.stdout.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    sys.exit(main())
