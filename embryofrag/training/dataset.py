"""Rows -> batches of canvases, masks and truths.

Shape legend: N image, K class (0 fragment, 1 embryo), H and W pixels of the canvas, C channel.

A frame goes the way it goes when it is graded: decode, blank the overlay, cut out the embryo where the model looks at
that alone, letterbox. A sample depends on the seed, the epoch and its index alone, so the number of workers and of
processes changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision import tv_tensors

from embryofrag.archive import blank_overlay
from embryofrag.errors import EmbryofragError, ItemError
from embryofrag.grading.ratio import measure_masks
from embryofrag.grading.schemes import Scheme
from embryofrag.imaging.letterbox import Letterbox, letterbox
from embryofrag.imaging.window import Window, enclosing_circle, window_around
from embryofrag.training.augment import AugmentConfig, build_augment
from embryofrag.training.labelled import LabelledFrame, read_labelled
from embryofrag.training.row import Row


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """N samples; a single sample is a batch of one."""

    images_NHWC: Tensor
    """uint8 RGB."""
    masks_NKHW: Tensor
    """float32, 0 or 1; all 0 where there are no masks."""
    has_masks_N: Tensor
    """bool: paired rows."""
    ratio_N: Tensor
    """float32, the true ratio 0..1 before augmentation; nan for grade-only rows and where there is no embryo."""
    interval_N2: Tensor
    """float32, least and greatest ratio of the grade; 0 and 1 where the row states none."""
    index_N: Tensor
    """int64, place in the dataset's rows."""

    def __len__(self) -> int:
        return len(self.index_N)

    def to(self, device: torch.device | str) -> "Batch":
        """Copy to a device."""
        return Batch(**{name: getattr(self, name).to(device) for name in self.__slots__})


def collate(samples: list[Batch]) -> Batch:
    """Join batches along N."""
    return Batch(**{name: torch.cat([getattr(sample, name) for sample in samples]) for name in Batch.__slots__})


def grade_interval(grade: str | None, scheme: Scheme) -> tuple[float, float]:
    """Return the least and greatest ratio of a grade, and all of 0..1 for no grade.

    >>> from embryofrag.grading.schemes import SCHEMES
    >>> [grade_interval(grade, SCHEMES["regdeeplab"]) for grade in ("A", "C", "D", None)]
    [(0.0, 0.1), (0.25, 0.5), (0.5, 1.0), (0.0, 1.0)]
    """
    if grade is None:
        return 0.0, 1.0
    edges = (0.0, *scheme.cuts, 1.0)
    place = scheme.grades.index(grade)
    return edges[place], edges[place + 1]


