"""Standard DeepLabV3+ (arXiv 1802.02611): masks alone, and the ratio measured on them (indirect grading).

The same backbone, ASPP and decoder as AttnRegDeepLab, with the plain skip and without regression.
"""

import torch

from embryofrag.grading.schemes import SCHEMES
from embryofrag.imaging.masks import masks_in_frame
from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.network.config import NetworkConfig
from embryofrag.network.modules import ModuleA
from embryofrag.training.baselines.canvas import read_canvases, scored_rows
from embryofrag.training.checkpoint import load_network
from embryofrag.training.config import PhaseConfig, TrainConfig
from embryofrag.training.loop import WEIGHTS_FILE
from embryofrag.training.predictions import Prediction, make_prediction
from embryofrag.training.train import Run, run_phase

PHASE = PhaseConfig(name="deeplab", trainable=("backbone", "decoder"), beta=0, gamma=0)
CONFIG = TrainConfig(
    experiment=PHASE.name,
    phases=(PHASE,),
    module_a=PHASE.name,
    module_b=PHASE.name,
    network=NetworkConfig(gate=False, injection=False),
)


def fit(run: Run, *, resume: bool = False) -> list[Prediction]:
    """Train on L_seg; the predictions have masks and their ratio, and no regressed one."""
    phase = run.config.phases[-1]
    run_phase(run, phase, resume=resume)
    network = AttnRegDeepLab(run.config.network)
    load_network(network, run.phase_folder(phase.name) / WEIGHTS_FILE)
    return predict(run, ModuleA(network).to(run.ranks.device).eval())


@torch.inference_mode()
def predict(run: Run, masks: ModuleA) -> list[Prediction]:
    """Return the predictions for the rows to score, masks compared in the frame's own pixels."""
    predictions = []
    for canvas in read_canvases(scored_rows(run.split), run.config.network.input_px):
        images_NHWC = torch.from_numpy(canvas.image_SSC[None]).to(run.ranks.device)
        predicted = masks_in_frame(masks(images_NHWC)[0].cpu().numpy(), canvas.box)
        scheme = SCHEMES[run.config.scheme]
        predictions.append(make_prediction(canvas.row, scheme, truth=canvas.truth, predicted=predicted, ratio_reg=None))
    return predictions
