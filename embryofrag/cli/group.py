"""The command group: how errors end, and what options share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from embryofrag import __version__
from embryofrag.errors import EmbryofragError

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
FOLDER = click.Path(path_type=Path, file_okay=True, dir_okay=True)


class Cli(click.Group):
    """Shows our own errors as one sentence and ends with their exit code; anything else is a bug and a traceback."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except EmbryofragError as error:
            failure = click.ClickException(str(error))
            failure.exit_code = error.exit_code
            raise failure from error


@click.group(cls=Cli, context_settings=CONTEXT_SETTINGS)
@click.version_option(__version__, prog_name="embryofrag")
def main() -> None:
    """Grade the fragmentation of cleavage-stage embryos in image archives.

    Research use only. An archive is only ever read.

    \b
    Exit codes: 0 all done, 1 stopped by an error, 2 wrong usage,
                3 finished, but some files are in trouble (files.csv says which and why)
    """


@contextmanager
def needs_extra(extra: str, doing: str) -> Iterator[None]:
    """Turn a package that is not installed into one sentence with the remedy."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise EmbryofragError(
            f"{doing} needs {error.name}, which is not installed: pip install 'embryofrag[{extra}]'"
        ) from error
