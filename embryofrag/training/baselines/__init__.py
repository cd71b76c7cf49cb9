"""What AttnRegDeepLab is compared with: other methods on the same manifest, the same split, with the same scores.

| name      | method                                                                    | answers            |
|-----------|---------------------------------------------------------------------------|--------------------|
| deeplab   | DeepLabV3+ without gate and injection: indirect grading                   | masks, their ratio |
| inception | InceptionV3, pure regression                                              | ratio              |
| lbp       | local binary patterns and a multilayer perceptron                         | ratio              |
| glcm      | grey-level co-occurrence and a multilayer perceptron, with a t-SNE figure | ratio              |

A baseline is configured by the record that configures an experiment, and both networks are trained by the loop that
trains an experiment. Baselines are for comparison only: no model folder comes out.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from embryofrag.errors import UsageError
from embryofrag.grading.schemes import SCHEMES
from embryofrag.training.baselines import deeplab, glcm, inception, lbp
from embryofrag.training.config import TrainConfig
from embryofrag.training.distributed import join_ranks
from embryofrag.training.evaluate import METRICS_FILE, PREDICTIONS_FILE
from embryofrag.training.manifest import read_manifest
from embryofrag.training.plots import plot_evaluation
from embryofrag.training.precision import choose_precision
from embryofrag.training.predictions import Prediction, write_predictions
from embryofrag.training.progress import Reporter, show_training
from embryofrag.training.scores import evaluate_predictions
from embryofrag.training.threads import leave_cpus
from embryofrag.training.train import TRAINING_FOLDER, Run, open_run


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A method to compare with."""

    config: TrainConfig
    """Its defaults."""
    fit: Callable[..., list[Prediction]]
    """``fit(run, resume=False)``: train on the split's training rows, choose on its validation rows, and return the
    predictions for `scored_rows`."""


BASELINES: dict[str, Baseline] = {
    "deeplab": Baseline(config=deeplab.CONFIG, fit=deeplab.fit),
    "inception": Baseline(config=inception.CONFIG, fit=inception.fit),
    "lbp": Baseline(config=lbp.CONFIG, fit=lbp.fit),
    "glcm": Baseline(config=glcm.CONFIG, fit=glcm.fit),
}
"""What ``--baseline`` takes."""


def fit_baseline(
    config: TrainConfig,
    manifest: Path,
    out: Path,
    *,
    split_file: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> Path:
    """Fit a baseline and score it on the test rows; the validation rows where the split has no test rows.

    Args:
        config: ``BASELINES[name].config``, changed as one likes.
        manifest: CSV as `embryofrag.training.manifest` describes it.
        out: The folder to make: new or empty, or with `resume` the one that a killed run left.
        split_file: CSV of `split.write_split`; None: split by the configuration's seed and shares.
        resume: Go on from the last checkpoint, where the method has one. A finished run is left as it is.
        quiet: Tell nothing and write no TensorBoard files.

    Returns:
        `out`, with ``split.csv``, ``predictions.csv``, the figures of an evaluation and, written last,
        ``metrics.json``, all as an experiment has them.

    Raises:
        UsageError: Started under ``torchrun``, a folder that holds something, or a configuration the method cannot
            run with.
        EmbryofragError: As `embryofrag.training.train.train`.
    """
    scheme = SCHEMES[config.scheme]
    with join_ranks() as ranks, leave_cpus(config.num_workers), ExitStack() as stack:
        if ranks.world_size > 1:
            raise UsageError("a baseline is fitted by one process: start it without torchrun")
        rows = read_manifest(manifest, scheme)
        if resume and (out / METRICS_FILE).exists():
            return out
        split = open_run(config, manifest, rows, out, split_file=split_file, resume=resume, ranks=ranks)
        reporter = Reporter() if quiet else stack.enter_context(show_training(out / TRAINING_FOLDER / "tensorboard"))
        dtype, reason = choose_precision(config.precision, ranks.device)
        reporter.say(f"baseline {config.experiment}: {len(split.train)} training frames; on {ranks.device}, {reason}")
        run = Run(config=config, split=split, out=out, dtype=dtype, ranks=ranks, reporter=reporter)
        predictions = BASELINES[config.experiment].fit(run, resume=resume)
    evaluation = evaluate_predictions(predictions, scheme)
    write_predictions(out / PREDICTIONS_FILE, predictions, scheme)
    plot_evaluation(out, predictions, evaluation)
    part = "test" if split.test else "val"
    document = {"model": f"baseline {config.experiment}", "part": part, **evaluation.to_dict()}
    (out / METRICS_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return out
