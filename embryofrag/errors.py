"""What can go wrong, and with which exit code a run then ends.

Two kinds: trouble with one input (`ItemError`) becomes a row and the run goes on; everything else
(`EmbryofragError`) stops the run with one sentence and its remedy.
"""

from embryofrag.records import Outcome

EXIT_OK = 0
EXIT_FATAL = 1
EXIT_USAGE = 2
EXIT_ITEMS_FAILED = 3


class EmbryofragError(Exception):
    """Stops the run. The message is one sentence for the user, with the remedy."""

    exit_code = EXIT_FATAL


class UsageError(EmbryofragError):
    """The command was asked for something that cannot be."""

    exit_code = EXIT_USAGE


class ItemError(Exception):
    """Trouble with one input file: becomes its row, and the run goes on."""

    def __init__(self, outcome: Outcome, reason: str):
        super().__init__(f"{outcome}: {reason}")
        self.outcome = outcome
        self.reason = reason
