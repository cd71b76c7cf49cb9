"""Drawn frames of what is out of scope for grading cleavage-stage embryos: their masks are empty."""

import math

import numpy as np

from embryofrag.phantom.blastocyst import FORMS, draw_form, paint_blastocyst
from embryofrag.phantom.degenerate import paint_degenerate
from embryofrag.phantom.frame import PhantomFrame
from embryofrag.phantom.leftovers import paint_leftovers
from embryofrag.phantom.lightless import make_black, make_blank
from embryofrag.phantom.morula import paint_morula
from embryofrag.phantom.scene import Scene, draw_scene, open_stream, photograph

OUT_OF_SCOPE = ("empty", "blastocyst", "morula", "degenerate", "blank", "black")
"""Every kind."""

_PAINTERS = {
    "empty": paint_leftovers,
    "morula": paint_morula,
    "degenerate": paint_degenerate,
}
_LIGHTS = {"blank": make_blank, "black": make_black}


def draw_out_of_scope(
    seed: int, *, kind: str, instrument: str = "embryoscope", well: int | None = None, hpi: float | None = None
) -> PhantomFrame:
    """Draws one frame without a cleavage-stage embryo, fully determined by its arguments.

    Args:
        seed: Not negative.
        kind: One of `OUT_OF_SCOPE`; it becomes the frame's stage.
        instrument: A key of `INSTRUMENTS`.
        well: Well number to burn in, where the instrument does so.
        hpi: Hours post insemination to burn in, where the instrument does so.

    Returns:
        The frame; its masks are empty, its ratio is nan.

    Raises:
        UsageError: No such instrument.
        ValueError: No such kind.
    """
    if kind not in OUT_OF_SCOPE:
        raise ValueError(f"kind is {kind!r}, not one of {', '.join(OUT_OF_SCOPE)}")
    scene, field_HW = _paint(seed, kind, instrument)
    no_mask = np.zeros((2, *scene.kind.shape), bool)
    return PhantomFrame(
        image=photograph(scene, field_HW, well=well, hpi=hpi),
        fragment_mask=no_mask[0],
        embryo_mask=no_mask[1],
        ratio=math.nan,
        stage=kind,
        num_cells=0,
        instrument=instrument,
        seed=seed,
        um_per_px=scene.look.um_per_px,
    )


def _paint(seed: int, kind: str, instrument: str) -> tuple[Scene, np.ndarray]:
    """The scene of that kind and what is painted in it, (H, W) float32 contrast."""
    if kind == "blastocyst":
        form_name = draw_form(open_stream(seed, "stage"))
        form = FORMS[form_name]
        scene = draw_scene(seed, instrument, radius_um=form.radius_um, thickness_um=form.thickness_um)
    else:
        scene = draw_scene(seed, instrument)
    field_HW = np.zeros(scene.kind.shape, np.float32)
    if kind == "blastocyst":
        paint_blastocyst(field_HW, scene, form_name)
    elif kind in _PAINTERS:
        _PAINTERS[kind](field_HW, scene)
    else:
        scene = _LIGHTS[kind](scene)
    return scene, field_HW
