"""InceptionV3 (arXiv 1512.00567) as a pure regression of the ratio, from torchvision, without the auxiliary head."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from embryofrag.errors import UsageError
from embryofrag.grading.schemes import SCHEMES
from embryofrag.network.attn_reg_deeplab import Logits
from embryofrag.network.config import NetworkConfig
from embryofrag.network.normalise import NORMALISERS
from embryofrag.training.baselines.canvas import read_canvases, scored_rows
from embryofrag.training.checkpoint import load_network, load_state, save_tensors
from embryofrag.training.config import PhaseConfig, TrainConfig
from embryofrag.training.dataset import Batch
from embryofrag.training.initial import read_weights, start_head, without_classifier
from embryofrag.training.loop import WEIGHTS_FILE, PhaseRun, train_phase
from embryofrag.training.precision import autocast
from embryofrag.training.predictions import Prediction, make_prediction
from embryofrag.training.source import FrameSource
from embryofrag.training.state import PhaseState
from embryofrag.training.train import Run, mean_ratio

MIN_INPUT_PX = 75
"""Below this the last stage has nothing left to convolve."""
PHASE = PhaseConfig(name="inception", trainable=("backbone", "head"), alpha=0, gamma=0)
CONFIG = TrainConfig(
    experiment=PHASE.name,
    phases=(PHASE,),
    module_a=PHASE.name,
    module_b=PHASE.name,
    network=NetworkConfig(input_px=299),
    init="random",
)
"""Of ``network`` only the input and its normalisation are read."""


class InceptionRegressor(nn.Module):
    """Normalised frames to the logit of the ratio."""

    def __init__(self, config: NetworkConfig):
        from torchvision.models import inception_v3

        super().__init__()
        self.config = config
        # no dropout: a resumed phase restores no random numbers
        self.backbone = inception_v3(
            weights=None, aux_logits=False, transform_input=False, init_weights=True, dropout=0.0
        )
        self.head = nn.Sequential(OrderedDict(to_logit=nn.Linear(self.backbone.fc.in_features, 1)))
        self.backbone.fc = nn.Identity()


class InceptionLearner(nn.Module):
    """A batch to the logits that the losses read: the backbone in the chosen precision, the head in fp32."""

    def __init__(self, network: InceptionRegressor, dtype: torch.dtype):
        super().__init__()
        self.normalise = NORMALISERS[network.config.normalise]()
        self.network = network
        self.dtype = dtype

    def forward(self, batch: Batch) -> Logits:
        """Return the ratio's logit, and no masks."""
        return Logits(None, self.ratio_logit(batch.images_NHWC))

    def ratio_logit(self, images_NHWC: Tensor) -> Tensor:
        """Map uint8 (N, H, W, 3) to logits (N,)."""
        with autocast(images_NHWC.device, self.dtype):
            pooled = self.network.backbone(self.normalise(images_NHWC))  # (N, 2048)
        return self.network.head(pooled.float()).squeeze(1)


class InceptionSource(FrameSource):
    """The frames of a phase, for InceptionV3."""

    def learner(self, network: InceptionRegressor) -> InceptionLearner:
        """Return the whole network."""
        return InceptionLearner(network, self.dtype)


def fit(run: Run, *, resume: bool = False) -> list[Prediction]:
    """Train on L_reg; the predictions have a regressed ratio and no masks.

    Raises:
        UsageError: An input below `MIN_INPUT_PX`, or start weights that are neither random nor a file.
    """
    phase = run.config.phases[-1]
    folder = run.phase_folder(phase.name)
    folder.mkdir(exist_ok=True)
    network = start_network(run).to(run.ranks.device, memory_format=torch.channels_last)
    if resume and (folder / WEIGHTS_FILE).exists():
        load_network(network, folder / WEIGHTS_FILE)
    else:
        phase_run = PhaseRun(
            phase=phase,
            config=run.config,
            source=InceptionSource(run.split, phase, run.config, run.dtype, run.ranks),
            folder=folder,
            ranks=run.ranks,
            reporter=run.reporter,
        )
        train_phase(phase_run, PhaseState(network, phase, run.config, run.dtype), resume=resume)
        save_tensors(folder / WEIGHTS_FILE, network.state_dict())
    return predict(run, InceptionLearner(network, torch.float32).eval())


def start_network(run: Run) -> InceptionRegressor:
    """Return the network with its start weights, the head at the mean ratio of the training rows."""
    init, network_config = run.config.init, run.config.network
    if network_config.input_px < MIN_INPUT_PX:
        raise UsageError(f"InceptionV3 needs an input of at least {MIN_INPUT_PX} px, not {network_config.input_px}")
    if init == "imagenet":
        raise UsageError(
            "the baseline inception loads no weights by name: save torchvision's state dict of inception_v3 with "
            "safetensors and give that file by --init, or use --init random"
        )
    torch.manual_seed(run.config.seed)
    network = InceptionRegressor(network_config)
    if init != "random":
        weights = without_classifier(read_weights(init))
        trunk = {name: tensor for name, tensor in weights.items() if not name.startswith("AuxLogits.")}
        load_state(network.backbone, trunk, init)
    start_head(network, mean_ratio(run.split.train, run.config))
    return network


@torch.inference_mode()
def predict(run: Run, learner: InceptionLearner) -> list[Prediction]:
    """Return the predictions for the rows to score."""
    predictions = []
    for canvas in read_canvases(scored_rows(run.split), run.config.network.input_px):
        images_NHWC = torch.from_numpy(canvas.image_SSC[None]).to(run.ranks.device)
        ratio = float(learner.ratio_logit(images_NHWC).sigmoid())
        scheme = SCHEMES[run.config.scheme]
        predictions.append(make_prediction(canvas.row, scheme, truth=canvas.truth, predicted=None, ratio_reg=ratio))
    return predictions
