"""`python -m mflab.sweep.store`: what a store holds, what may go, and whether it is whole."""

import argparse
import json
import sys
from collections.abc import Sequence

from rich.console import Console

from mflab.errors import MflabError
from mflab.sweep.store.collect import collect
from mflab.sweep.store.entry import Kind
from mflab.sweep.store.process import writer_of
from mflab.sweep.store.store import Store
from mflab.sweep.store.tables import print_contents, size_text

DEFAULT_URL = "outputs/store"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0, 1 after damage, or 2 after one line on stderr."""
    args = _parser().parse_args(arguments)
    # Names are long and exact: a file or a pipe gets them unbroken.
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False, soft_wrap=True, markup=False)
    try:
        return _run(args, console)
    except MflabError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 2


def _run(args: argparse.Namespace, console: Console) -> int:
    store = Store(args.url)
    try:
        if store.files.is_present():
            return args.run(store, args, console)
    except OSError as error:
        raise MflabError(
            f"A store must be reachable, but {store.url} is not ({error}); see to the place, its rights and its keys."
        ) from error
    raise MflabError(
        f"A store must exist to be looked at, but there is none at {store.url}; name the folder or URL that "
        "paths.store of your sweeps sets, or run a sweep first."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mflab.sweep.store", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("list", help="what the store holds, who references it, who uses it")
    command.set_defaults(run=_list)

    command = commands.add_parser("gc", help="remove states that no sweep needs any more")
    command.add_argument("--dry-run", action="store_true", help="only say what would go")
    command.add_argument("--leaves", action="store_true", help="also the final states of finished trials")
    command.add_argument("--unreferenced", action="store_true", help="also histories and divergences of no sweep")
    command.add_argument("--damaged", action="store_true", help="also damaged entries that were set aside")
    command.set_defaults(run=_gc)

    command = commands.add_parser("verify", help="read everything and set damaged entries aside")
    command.set_defaults(run=_verify)

    for command in commands.choices.values():
        command.add_argument("url", nargs="?", default=DEFAULT_URL, help=f"folder or URL; {DEFAULT_URL} by default")
    return parser


def _list(store: Store, args: argparse.Namespace, console: Console) -> int:
    _print_json(print_contents(store, console))
    return 0


def _gc(store: Store, args: argparse.Namespace, console: Console) -> int:
    collected = collect(store, not args.leaves, args.dry_run, args.unreferenced, args.damaged)
    for path in (*(f"states/{name}" for name in collected.states), *collected.others):
        console.print(f"{'would remove' if args.dry_run else 'removed'} {path}")
    verb, size = "would free" if args.dry_run else "freed", size_text(collected.freed_bytes)
    console.print(
        f"{store.url}: {verb} {size}: {len(collected.states)} states and {len(collected.others)} other files."
    )
    unclear = [
        path for path, _ in store.files.unfinished() if (found := writer_of(path)) is None or not found.has_ended
    ]
    if unclear:
        console.print("Left alone, since their writers may be at work, on another machine or in another container:")
        for path in unclear:
            console.print(f"  {path}")
    _print_json(
        {
            "dry_run": args.dry_run,
            "states": len(collected.states),
            "others": len(collected.others),
            "freed_bytes": collected.freed_bytes,
        }
    )
    return 0


def _verify(store: Store, args: argparse.Namespace, console: Console) -> int:
    whole = sum(store.verify(kind, name) is not None for kind in Kind for name in store.names(kind))
    for damage in store.damages:
        where = f"set aside at {damage.moved_to}" if damage.moved_to else "another process has set it aside"
        console.print(f"damaged: {damage.kind.name} {damage.name}: {damage.reason}; {where}")
    console.print(f"{store.url}: {whole} entries are whole, {len(store.damages)} were damaged.")
    if store.damages:
        console.print("A sweep that still needs one makes it again, from its parent; a finished sweep needs none.")
        console.print("`gc --damaged` removes what was set aside.")
    _print_json({"whole": whole, "damaged": len(store.damages)})
    return 1 if store.damages else 0


def _print_json(record: dict[str, object]) -> None:
    """Writes the last line of output: one JSON object for scripts."""
    sys.stdout.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    sys.exit(main())
