"""embryofrag: batch grading of embryo fragmentation from time-lapse and microscope archives."""

__version__ = "0.1.0"
