"""Elements of the drawing that can be left out, so that their worth for training can be measured."""

from embryofrag.errors import UsageError

ELEMENTS = (
    "pressed_cells",
    "polar_bodies",
    "perivitelline_matter",
    "pale_fragments",
    "refractile_fragments",
    "mosaics",
    "nuclei",
    "crescents",
    "debris",
    "varied_looks",
)
"""`pressed_cells`: cells flat where they meet are round instead. `pale_fragments`, `refractile_fragments` and `mosaics`
(cells shattered into packed pieces): fragments of that kind look like all others instead. `nuclei`: pronuclei, nuclei
and vacuoles. `crescents`: bright and dark lenses, also on and between cells. `debris`: cumulus, dust, sperm, scratches
and bubbles. `varied_looks`: contrasts, light and camera beyond the instrument's usual ranges."""


def check_elements(without: frozenset[str]) -> None:
    """Passes where every name is one of `ELEMENTS`.

    Raises:
        UsageError: One is not.
    """
    unknown = sorted(without - set(ELEMENTS))
    if unknown:
        raise UsageError(f"No element is called {unknown[0]!r}: choose from {', '.join(ELEMENTS)}.")
