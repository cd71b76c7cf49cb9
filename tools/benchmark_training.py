"""Measure training on this machine: every comparison side by side in one run, results as JSON.

    python tools/benchmark_training.py injection --out injection.json   exact against concatenated injection, a step
    python tools/benchmark_training.py phase2    --out phase2.json      cached against uncached features, an epoch
    python tools/benchmark_training.py loader    --out loader.json      the loader against the step it feeds

Machines differ and are shared: compare the ratios, not the seconds.
"""

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import torch
from benchmark import finish, seconds, work_folder

from embryofrag.engine.machine import num_cpus
from embryofrag.grading.schemes import SCHEMES
from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.network.config import NetworkConfig
from embryofrag.network.reference import ConcatenatedConv
from embryofrag.phantom import write_frames
from embryofrag.training.config import PhaseConfig, TrainConfig
from embryofrag.training.dataset import Batch
from embryofrag.training.distributed import Ranks
from embryofrag.training.experiments import EXPERIMENTS
from embryofrag.training.features import FeatureSource
from embryofrag.training.learner import Learner
from embryofrag.training.loop import PhaseRun, train_epoch
from embryofrag.training.losses import LossWeights, total_loss
from embryofrag.training.manifest import read_manifest
from embryofrag.training.precision import DTYPES
from embryofrag.training.progress import Reporter
from embryofrag.training.schedule import make_optimizer
from embryofrag.training.source import FrameSource, Source
from embryofrag.training.split import Split
from embryofrag.training.state import PhaseState

