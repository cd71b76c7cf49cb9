"""What the reference model does with frames, measured on what `grade` wrote: rows and mask PNGs."""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from embryofrag.archive import ScanOptions, decode_image
from embryofrag.archive.options import ReadLimits
from embryofrag.engine.select import choose_engine
from embryofrag.grading.schemes import SCHEMES, grade_ratio
from embryofrag.run.grade import grade_archive
from embryofrag.run.settings import RunSettings, grading_by, read_calibration
from embryofrag.training.labelled import read_labelled
from embryofrag.training.metrics import count_overlap, dice
from embryofrag.training.row import Row

SCHEME = SCHEMES["regdeeplab"]
TWO_EMBRYOS = "two-embryos"
INCUBATOR_SIZES_PX = ((500, 500), (800, 800))
RADIUS_BINS_PX = (0, 60, 90, 120, 180, 10_000)
"""Of the embryo in the frame's own pixels."""
NEIGHBOURS = 3
"""Frames on either side that an embryo mask of a time-lapse is compared with."""
LEAVES_BELOW_IOU = 0.85
"""An embryo mask that overlaps the median of its neighbours less than this has left the embryo."""


@dataclass(frozen=True, kw_only=True)
class Graded:
    """One frame: what the tables say of it, and the truth where there is one."""

    answer: dict[str, str]
    """Row of ``embryos/<embryo>.csv``."""
    results: Path
    image: Path
    row: Row | None = None

    @property
    def is_graded(self) -> bool:
        return self.answer["outcome"] == "graded"

    @property
    def is_referred(self) -> bool:
        return self.answer["referred"] == "true"

    def ratio(self, column: str) -> float:
        """ratio_reg or ratio_mask, nan where the frame was not graded."""
        return float(self.answer[column] or "nan")

    def mask(self, ending: str, shape: tuple[int, int]) -> np.ndarray:
        """The written mask, bool (H, W); all false where the frame was not graded."""
        if not self.is_graded:
            return np.zeros(shape, bool)
        path = self.results / "masks" / self.answer["embryo"] / f"{self.answer['frame']}{ending}"
        return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE) > 0

    def overlaps(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Pixels in common, predicted, true: of the fragment mask and of the embryo mask."""
        truth = read_labelled(self.row)
        predicted = (self.mask(ending, truth.embryo.shape) for ending in (".png", ".embryo.png"))
        return tuple(count_overlap(*pair) for pair in zip(predicted, (truth.fragment, truth.embryo), strict=True))


def grade_rows(rows: Iterable[Row], model: Path, results: Path, *, num_views: int | None = None) -> list[Graded]:
    """Grade the images of a manifest, each as an embryo of its own; `num_views` as in `grade_folder`."""
    rows = {f"{index:06d}": row for index, row in enumerate(rows)}
    archive = results / "archive"
    archive.mkdir(parents=True)
    for stem, row in rows.items():
        os.link(row.image, archive / f"{stem}{row.image.suffix.lower()}")
    graded = grade_folder(archive, model, results / "results", embryo_by="stem", num_views=num_views)
    return [
        Graded(answer=frame.answer, results=frame.results, image=frame.image, row=rows[frame.image.stem])
        for frame in graded
    ]


def grade_folder(
    archive: Path,
    model: Path,
    results: Path,
    *,
    focal: float | None = 0.0,
    embryo_by: str = "auto",
    num_views: int | None = None,
) -> list[Graded]:
    """Run `grade` with the model's defaults, or other views; returns the frames in the order of the tables."""
    choice = choose_engine(model, num_views=num_views)
    grading = grading_by(choice.model)
    settings = RunSettings(
        scan=ScanOptions(focal_um=focal, embryo_by=embryo_by),
        grading=grading,
        calibration=read_calibration(choice.model, grading),
        overlays=True,
    )
    grade_archive(archive, results, choice, settings, lambda event: None)
    frames = []
    for table in sorted((results / "embryos").glob("*.csv")):
        with table.open(newline="", encoding="utf-8") as file:
            for answer in csv.DictReader(file):
                if answer["outcome"] in ("graded", "no_embryo"):
                    answer["embryo"] = table.stem
                    frames.append(Graded(answer=answer, results=results, image=archive / answer["source"]))
    return frames


def describe_frames(manifest: Path) -> dict[str, dict[str, int]]:
    """Count the frames of a drawn data set by instrument, stage and grade."""
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    counts = {name: Counter(row[name] or "none" for row in rows) for name in ("instrument", "stage", "grade")}
    return {"all": {"frames": len(rows)}} | {name: dict(sorted(counter.items())) for name, counter in counts.items()}


def score_embryos(frames: Sequence[Graded]) -> dict:
    """Score the frames that show one embryo, all together and by look, stage, true grade and size.

    Of two embryos one is graded, and their truth is of both: such frames are counted by `score_out_of_scope` alone.
    """
    measured = [measure(frame) for frame in frames if frame.row.ratio is not None and frame.row.stage != TWO_EMBRYOS]
    groups: dict[str, Callable[[dict], str]] = {
        "frame size": lambda one: one["size"],
        "stage": lambda one: one["stage"] or "unknown",
        "true grade": lambda one: grade_ratio(one["ratio_true"], SCHEME),
        "embryo radius": lambda one: radius_bin(one["radius_px"]),
    }
    parts = {name: split_by(measured, key) for name, key in groups.items()}
    return {
        "all": summarise(measured),
        "by": {
            name: {key: summarise(some) for key, some in sorted(part.items())}
            for name, part in parts.items()
            if len(part) > 1
        },
    }


def split_by(measured: Sequence[dict], key: Callable[[dict], str]) -> dict[str, list[dict]]:
    """Sort measurements into groups."""
    groups = defaultdict(list)
    for one in measured:
        groups[key(one)].append(one)
    return groups


def radius_bin(radius_px: float) -> str:
    """Name the range of a radius.

    >>> radius_bin(75.0), radius_bin(500.0)
    ('060-090 px', '180 px or more')
    """
    place = int(np.searchsorted(RADIUS_BINS_PX, radius_px, side="right"))
    low, high = RADIUS_BINS_PX[place - 1], RADIUS_BINS_PX[place]
    return f"{low} px or more" if high == RADIUS_BINS_PX[-1] else f"{low:03d}-{high:03d} px"


def measure(frame: Graded) -> dict:
    """Compare one frame with its truth."""
    fragment, embryo = frame.overlaps()
    height_px, width_px = read_labelled(frame.row).image.shape[:2]
    return {
        "size": f"{width_px} x {height_px} px" if (width_px, height_px) in INCUBATOR_SIZES_PX else "other (bench)",
        "stage": frame.row.stage,
        "embryo": frame.row.group,
        "ratio_true": frame.row.ratio,
        "ratio_reg": frame.ratio("ratio_reg"),
        "ratio_mask": frame.ratio("ratio_mask"),
        "fragment_px": fragment,
        "embryo_px": embryo,
        "radius_px": float(np.sqrt(embryo[2] / np.pi)),
        "is_graded": frame.is_graded,
        "is_referred": frame.is_referred,
    }


def summarise(measured: Sequence[dict]) -> dict[str, float | int | None]:
    """Return the figures of some frames; frames that were not graded count as empty masks, and have no ratio."""
    truth = np.array([one["ratio_true"] for one in measured])
    fragment, embryo = (np.array([one[name] for one in measured]) for name in ("fragment_px", "embryo_px"))
    graded = np.array([one["is_graded"] for one in measured])
    errors = {name: np.array([one[name] for one in measured]) - truth for name in ("ratio_reg", "ratio_mask")}
    free = graded & (truth == 0)
    figures = {
        "num_frames": len(measured),
        "num_embryos": len({one["embryo"] for one in measured}),
        "not_graded_share": 1 - graded.mean(),
        "referred_share": np.mean([one["is_referred"] for one in measured]),
        "embryo_dice": dice(embryo).mean(),
        "fragment_dice_pooled": float(dice(fragment.sum(axis=0))),
        "fragment_dice_per_image": mean(dice(fragment)[fragment[:, 2] > 0]),
        "num_fragment_free": int(free.sum()),
    }
    for name, error in errors.items():
        figures[f"{name}_mae"] = mean(np.abs(error[graded]))
        figures[f"{name}_bias"] = mean(error[graded])
        figures[f"{name}_largest_error"] = float(np.abs(error[graded]).max()) if graded.any() else None
        figures[f"{name}_fragment_free"] = mean((truth + error)[free])
    return {name: None if value is None or np.isnan(value) else plain(value) for name, value in figures.items()}


def plain(value: float | np.floating) -> float | int:
    """A JSON number: six decimals are enough."""
    return value if isinstance(value, int) else round(float(value), 6)


def mean(values: np.ndarray) -> float | None:
    """Mean, None of nothing."""
    return float(values.mean()) if values.size else None


def score_out_of_scope(frames: Sequence[Graded]) -> dict[str, dict[str, float | int]]:
    """Count what became of frames without a cleavage-stage embryo, and of those of two, by kind."""
    kinds = defaultdict(list)
    for frame in frames:
        if frame.row is None or frame.row.ratio is None or frame.row.stage == TWO_EMBRYOS:
            kinds[frame.row.stage if frame.row else "all"].append(frame)
    return {kind: count_refusals(some) for kind, some in sorted(kinds.items())}


def count_refusals(frames: Sequence[Graded]) -> dict[str, float | int]:
    """Frames in all, shares that ended as no_embryo, that were referred, and that passed as graded."""
    refused = np.mean([not frame.is_graded for frame in frames])
    referred = np.mean([frame.is_graded and frame.is_referred for frame in frames])
    passed = np.mean([frame.is_graded and not frame.is_referred for frame in frames])
    return {
        "num_frames": len(frames),
        "no_embryo_share": plain(refused),
        "referred_share": plain(referred),
        "passed_share": plain(passed),
    }


def score_timelapse(frames: Sequence[Graded], one_cell_runs: int, sheet: Path) -> dict[str, float | int | None]:
    """Follow one embryo: does the outline stay on it, is an embryo of one cell without fragments?

    Args:
        frames: In the order of time.
        one_cell_runs: So many of the first frames show one cell.
        sheet: Where the contact sheet of overlays goes.
    """
    images = [read_image(frame.image) for frame in frames]
    masks = np.stack([frame.mask(".embryo.png", image.shape[:2]) for frame, image in zip(frames, images, strict=True)])
    overlap = [neighbour_iou(masks, place) for place in range(len(masks))]
    overlays = [
        frame.results / "overlays" / frame.answer["embryo"] / f"{frame.answer['frame']}.jpg" for frame in frames
    ]
    write_sheet(sheet, [read_image(path) for path in overlays if path.exists()], columns=24)
    first = frames[:one_cell_runs]
    figures = {name: [frame.ratio(name) for frame in first if frame.is_graded] for name in ("ratio_reg", "ratio_mask")}
    return {
        "num_frames": len(frames),
        "not_graded": sum(not frame.is_graded for frame in frames),
        "leaves_embryo_share": plain(np.mean(np.array(overlap) < LEAVES_BELOW_IOU)),
        "lowest_neighbour_iou": plain(min(overlap)),
        "referred_share": plain(np.mean([frame.is_referred for frame in frames])),
        "num_one_cell": len(first),
        **{f"{name}_one_cell": plain(np.mean(values)) if values else None for name, values in figures.items()},
    }


def neighbour_iou(masks_NHW: np.ndarray, place: int) -> float:
    """Overlap of a mask with the median of its neighbours, 0..1."""
    around = [index for index in range(place - NEIGHBOURS, place + NEIGHBOURS + 1) if index != place]
    neighbours = masks_NHW[[index for index in around if 0 <= index < len(masks_NHW)]]
    median = neighbours.mean(axis=0) >= 0.5
    return float((masks_NHW[place] & median).sum() / max(1, (masks_NHW[place] | median).sum()))


def sheet_of_failures(frames: Sequence[Graded], count: int = 12) -> bytes:
    """JPEG of the drawn frames with the largest errors of the ratio: the frame, the truth, the answer."""
    wrong = [frame for frame in frames if frame.row.ratio is not None and frame.row.stage != TWO_EMBRYOS]
    wrong.sort(key=lambda frame: -error_of(frame))
    tiles = []
    for frame in wrong[:count]:
        truth = read_labelled(frame.row)
        image = truth.image if truth.image.ndim == 3 else cv2.cvtColor(truth.image, cv2.COLOR_GRAY2RGB)
        answer = (frame.mask(".png", truth.embryo.shape), frame.mask(".embryo.png", truth.embryo.shape))
        row = [image, outline(image, truth.fragment, truth.embryo), outline(image, *answer)]
        tile = np.hstack([fit(one, 240) for one in row])
        text = f"{frame.row.stage} true {frame.row.ratio:.2f} head {frame.ratio('ratio_reg'):.2f}"
        cv2.putText(tile, f"{text} masks {frame.ratio('ratio_mask'):.2f}", (6, 232), 0, 0.5, (255, 255, 0), 1, 16)
        tiles.append(tile)
    pairs = [np.hstack(tiles[index : index + 2]) for index in range(0, len(tiles) - 1, 2)]
    return cv2.imencode(".jpg", np.vstack(pairs)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()


def error_of(frame: Graded) -> float:
    """The larger of both modules' errors; 1 where the embryo was not found."""
    if not frame.is_graded:
        return 1.0
    return max(abs(frame.ratio(name) - frame.row.ratio) for name in ("ratio_reg", "ratio_mask"))


def outline(image_HWC: np.ndarray, fragment: np.ndarray, embryo: np.ndarray) -> np.ndarray:
    """Draw both masks' contours: embryo green, fragments red."""
    drawn = np.ascontiguousarray(image_HWC.copy())
    for mask, colour in ((embryo, (0, 220, 0)), (fragment, (255, 60, 60))):
        contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, contours, -1, colour, max(1, round(min(mask.shape) / 300)))
    return drawn


def fit(image_HWC: np.ndarray, size_px: int) -> np.ndarray:
    """Shrink into a square with a black rest."""
    scale = size_px / max(image_HWC.shape[:2])
    size = max(1, round(image_HWC.shape[1] * scale)), max(1, round(image_HWC.shape[0] * scale))
    canvas = np.zeros((size_px, size_px, 3), np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(image_HWC, size, interpolation=cv2.INTER_AREA)
    return canvas


def write_sheet(path: Path, images: Sequence[np.ndarray], columns: int, size_px: int = 160) -> None:
    """Write small pictures in rows."""
    tiles = [fit(one if one.ndim == 3 else cv2.cvtColor(one, cv2.COLOR_GRAY2RGB), size_px) for one in images]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[index : index + columns]) for index in range(0, len(tiles), columns)]
    path.write_bytes(cv2.imencode(".jpg", np.vstack(rows)[:, :, ::-1])[1].tobytes())


def read_image(path: Path) -> np.ndarray:
    """Return the pixels of a file, grey or RGB."""
    return decode_image(path.read_bytes(), ReadLimits(), suffix=path.suffix)[0]
