"""The reference engine: the network itself in PyTorch, fp32, from the model's safetensors."""

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from embryofrag.engine.contract import MODULES, PAIR, check_images, output_shape
from embryofrag.engine.model import REMEDY, ModelInfo, verified_file, weights_file
from embryofrag.errors import EmbryofragError
from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab
from embryofrag.network.config import NetworkConfig
from embryofrag.network.modules import DEPLOYED, ModulePair


def load_deployed(model: ModelInfo, module: str) -> torch.nn.Module:
    """Return one of a model's modules, or `PAIR` (a `ModulePair`), in evaluation mode, on the CPU.

    Raises:
        EmbryofragError: the weights are missing, changed, or do not fit the network that ``model.json`` states.
    """
    if module == PAIR:
        return ModulePair(*(_load_network(model, one) for one in MODULES)).eval()
    return DEPLOYED[module](_load_network(model, module)).eval()


def _load_network(model: ModelInfo, module: str) -> AttnRegDeepLab:
    path = verified_file(model, weights_file(module))
    try:
        network = AttnRegDeepLab(NetworkConfig.from_dict(model.network_of(module)))
        network.load_state_dict(load_file(path))
    except (ValueError, RuntimeError, SafetensorError) as error:
        raise EmbryofragError(f"{path} does not fit the network in model.json ({error}): {REMEDY}") from error
    return network


def share_backbone(model: ModelInfo) -> bool:
    """Return whether modules A and B have the same backbone, to the bit, so that one pass can answer for both.

    They have where one network gives both, and where B's head learnt on A's frozen features (experiment "decoupled").

    Raises:
        EmbryofragError: as `load_deployed`.
    """
    one, other = (_load_network(model, module).backbone.state_dict() for module in MODULES)
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def is_stored_in_half(model: ModelInfo, module: str) -> bool:
    """Return whether the weights of a module's layers lie in its file as float16; they are computed with in fp32."""
    if module == PAIR:
        return all(is_stored_in_half(model, one) for one in MODULES)
    with safe_open(model.path / weights_file(module), framework="numpy") as file:
        return any(file.get_slice(name).get_dtype() == "F16" for name in file.keys())  # noqa: SIM118


class EagerEngine:
    """One module in PyTorch, image by image so that a result never depends on its batch."""

    def __init__(self, model: ModelInfo, module: str, *, engine_id: str):
        self.id = engine_id
        self.module = module
        self.input_px = model.network_of(module)["input_px"]
        self._deployed = load_deployed(model, module)

    @torch.inference_mode()
    def run(self, images_NHWC: np.ndarray) -> np.ndarray:
        """Run a batch; see `contract.Engine.run`."""
        check_images(images_NHWC, self.input_px)
        result = np.empty(output_shape(self.module, len(images_NHWC), self.input_px), np.float32)
        for index, image in enumerate(images_NHWC):
            result[index] = self._deployed(torch.tensor(image[None]))[0].numpy()
        return result

    def close(self) -> None:
        """Drop the weights."""
        del self._deployed
