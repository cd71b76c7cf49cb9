"""Drawn embryos: frames with exact masks, data sets and archives of them."""

from embryofrag.phantom.archive import write_archive
from embryofrag.phantom.dataset import write_frames
from embryofrag.phantom.embryo import PhantomEmbryo, draw_embryo, draw_embryo_frame
from embryofrag.phantom.frame import PhantomFrame, draw_frame
from embryofrag.phantom.instrument import INSTRUMENTS
from embryofrag.phantom.probe import probe_images

__all__ = [
    "INSTRUMENTS",
    "PhantomEmbryo",
    "PhantomFrame",
    "draw_embryo",
    "draw_embryo_frame",
    "draw_frame",
    "probe_images",
    "write_archive",
    "write_frames",
]
