"""One labelled frame, as a line of the manifest states it."""

from dataclasses import dataclass
from pathlib import Path

from embryofrag.imaging.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An image with its labels, and with what says which rows belong to the same embryo."""

    line: int
    """Line of the manifest, 1 being the header."""
    image: Path
    name: str = ""
    """The image as the manifest writes it, the same wherever the data set is moved to."""
    fragment_mask: Path | None = None
    embryo_mask: Path | None = None
    labelme: Path | None = None
    """LabelMe JSON, in place of the two masks."""
    ratio: float | None = None
    """Fragmentation ratio, 0..1: as given, else measured on the masks; None where neither exists."""
    grade: str | None = None
    """A grade of the manifest's scheme, as given."""
    patient: str = ""
    slide: str = ""
    well: str = ""
    stage: str = ""
    window: Window | None = None
    """For a network that looks at the embryo alone, the part of the frame to show where no label says where the embryo
    is (`embryofrag.training.windows`)."""

    @property
    def kind(self) -> str:
        """``paired`` with masks, else ``ratio_only`` or ``grade_only``."""
        if self.labelme or self.fragment_mask:
            return "paired"
        return "grade_only" if self.ratio is None else "ratio_only"

    @property
    def group(self) -> str:
        """What a split never cuts: the patient, else slide and well, else the image alone.

        >>> Row(line=2, image=Path("a.png"), patient="P7", slide="S1", well="3").group
        'patient P7'
        >>> Row(line=2, image=Path("a.png"), slide="S1", well="3").group
        'slide S1 well 3'
        >>> Row(line=2, image=Path("/data/a.png"), name="a.png").group
        'image a.png'
        """
        if self.patient:
            return f"patient {self.patient}"
        if self.slide:
            return f"slide {self.slide} well {self.well}" if self.well else f"slide {self.slide}"
        return f"image {self.name or self.image.as_posix()}"
