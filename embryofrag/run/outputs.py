"""Where results lie below the output folder, and how a frame's pictures get there."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embryofrag.engine.model import UNTRAINED_MARK
from embryofrag.errors import UsageError
from embryofrag.records import Outcome
from embryofrag.run.atomic import make_folder, output_error, sync_folder, write_atomic
from embryofrag.run.results import Item
from embryofrag.run.settings import RunSettings


@dataclass(frozen=True)
class Outputs:
    """The folder tree of one run's results."""

    root: Path

    @property
    def files_csv(self) -> Path:
        return self.root / "files.csv"

    @property
    def embryos_csv(self) -> Path:
        return self.root / "embryos.csv"

    @property
    def run_json(self) -> Path:
        return self.root / "run.json"

    @property
    def embryo_tables(self) -> Path:
        return self.root / "embryos"

    def fragment_mask(self, embryo: str, frame: str) -> Path:
        """8-bit PNG 0/255 of the fragments, in the frame's own pixels."""
        return self.root / "masks" / embryo / f"{frame}.png"

    def embryo_mask(self, embryo: str, frame: str) -> Path:
        """8-bit PNG 0/255 of the embryo, in the frame's own pixels."""
        return self.root / "masks" / embryo / f"{frame}.embryo.png"

    def overlay(self, embryo: str, frame: str) -> Path:
        """The frame with both outlines and its grade."""
        return self.root / "overlays" / embryo / f"{frame}.jpg"

    def pictures(self, embryo: str, frame: str) -> tuple[Path, ...]:
        """Every picture a frame may have."""
        return self.fragment_mask(embryo, frame), self.embryo_mask(embryo, frame), self.overlay(embryo, frame)

    def has_pictures(self, item: Item, settings: RunSettings) -> bool:
        """Whether the pictures that the settings ask for are there; only graded frames have any."""
        if item.outcome is not Outcome.GRADED:
            return True
        fragment, embryo, overlay = self.pictures(item.embryo, item.frame)
        masks_there = not settings.masks or (fragment.exists() and embryo.exists())
        return masks_there and (not settings.overlays or overlay.exists())

    def drop_pictures(self, item: Item) -> None:
        """Remove the pictures of a row that no longer stands for graded pixels.

        Raises:
            OutputError: they cannot be removed.
        """
        if item.frame is None:
            return
        for path in self.pictures(item.embryo, item.frame):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise output_error(path, error) from error

    def sync(self, items: list[Item]) -> None:
        """Make the pictures of freshly graded frames durable before the ledger points at them."""
        graded = {item.embryo for item in items if item.outcome is Outcome.GRADED}
        for embryo in sorted(graded):
            for kind in ("masks", "overlays"):
                if (folder := self.root / kind / embryo).is_dir():
                    sync_folder(folder)


def check_output(out: Path, archive: Path) -> None:
    """Refuse an output folder inside the archive.

    Raises:
        UsageError: it lies in the archive, which is never written to, or is a file.
    """
    real_out, real_archive = out.resolve(), archive.resolve()
    if real_out == real_archive or real_archive in real_out.parents:
        raise UsageError(f"the output folder {out} lies inside the archive {archive}; choose an --out outside of it")
    if out.exists() and not out.is_dir():
        raise UsageError(f"the output {out} is a file; choose a folder")


def make_output(out: Path) -> Outputs:
    """Make the output folder.

    Raises:
        OutputError: it cannot be made.
    """
    make_folder(out)
    return Outputs(out)


def write_pictures(
    outputs: Outputs,
    settings: RunSettings,
    item: Item,
    image: np.ndarray,
    fragment_HW: np.ndarray,
    embryo_HW: np.ndarray,
) -> None:
    """Write the mask PNGs and the overlay of one graded frame, each whole or not at all.

    Args:
        outputs: where.
        settings: which of them.
        item: the frame's row.
        image: uint8 (H, W) or (H, W, 3) RGB, the picture as graded (overlay text blanked).
        fragment_HW: bool, the fragments.
        embryo_HW: bool, the embryo.
    """
    # imported here because a run that finds nothing new needs no OpenCV
    from embryofrag.imaging.overlay import draw_overlay, encode_jpeg
    from embryofrag.imaging.png import encode_mask_png

    if settings.masks:
        path = outputs.fragment_mask(item.embryo, item.frame)
        make_folder(path.parent)
        write_atomic(path, encode_mask_png(fragment_HW))
        write_atomic(outputs.embryo_mask(item.embryo, item.frame), encode_mask_png(embryo_HW))
    if settings.overlays:
        path = outputs.overlay(item.embryo, item.frame)
        make_folder(path.parent)
        write_atomic(path, encode_jpeg(draw_overlay(image, fragment_HW, embryo_HW, caption(item))))


def caption(item: Item) -> list[str]:
    """Lines for an overlay: what a person compares with their own eye."""
    when = f"  {item.hpi:.1f} h" if item.hpi is not None else ""
    lines = [
        f"{item.frame}{when}",
        f"grade {item.grade}  ratio {item.ratio_reg:.3f} (mask {item.ratio_mask:.3f})",
    ]
    if item.referred:
        lines.append(f"referred: {item.refer_reasons.replace('_', ' ')}")
    if UNTRAINED_MARK in item.model:
        lines.append("UNTRAINED model: no meaning")
    return lines
