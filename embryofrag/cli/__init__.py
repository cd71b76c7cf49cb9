"""The command line: a command parses, calls one function, prints."""

from embryofrag.cli import engines, grading, phantoms, report, training
from embryofrag.cli.group import main

__all__ = ["engines", "grading", "main", "phantoms", "report", "training"]
