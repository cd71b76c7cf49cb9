"""What a worker process is told of the run, and the row of a frame under it."""

from dataclasses import dataclass

from embryofrag.engine.pair import EngineChoice
from embryofrag.records import Frame, Outcome
from embryofrag.run.outputs import Outputs
from embryofrag.run.results import Item
from embryofrag.run.settings import RunSettings


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker needs to know; picklable."""

    choice: EngineChoice
    settings: RunSettings
    outputs: Outputs
    result_key: str

    @property
    def num_held(self) -> int:
        """Frames that the pipeline may hold before the first comes out: two batches in each of its queues."""
        num_queues = 3 if self.choice.crop is None else 5
        return 2 * num_queues * self.settings.batch_size


def frame_item(frame: Frame, job: Job, *, outcome: Outcome, reason: str = "", **values) -> Item:
    """The row of a frame; `values` are further columns."""
    return Item(
        source=frame.source,
        size_bytes=frame.size_bytes,
        mtime_ns=frame.mtime_ns,
        outcome=outcome,
        reason=reason,
        result_key=job.result_key,
        embryo=frame.embryo,
        frame=frame.frame,
        slide=frame.slide,
        well=frame.well,
        run=frame.run,
        hpi=frame.hpi,
        focal_um=frame.focal_um,
        um_per_px=frame.um_per_px,
        model=job.choice.model.label,
        engine_a=job.choice.engine_a_id,
        engine_b=job.choice.engine_b_id,
        **values,
    )
