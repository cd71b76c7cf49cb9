"""The documents say what the program does."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from embryofrag.cli import main
from embryofrag.grading.embryo import WINDOW_COLUMNS
from embryofrag.records import Outcome
from embryofrag.run.tables import EMBRYO_COLUMNS, FILE_COLUMNS, FRAME_COLUMNS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def all_commands(group: click.Group, path: str = "embryofrag"):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(all_commands(main))


def test_the_command_reference_is_fresh():
    run = subprocess.run(
        [sys.executable, ROOT / "tools" / "cli_reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name):
    lines = [line.strip() for line in COMMANDS[name].help.splitlines()]
    assert lines[lines.index("Example:") + 1].startswith(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_in_the_pages_exist(page):
    for line in re.findall(r"^ *(?:\$ )?(embryofrag .+)$", page.read_text(), re.M):
        words = line.split("#")[0].split()
        command, path = main, ["embryofrag"]
        while isinstance(command, click.Group) and len(words) > len(path) and words[len(path)] in command.commands:
            command = command.commands[words[len(path)]]
            path.append(words[len(path)])
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        options = {word.split("=")[0] for word in words[len(path) :] if word.startswith("--")}
        assert options <= known | {"--help"}, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_output_column_and_outcome_is_explained():
    text = (ROOT / "docs" / "outputs.md").read_text()
    for column in {*FILE_COLUMNS, *FRAME_COLUMNS, *EMBRYO_COLUMNS, *(f"_{name}" for name in WINDOW_COLUMNS)}:
        assert f"{column}`" in text, column
    for outcome in Outcome:
        assert f"`{outcome}`" in text, outcome


def test_the_two_commands_stand_at_the_top_of_the_readme():
    top = (ROOT / "README.md").read_text()[:1500]
    assert "make demo" in top
    assert "make test" in top
