"""Write docs/cli.md from the commands' own help.

python tools/cli_reference.py            (writes it)
python tools/cli_reference.py --check    (fails if it is stale)
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from embryofrag.cli import main as embryofrag

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
WIDTH = 100


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and everything below it, depth first, in the order of the help."""
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from commands(command.commands[name], (*path, name))


def reference() -> str:
    """The whole page."""
    parts = ["# Command reference\n\nWritten by `python tools/cli_reference.py` from the commands' own help.\n"]
    for path, command in commands(embryofrag, ("embryofrag",)):
        parent = click.Context(click.Group(), info_name=" ".join(path[:-1])) if path[1:] else None
        context = click.Context(
            command, info_name=path[-1], parent=parent, max_content_width=WIDTH, terminal_width=WIDTH
        )
        help_text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        parts.append(f"## {' '.join(path)}\n\n```\n{help_text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(0 if PAGE.read_text() == reference() else f"{PAGE.name} is stale: run python tools/cli_reference.py")
    PAGE.write_text(reference())
