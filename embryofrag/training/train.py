"""A whole run: a manifest and a configuration in, a model folder out.

    manifest -> rows -> split by group -> each phase: start weights -> source -> `loop.train_phase` -> weights
    -> `delivery.deliver_model`

The run folder is the model folder. Below ``training/`` in it lie what a killed run goes on from (``run.json``, and for
each phase its checkpoint, best and final weights) and the TensorBoard files; it may be deleted once the model is
there. Under ``torchrun`` every process calls `train`; the first one writes.
"""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from embryofrag import __version__
from embryofrag.engine.digest import sha256_of_file
from embryofrag.engine.model import MODEL_FILE, read_model
from embryofrag.errors import EmbryofragError, UsageError
from embryofrag.grading.schemes import SCHEMES
from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.training.checkpoint import load_network, save_tensors, writing
from embryofrag.training.config import START, PhaseConfig, TrainConfig
from embryofrag.training.dataset import grade_interval
from embryofrag.training.delivery import deliver_model
from embryofrag.training.distributed import Ranks, join_ranks
from embryofrag.training.evaluate import SPLIT_FILE
from embryofrag.training.features import FeatureSource
from embryofrag.training.initial import initial_parts, load_initial, start_head
from embryofrag.training.locator import open_locator, place_rows
from embryofrag.training.loop import WEIGHTS_FILE, PhaseRun, train_phase
from embryofrag.training.manifest import read_manifest
from embryofrag.training.precision import choose_precision
from embryofrag.training.progress import Reporter, show_training
from embryofrag.training.row import Row
from embryofrag.training.source import FrameSource, Source
from embryofrag.training.split import Split, read_split, split_rows, write_split
from embryofrag.training.state import PhaseState
from embryofrag.training.threads import leave_cpus

TRAINING_FOLDER = "training"
RUN_FILE = "run.json"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What all phases of a run share."""

    config: TrainConfig
    split: Split
    out: Path
    dtype: torch.dtype
    ranks: Ranks
    reporter: Reporter

    def phase_folder(self, name: str) -> Path:
        """Where a phase keeps its checkpoints."""
        return self.out / TRAINING_FOLDER / name


def train(
    config: TrainConfig,
    manifest: Path,
    out: Path,
    *,
    split_file: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> Path:
    """Train a model.

    Args:
        config: The recipe, as `experiments.EXPERIMENTS` makes it.
        manifest: CSV as `manifest` describes it.
        out: The model folder to make: new or empty, or with `resume` the one that a killed run left.
        split_file: CSV of `split.write_split`; None: split by the configuration's seed and shares.
        resume: Go on from the last checkpoints. A finished run is left as it is.
        quiet: Tell nothing and write no TensorBoard files.

    Returns:
        `out`, with ``model.json`` written last.

    Raises:
        UsageError: `out` holds something and `resume` is false, or the other way round.
        EmbryofragError: A bad manifest, weights that cannot be had, another configuration or manifest than the run to
            resume, a loss that is no number, or a folder that cannot be written.
    """
    with join_ranks() as ranks, leave_cpus(config.num_workers), ExitStack() as stack:
        rows = read_manifest(manifest, SCHEMES[config.scheme])
        if resume and (out / MODEL_FILE).exists():
            return out
        if config.crop == "embryo":
            locator = open_locator(Path(config.locator))
            check_scope(config)
            rows = place_rows(rows, locator, diameter_share=config.diameter_share, seed=config.seed)
        split = open_run(config, manifest, rows, out, split_file=split_file, resume=resume, ranks=ranks)
        reporter = Reporter()
        if ranks.is_first and not quiet:
            reporter = stack.enter_context(show_training(out / TRAINING_FOLDER / "tensorboard"))
        dtype, reason = choose_precision(config.precision, ranks.device)
        run = Run(config=config, split=split, out=out, dtype=dtype, ranks=ranks, reporter=reporter)
        reporter.say(
            f"experiment {config.experiment}: {len(split.train)} training, {len(split.val)} validation, "
            f"{len(split.test)} test frames; on {ranks.device}, {ranks.world_size} process(es), {reason}"
        )
        for phase in config.phases:
            run_phase(run, phase, resume=resume)
        if ranks.is_first:
            phases = {phase.name: run.phase_folder(phase.name) for phase in config.phases}
            with writing(out):
                deliver_model(config, split, out, manifest=manifest, phases=phases, reporter=reporter)
    return out


def open_run(
    config: TrainConfig, manifest: Path, rows: tuple[Row, ...], out: Path, *, split_file: Path | None, resume: bool,
    ranks: Ranks,
) -> Split:  # fmt: skip
    """Make or reopen the run folder; returns its split."""
    folder = out / TRAINING_FOLDER
    facts = {"config": config.to_dict(), "manifest_sha256": sha256_of_file(manifest)}
    if resume:
        check_same_run(folder / RUN_FILE, facts)
        split = read_split(out / SPLIT_FILE, rows)
    else:
        if ranks.is_first and out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"{out} holds something: name a new folder, or go on with what is there by --resume")
        split = read_split(split_file, rows) if split_file else split_by_config(rows, config)
    if len(split.train) < 2 or not split.val:
        raise EmbryofragError(
            f"the split has {len(split.train)} training and {len(split.val)} validation frames: it needs at least 2 "
            "and 1, and groups (patients, or slides and wells) are never cut"
        )
    ranks.wait()  # every process has looked before the first one writes
    if ranks.is_first and not resume:
        with writing(out):
            folder.mkdir(parents=True)
            write_split(out / SPLIT_FILE, split)
            document = facts | {"created_by": f"embryofrag {__version__}"}
            (folder / RUN_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    ranks.wait()
    return split


def check_scope(config: TrainConfig) -> None:
    """Refuse a scope module that looks at windows of another size than the modules it is to stand beside.

    Raises:
        UsageError: It does.
    """
    if config.scope and (side_px := read_model(Path(config.scope)).input_px) != config.network.input_px:
        raise UsageError(
            f"the scope module in {config.scope} looks at {side_px} px and this run's networks at "
            f"{config.network.input_px} px: train it with --input-px {config.network.input_px}"
        )


def split_by_config(rows: tuple[Row, ...], config: TrainConfig) -> Split:
    """Split rows by the configuration's seed and shares."""
    return split_rows(rows, config.seed, val_share=config.val_frac, test_share=config.test_frac)