OUT = click.option("--out", type=click.Path(path_type=Path), help="JSON file.")
BACKBONE = click.option("--backbone", default="resnet50", show_default=True)
INPUT_PX = click.option("--input-px", default=512, show_default=True)
BATCH_SIZE = click.option("--batch-size", default=4, show_default=True)
ROUNDS = click.option("--rounds", default=3, show_default=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure training on this machine."""


@main.command()
@OUT
@BACKBONE
@INPUT_PX
@BATCH_SIZE
@ROUNDS
def injection(out: Path | None, backbone: str, input_px: int, batch_size: int, rounds: int) -> None:
    """Seconds a training step (forward, loss, backward, AdamW), exact against concatenated, in fp32 and bf16."""
    device = best_device()
    batch = random_batch(batch_size, input_px).to(device)
    steps = {
        f"{form}_{name}": make_step(NetworkConfig(backbone=backbone, input_px=input_px), batch, DTYPES[name], form)
        for name in ("fp32", "bf16")
        for form in ("exact", "concatenated")
    }
    figures: dict = in_turn(steps, rounds)
    for name in ("fp32", "bf16"):
        figures[f"{name}_concatenated_vs_exact"] = figures[f"concatenated_{name}_s"] / figures[f"exact_{name}_s"]
    sizes = {"backbone": backbone, "input_px": input_px, "batch_size": batch_size, "device": str(device)}
    finish("training-injection", figures | sizes, out)


def make_step(config: NetworkConfig, batch: Batch, dtype: torch.dtype, form: str) -> Callable[[], None]:
    """A step of experiment C on a network of random weights, warmed up."""
    torch.manual_seed(0)
    network = AttnRegDeepLab(config)
    if form == "concatenated":
        network.decoder.injection = ConcatenatedConv(network.decoder.injection)
    learner = Learner(network, dtype, with_masks=True).to(batch.images_NHWC.device)
    optimizer = make_optimizer(network, lr=1e-4, weight_decay=1e-4)
    weights = LossWeights(alpha=1, beta=1, gamma=1)

    def step() -> None:
        loss = total_loss(learner(batch), batch, weights).total
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        float(loss.detach())  # waits for a GPU

    step()
    return step


def random_batch(num_images: int, input_px: int) -> Batch:
    """Noise with labels: a step takes as long as with frames."""
    generator = torch.Generator().manual_seed(0)
    shape = (num_images, input_px, input_px)
    return Batch(
        images_NHWC=torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=generator),
        masks_NKHW=torch.randint(0, 2, (num_images, 2, input_px, input_px), generator=generator).float(),
        has_masks_N=torch.ones(num_images, dtype=torch.bool),
        ratio_N=torch.rand(num_images, generator=generator),
        interval_N2=torch.tensor([[0.0, 1.0]]).repeat(num_images, 1),
        index_N=torch.arange(num_images),
    )


@main.command()
@OUT
@BACKBONE
@INPUT_PX
@BATCH_SIZE
@ROUNDS
@click.option("--frames", "num_frames", default=48, show_default=True, help="Drawn frames an epoch.")
def phase2(out: Path | None, backbone: str, input_px: int, batch_size: int, rounds: int, num_frames: int) -> None:
    """Seconds an epoch of D and of D+ from cached features and from frames, and seconds to build the cache."""
    figures: dict = {}
    with work_folder() as folder:
        manifest = write_frames(folder / "drawn", num_frames, 1)
        for experiment in ("D", "D+"):
            network = NetworkConfig(backbone=backbone, input_px=input_px)
            config = replace(EXPERIMENTS[experiment](), network=network, batch_size=batch_size)
            figures[experiment] = measure_phase2(manifest, folder, config, rounds)
    sizes = {"backbone": backbone, "input_px": input_px, "batch_size": batch_size, "frames": num_frames}
    finish("training-phase2", figures | sizes | {"device": str(best_device())}, out)


def measure_phase2(manifest: Path, folder: Path, config: TrainConfig, rounds: int) -> dict:
    """Both forms of a phase's epoch on the same rows and weights, in turn."""
    rows = read_manifest(manifest, SCHEMES[config.scheme])
    split = Split(train=rows, val=rows[: config.batch_size], test=())
    phase, dtype, ranks = config.phases[-1], DTYPES["fp32"], Ranks(device=best_device())
    torch.manual_seed(0)
    network = AttnRegDeepLab(config.network).to(ranks.device)
    state = PhaseState(network, phase, config, dtype)
    sources: dict[str, Source] = {"frames": FrameSource(split, phase, config, dtype, ranks)}

    def build_cache() -> None:
        sources["cached"] = FeatureSource(network, split, phase, config, dtype=dtype, ranks=ranks, folder=folder)

    build_s = seconds(build_cache)
    epochs = {name: make_epoch(phase, config, source, state, ranks) for name, source in sources.items()}
    figures = in_turn(epochs, rounds)
    figures["frames_vs_cached"] = figures["frames_s"] / figures["cached_s"]
    return figures | {"build_cache_s": build_s, "views": phase.views}


def make_epoch(
    phase: PhaseConfig, config: TrainConfig, source: Source, state: PhaseState, ranks: Ranks
) -> Callable[[], None]:
    """A training epoch, its loader's workers started."""
    run = PhaseRun(phase=phase, config=config, source=source, folder=Path(), ranks=ranks, reporter=Reporter())
    learner = source.learner(state.network)

    def epoch() -> None:
        train_epoch(run, state, learner)

    epoch()
    return epoch


@main.command()
@OUT
@BACKBONE
@INPUT_PX
@BATCH_SIZE
@click.option("--frames", "num_frames", default=48, show_default=True, help="Drawn frames read a round.")
@click.option("--workers", "num_workers", default=1, show_default=True)
@ROUNDS
def loader(
    out: Path | None, backbone: str, input_px: int, batch_size: int, num_frames: int, num_workers: int, rounds: int
) -> None:
    """Images a second that the loader gives, with augmentation, and that the step of experiment C takes (fp32)."""
    with work_folder() as folder:
        manifest = write_frames(folder / "drawn", num_frames, 1)
        network = NetworkConfig(backbone=backbone, input_px=input_px)
        config = replace(EXPERIMENTS["C"](), network=network, batch_size=batch_size, num_workers=num_workers)
        rows = read_manifest(manifest, SCHEMES[config.scheme])
        split = Split(train=rows, val=rows[:batch_size], test=())
        source = FrameSource(split, config.phases[0], config, DTYPES["fp32"], Ranks())
        num_read = source.num_batches * batch_size
        first = next(iter(source.train_batches(0))).to(best_device())
        work = {"load": lambda: [None for _ in source.train_batches(1)]}
        work["step"] = make_step(network, first, DTYPES["fp32"], "exact")
        times = in_turn(work, rounds)
    figures = {"loaded_images_per_s": num_read / times["load_s"], "step_images_per_s": batch_size / times["step_s"]}
    figures["loader_vs_step"] = figures["loaded_images_per_s"] / figures["step_images_per_s"]
    sizes = {"backbone": backbone, "input_px": input_px, "batch_size": batch_size, "workers": num_workers}
    finish("training-loader", figures | sizes | {"device": str(best_device()), "cpus": num_cpus()}, out)


def in_turn(work: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each of several things, done in turn so that all meet the same machine."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, function in work.items():
            times[name].append(seconds(function))
    return {f"{name}_s": statistics.median(values) for name, values in times.items()}


def best_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


if __name__ == "__main__":
    main()
