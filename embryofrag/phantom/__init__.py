"""Drawn embryos: frames with exact masks, data sets and archives of them."""

from embryofrag.phantom.archive import write_archive
from embryofrag.phantom.dataset import Mix, write_frames
from embryofrag.phantom.element import ELEMENTS
from embryofrag.phantom.embryo import PhantomEmbryo, draw_embryo, draw_embryo_frame
from embryofrag.phantom.frame import PhantomFrame, draw_frame
from embryofrag.phantom.instrument import INSTRUMENTS
from embryofrag.phantom.out_of_scope import OUT_OF_SCOPE, draw_out_of_scope
from embryofrag.phantom.probe import probe_images
from embryofrag.phantom.two_embryos import draw_two_embryos

__all__ = [
    "ELEMENTS",
    "INSTRUMENTS",
    "OUT_OF_SCOPE",
    "Mix",
    "PhantomEmbryo",
    "PhantomFrame",
    "draw_embryo",
    "draw_embryo_frame",
    "draw_frame",
    "draw_out_of_scope",
    "draw_two_embryos",
    "probe_images",
    "write_archive",
    "write_frames",
]