def check_same_run(path: Path, facts: dict) -> None:
    """Refuse to resume a run with another configuration or manifest.

    Raises:
        EmbryofragError: There is no run, or it differs; what differs is named.
    """
    if not path.is_file():
        raise UsageError(f"there is no run to resume (no {path}): leave --resume out")
    begun = json.loads(path.read_text(encoding="utf-8"))
    differing = [name for name, value in facts["config"].items() if begun["config"].get(name) != value]
    if begun["manifest_sha256"] != facts["manifest_sha256"]:
        differing.append("the manifest")
    if differing:
        raise EmbryofragError(
            f"{path} belongs to a run with another {', '.join(differing)}: resume with the same, or name a new folder"
        )


def run_phase(run: Run, phase: PhaseConfig, *, resume: bool) -> None:
    """Train one phase and write its best weights, unless they are there already."""
    folder = run.phase_folder(phase.name)
    if resume and (folder / WEIGHTS_FILE).exists():
        run.reporter.say(f"phase {phase.name} is done")
        return
    if run.ranks.is_first:
        folder.mkdir(exist_ok=True)
    run.ranks.wait()
    network = start_network(run, phase).to(run.ranks.device)
    state = PhaseState(network, phase, run.config, run.dtype)
    phase_run = PhaseRun(
        phase=phase,
        config=run.config,
        source=open_source(run, phase, network),
        folder=folder,
        ranks=run.ranks,
        reporter=run.reporter,
    )
    train_phase(phase_run, state, resume=resume)
    if run.ranks.is_first:
        save_tensors(folder / WEIGHTS_FILE, network.state_dict())
        for maps in folder.glob("*.maps"):
            maps.unlink()
    run.ranks.wait()


def start_network(run: Run, phase: PhaseConfig) -> AttnRegDeepLab:
    """Return the network with the weights that a phase starts from."""
    torch.manual_seed(run.config.seed)
    network = AttnRegDeepLab(run.config.network)
    if phase.start == START:
        load_initial(network, run.config.init)
    else:
        load_network(network, run.phase_folder(phase.start) / WEIGHTS_FILE)
    earlier = run.config.lineage(phase.name)[:-1]
    if "head" not in {*initial_parts(run.config.init), *(part for one in earlier for part in one.trainable)}:
        start_head(network, mean_ratio(run.split.train, run.config))
    return network


def open_source(run: Run, phase: PhaseConfig, network: AttnRegDeepLab) -> Source:
    """Return where the phase's batches come from; builds the cache if it has one."""
    if not phase.cache:
        return FrameSource(run.split, phase, run.config, run.dtype, run.ranks)
    run.reporter.say(f"phase {phase.name}: caching the features of {phase.views} views")
    return FeatureSource(
        network,
        run.split,
        phase,
        run.config,
        dtype=run.dtype,
        ranks=run.ranks,
        folder=run.phase_folder(phase.name),
    )


def mean_ratio(rows: tuple[Row, ...], config: TrainConfig) -> float:
    """Return the mean true ratio, 0..1, a row with a grade alone counting as the middle of its interval.

    Raises:
        EmbryofragError: No row has a ratio or a grade.
    """
    scheme = SCHEMES[config.scheme]
    ratios = [row.ratio for row in rows if row.ratio is not None]
    ratios += [sum(grade_interval(row.grade, scheme)) / 2 for row in rows if row.ratio is None and row.grade]
    if not ratios:
        raise EmbryofragError("no training row has an embryo or a grade: there is no ratio to learn")
    return sum(ratios) / len(ratios)