class FrameDataset(Dataset):
    """Samples of rows, each a `Batch` of one."""

    def __init__(
        self,
        rows: tuple[Row, ...],
        input_px: int,
        *,
        scheme: Scheme,
        augment: AugmentConfig | None,
        seed: int,
        diameter_share: float | None = None,
    ):
        """Take rows as `read_manifest` returns them.

        Args:
            rows: what to draw samples from.
            input_px: Side of the canvas.
            scheme: whose grades the rows state.
            augment: None for the frames as they are.
            seed: 0 or more.
            diameter_share: Show the window in which the embryo's diameter has this share of the side, and where no
                label tells, the row's window; None: show whole frames.
        """
        self.rows = rows
        self.diameter_share = diameter_share
        self.input_px = input_px
        self.scheme = scheme
        self.seed = seed
        self._augment = None if augment is None else build_augment(augment)
        # in shared memory, because workers that outlive an epoch must see the next one
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0 on, before its first batch is asked for."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        """Return one sample.

        Raises:
            EmbryofragError: A file of the row can no longer be read.
        """
        row = self.rows[index]
        try:
            frame = read_labelled(row)
        except ItemError as error:
            raise EmbryofragError(
                f"line {row.line} of the manifest: {error.reason}; mend the file or remove the line, then resume."
            ) from error
        window = None if self.diameter_share is None else _choose_window(row, frame, self.diameter_share)
        image_HWC, masks_KHW, box = _place(frame, self.input_px, window)
        sample = {
            "image": tv_tensors.Image(torch.from_numpy(image_HWC).permute(2, 0, 1)),
            "masks": None if masks_KHW is None else tv_tensors.Mask(torch.from_numpy(masks_KHW)),
        }
        if self._augment is not None:
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(_sample_seed(self.seed, self.epoch, index))
                sample = self._augment(sample)
        return self._to_batch(index, sample, _true_ratio(row, frame, box))

    def _to_batch(self, index: int, sample: dict[str, Tensor | None], ratio: float) -> Batch:
        has_masks = sample["masks"] is not None
        masks_KHW = sample["masks"] if has_masks else torch.zeros(2, self.input_px, self.input_px)
        return Batch(
            images_NHWC=sample["image"].as_subclass(Tensor).permute(1, 2, 0)[None].contiguous(),
            masks_NKHW=masks_KHW.as_subclass(Tensor)[None].float(),
            has_masks_N=torch.tensor([has_masks]),
            ratio_N=torch.tensor([ratio], dtype=torch.float32),
            interval_N2=torch.tensor([grade_interval(self.rows[index].grade, self.scheme)], dtype=torch.float32),
            index_N=torch.tensor([index]),
        )


class EpochSampler(Sampler[int]):
    """The order of an epoch's rows for one of several processes.

    Shuffled, it is decided by seed and epoch; paired and grade-only rows are each spread evenly over the epoch, so
    that batches hold them in the data's proportion; and it is wrapped around until all processes have the same number
    of rows. Unshuffled, every row comes exactly once, in order.
    """

    def __init__(self, dataset: FrameDataset, *, shuffle: bool, seed: int, rank: int = 0, world_size: int = 1):
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        num_rows = len(self.dataset)
        return -(-num_rows // self.world_size) if self.shuffle else len(range(self.rank, num_rows, self.world_size))

    def __iter__(self) -> Iterator[int]:
        order = self._shuffled() if self.shuffle else np.arange(len(self.dataset))
        places = self.rank + self.world_size * np.arange(len(self))
        return iter(order[places % len(order)].tolist())

    def _shuffled(self) -> np.ndarray:
        rng = np.random.default_rng([self.seed, self.dataset.epoch])
        is_paired = np.array([row.kind == "paired" for row in self.dataset.rows])
        moment = np.empty(len(is_paired))
        for rows in (np.flatnonzero(is_paired), np.flatnonzero(~is_paired)):
            moment[rng.permutation(rows)] = (np.arange(len(rows)) + rng.random(len(rows))) / max(1, len(rows))
        return np.argsort(moment, kind="stable")


def make_loader(
    dataset: FrameDataset,
    batch_size: int,
    *,
    shuffle: bool,
    seed: int,
    num_workers: int,
    rank: int = 0,
    world_size: int = 1,
) -> DataLoader:
    """Return the loader of one process; call `FrameDataset.set_epoch` before each pass over it.

    Shuffled, a last batch that is not full is left out, because batch statistics of one or two frames spoil a step;
    an epoch shorter than one batch is kept.

    Args:
        dataset: what to load.
        batch_size: Samples N of a batch, of this process.
        shuffle: for training; see `EpochSampler`.
        seed: 0 or more, the same in all processes.
        num_workers: Processes that prepare samples; 0 prepares them in this one.
        rank: This process's number under ``torchrun``.
        world_size: Number of processes under ``torchrun``.
    """
    sampler = EpochSampler(dataset, shuffle=shuffle, seed=seed, rank=rank, world_size=world_size)
    return DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=collate,
        drop_last=shuffle and len(sampler) >= batch_size,
        persistent_workers=num_workers > 0,
        worker_init_fn=_start_worker,
    )


def _start_worker(worker: int) -> None:
    # OpenCV's threads do not survive the fork
    cv2.setNumThreads(0)


def _sample_seed(seed: int, epoch: int, index: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, index]).generate_state(1, np.uint64)[0])


def _choose_window(row: Row, frame: LabelledFrame, diameter_share: float) -> Window | None:
    """The window around the labelled embryo, else the row's, else none."""
    circle = None if frame.embryo is None else enclosing_circle(frame.embryo)
    return row.window if circle is None else window_around(circle, diameter_share)


def _true_ratio(row: Row, frame: LabelledFrame, box: Letterbox) -> float:
    """The row's ratio, or that of the masks where the canvas does not show the whole embryo (one of several)."""
    if frame.fragment is None:
        return float("nan") if row.ratio is None else row.ratio
    shows_all = np.count_nonzero(frame.embryo[box.region]) == np.count_nonzero(frame.embryo)
    if row.ratio is not None and shows_all:
        return row.ratio
    ratio = measure_masks(frame.fragment[box.region], frame.embryo[box.region]).ratio_mask
    return float("nan") if ratio is None else ratio


def _place(
    frame: LabelledFrame, input_px: int, window: Window | None
) -> tuple[np.ndarray, np.ndarray | None, Letterbox]:
    """Canvas, uint8 (S, S, 3), masks on it, uint8 (2, S, S) of 0 and 1, if there are any, and what it shows."""
    canvas, box = letterbox(blank_overlay(frame.image), input_px, window)
    if frame.fragment is None:
        return canvas, None, box
    return canvas, np.stack([_place_mask(mask, box) for mask in (frame.fragment, frame.embryo)]), box


def _place_mask(mask: np.ndarray, box: Letterbox) -> np.ndarray:
    """A canvas pixel belongs to the mask when at least half of it does; padding never."""
    canvas = np.zeros((box.size_px, box.size_px), np.uint8)
    shown = mask[box.region]
    size = box.content_width_px, box.content_height_px
    shrinks = box.content_width_px * box.content_height_px < shown.size
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    covered = cv2.resize(shown.astype(np.float32), size, interpolation=interpolation)
    canvas[box.content] = covered >= 0.5
    return canvas
