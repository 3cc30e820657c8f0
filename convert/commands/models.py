"""`faceguard models`: what there is, what is here, and bringing one to the other."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from faceguard.engines.catalogue import Catalogue, Entry, read_catalogue
from faceguard.engines.errors import FaceguardError, ModelError, OutputError
from faceguard.engines.store import State, state_of

HELP = "Lists, fetches and checks models and samples."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares list, pull and verify."""
    group = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = group.add_parser("list", help="what there is, and what of it is on this machine")
    listing.add_argument("--json", action="store_true", help="as JSON, for programs")
    listing.set_defaults(act=_list)
    pulling = group.add_parser("pull", help="fetch by name, check the hash, make it ready")
    pulling.add_argument(
        "names", nargs="*", metavar="NAME", help="models and samples; none: the default detector"
    )
    pulling.add_argument("--all", action="store_true", help="everything in the catalogue")
    pulling.add_argument("--for-tests", action="store_true", help="what the test suite uses")
    pulling.set_defaults(act=_pull)
    verifying = group.add_parser(
        "verify", help="check hashes; exit code 3 where something is corrupt or missing"
    )
    verifying.add_argument(
        "names", nargs="*", metavar="NAME", help="models and samples; none: all that are here"
    )
    verifying.set_defaults(act=_verify)


def run(options: argparse.Namespace) -> int:
    """Does what was asked.

    Args:
        options: From `add_arguments`.

    Returns:
        The exit code.

    Raises:
        FaceguardError: The catalogue is broken, a name unknown, or a setting wrong.
    """
    code: int = options.act(options, read_catalogue())
    return code


def _list(options: argparse.Namespace, catalogue: Catalogue) -> int:
    states = {name: state_of(entry, catalogue) for name, entry in catalogue.entries.items()}
    if options.json:
        rows = [
            {
                **entry.model_dump(include={"name", "kind", "task", "licence", "bytes", "sha256"}),
                "default": name == catalogue.default,
                "state": states[name][0].value,
                "path": states[name][1] if states[name][0] is State.READY else None,
            }
            for name, entry in catalogue.entries.items()
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    table = [("NAME", "TASK", "LICENCE", "SIZE", "STATE")]
    for name, entry in catalogue.entries.items():
        label = f"{name} (default)" if name == catalogue.default else name
        state = states[name][0].value
        table.append((label, entry.task, entry.licence, _size(entry), state))
    widths = [max(len(row[column]) for row in table) for column in range(5)]
    for row in table:
        cells = [
            cell.rjust(width) if column == 3 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    return 0


def _pull(options: argparse.Namespace, catalogue: Catalogue) -> int:
    # Only here: converting packages are heavy, and `list` and `verify` do without.
    from faceguard.convert.pull.puller import Puller

    entries = _named(options.names, catalogue)
    if options.all or options.for_tests:
        entries += [entry for entry in catalogue.entries.values() if options.all or entry.tests]
    if not entries:
        entries = [catalogue.entry(catalogue.default)]
    code = 0
    with Puller(catalogue, say=_say) as puller:
        for entry in dict.fromkeys(entries):
            failure = _pull_one(puller.pull, entry)
            code = code or failure
    return code


def _pull_one(pull: Callable[[Entry], str], entry: Entry) -> int:
    """One entry; a failure is told and does not stop the next, but a bad store would."""
    try:
        outcome = pull(entry)
    except OutputError:
        raise
    except FaceguardError as error:
        _say(f"faceguard: {error}")
        return error.exit_code
    done = "already here" if outcome == "kept" else "ready"
    sys.stdout.write(f"{entry.name}: {done}, {_size(entry)}, licence: {entry.licence}\n")
    sys.stdout.flush()
    return 0


def _verify(options: argparse.Namespace, catalogue: Catalogue) -> int:
    entries = _named(options.names, catalogue) or list(catalogue.entries.values())
    checked = 0
    bad = False
    for entry in dict.fromkeys(entries):
        state, detail = state_of(entry, catalogue)
        if state is State.MISSING and not options.names:
            continue
        checked += 1
        if state is State.READY:
            sys.stdout.write(f"{entry.name}: ready ({detail})\n")
        else:
            bad = True
            _say(f"faceguard: {detail}")
    if not checked:
        _say("faceguard: nothing was pulled yet: run `faceguard models pull`")
    return ModelError.exit_code if bad or not checked else 0


def _named(names: list[str], catalogue: Catalogue) -> list[Entry]:
    """Looks all names up before anything is done."""
    return [catalogue.entry(name) for name in names]


def _size(entry: Entry) -> str:
    if entry.bytes < 1_000_000:
        return f"{entry.bytes / 1e3:.0f} kB"
    return f"{entry.bytes / 1e6:.1f} MB"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
