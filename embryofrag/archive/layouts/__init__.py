"""The archive layouts, one module a family; the first that explains an image wins."""

from embryofrag.archive.layouts import embryoscope, pattern, pdb_dump, plain, plane_in_name
from embryofrag.archive.layouts.identity import Layout

LAYOUTS: dict[str, Layout] = {
    "pattern": pattern.explain,
    "pdb_dump": pdb_dump.explain,
    "embryoscope": embryoscope.explain,
    "plane_in_name": plane_in_name.explain,
    "plain": plain.explain,
}
"""Name -> layout, in the order tried. ``plain`` explains everything."""
