"""report."""

from datetime import date
from pathlib import Path

import click

from embryofrag.cli.group import FOLDER, main, needs_extra
from embryofrag.errors import UsageError

FILE = click.Path(path_type=Path, dir_okay=False)


class Day(click.ParamType):
    """A date YYYY-MM-DD."""

    name = "date"

    def convert(self, value, param, ctx) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date YYYY-MM-DD", param, ctx)


DAY = Day()


@main.command()
@click.argument("out", type=FOLDER)
@click.option("--to", "folder", type=FOLDER, help="Folder for the report. [default: OUT/report]")
@click.option("--since", type=DAY, metavar="DATE", help="Only embryos from this day on (YYYY-MM-DD).")
@click.option("--until", type=DAY, metavar="DATE", help="Only embryos up to this day.")
@click.option("--by", type=click.Choice(["week", "month"]), default="week", show_default=True,
    help="Period of the summary and of a point of the control charts.")  # fmt: skip
@click.option("--scheme", help="Grade the stored ratios by another scheme: regdeeplab, istanbul-2011.")
@click.option("--human", type=FILE, metavar="CSV",
    help="Grades by people: embryo, rater, grade or ratio, and frame, date where known.")  # fmt: skip
@click.option("--overrides", type=FILE, metavar="CSV",
    help="Grades set in place of the machine's: embryo, grade, who, when, why.")  # fmt: skip
@click.option("--context", type=FILE, metavar="CSV",
    help="What no archive says: embryo or slide, and instrument, date, patient, operator.")  # fmt: skip
@click.option("--baseline", "baseline_span", type=(DAY, DAY), metavar="START END",
    help="Days that set the limits of the control charts. [default: first 8 periods with enough cases]")  # fmt: skip
@click.option("--baseline-file", type=FILE, metavar="JSON", help="A baseline that --freeze-baseline stored.")
@click.option("--freeze-baseline", type=FILE, metavar="JSON", help="Store the baseline for later reports.")
@click.option("--change", "changes", multiple=True, metavar="DATE=TEXT",
    help="A known change, marked in the charts, where rules begin anew; repeatable.")  # fmt: skip
@click.option("--min-n", type=int, default=10, show_default=True, help="Cases that a point needs to be judged.")
@click.option("--overlays", type=click.Choice(["some", "all", "none"]), default="some", show_default=True,
    help="Whose pictures are written: some of the referred and other embryos, all, none.")  # fmt: skip
@click.option("--delimiter", type=click.Choice(["comma", "semicolon", "tab"]), default="semicolon", show_default=True,
    help="Of the CSV files for spreadsheets.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def report(out: Path, folder: Path | None, changes: tuple[str, ...], as_json: bool, **options) -> None:
    """Make workbook, page, pictures and tables of the results in OUT (needs the `report` extra).

    Reads what a finished run left and grades nothing again.

    \b
    Example:
      embryofrag report /results/2024 --by month --human grades.csv --change 2024-06-01="new lamp"
    """
    with needs_extra("report", "a report"):
        from embryofrag.report.choices import ReportChoices
        from embryofrag.report.make import make_report

        choices = ReportChoices(changes=tuple(map(_change, changes)), **options)
        made = make_report(out, folder, choices, lambda doing: click.echo(doing, err=True))
    if as_json:
        click.echo(made.document.decode(), nl=False)
    else:
        _print_made(made)


def _change(text: str):
    from embryofrag.report.control import Change

    day, separator, words = text.partition("=")
    try:
        if not (separator and words):
            raise ValueError
        return Change(day=date.fromisoformat(day), text=words)
    except ValueError:
        raise UsageError(f"--change is DATE=TEXT such as 2024-06-01=lamp, not {text}") from None


def _print_made(made) -> None:
    results = made.contents.results
    num_referred = int(results.embryos["referred"].fillna(False).sum())
    click.echo(f"{len(results.files)} files, {len(results.embryos)} embryos, {num_referred} of them referred")
    for chart in made.contents.charts:
        if chart.is_out_of_control:
            click.echo(f"out of control: {chart.title}")
    click.echo(f"report in {made.folder}/: report.xlsx, report.html, report.json, csv/, csv-excel/")
    click.echo("Research use only. Not a medical device; no advice about any embryo.")
