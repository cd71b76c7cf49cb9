"""Models that come with embryofrag."""

from pathlib import Path

from embryofrag.errors import EmbryofragError

PACKAGE = Path(__file__).resolve().parents[1]
PLACES = (PACKAGE / "shipped", PACKAGE.parent / "engines")
"""In an installed wheel, and in a checkout."""
DEFAULT_MODEL = "reference"
"""What grades where no model is named, if it came with this installation."""


def find_shipped(name: str) -> Path | None:
    """Return the folder of a shipped model; None where no model of that name came with this installation."""
    return next((place / name for place in PLACES if (place / name / "model.json").is_file()), None)


def shipped_model(name: str) -> Path:
    """Return the folder of a shipped model.

    Raises:
        EmbryofragError: no model of that name came with this installation.
    """
    if folder := find_shipped(name):
        return folder
    known = sorted({path.parent.name for place in PLACES for path in place.glob("*/model.json")})
    raise EmbryofragError(
        f"no model {name!r} came with embryofrag: choose one of {', '.join(known) or '(none)'}, or name a model folder"
    )
