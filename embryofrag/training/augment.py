"""Joint augmentation of a canvas and its masks, by torchvision.transforms.v2.

A sample is a dict ``{"image": Image (3, S, S) uint8, "masks": Mask (2, S, S) uint8 of 0 and 1, or None}``: geometry
moves both, tone and clutter touch the image alone. All chance comes from torch's generator, so whoever seeds it
decides the sample.

The ratio survives: geometry keeps the labelled embryo within the canvas, and debris is laid outside the zona only.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from embryofrag.imaging.masks import EMBRYO
from embryofrag.training.clutter import burn_text_box, scatter_debris


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """How far samples are changed; probabilities are for each sample."""

    rotation_deg: float = 20.0
    """Largest turn to either side, beside a random number of quarter turns. Quarter turns cover most directions and,
    unlike others, leave no empty corners."""
    scale: tuple[float, float] = (0.85, 1.4)
    """Least and greatest zoom."""
    shift_share: float = 0.05
    """Largest shift along each axis, as a share of the canvas."""
    brightness: float = 0.2
    """Largest relative change of brightness."""
    contrast: float = 0.35
    """Largest relative change of contrast."""
    gamma: tuple[float, float] = (0.6, 1.67)
    """Least and greatest exponent of the tone curve, which standardising the frame does not undo."""
    blur_probability: float = 0.25
    blur_sigma_px: tuple[float, float] = (0.3, 1.0)
    noise_probability: float = 0.5
    noise_sigma: float = 4.0
    """Largest standard deviation of the noise, in grey levels; the same in all channels."""
    overlay_probability: float = 0.15
    debris_probability: float = 0.3

    def __post_init__(self):
        names = ("blur_probability", "noise_probability", "overlay_probability", "debris_probability")
        if wrong := [name for name in names if not 0.0 <= getattr(self, name) <= 1.0]:
            raise ValueError(f"{wrong[0]} must lie in 0..1, not at {getattr(self, wrong[0])}")
        for name in ("scale", "gamma", "blur_sigma_px"):
            least, greatest = getattr(self, name)
            if not 0.0 < least <= greatest:
                raise ValueError(f"{name} must be a rising pair above 0, not {(least, greatest)}")


def build_augment(config: AugmentConfig) -> v2.Transform:
    """Return the whole chain, from a sample to a sample of the same shapes and types."""
    return v2.Compose(
        [
            RandomPlacement(config),
            v2.RandomApply([Debris()], p=config.debris_probability),
            RandomGamma(config.gamma),
            v2.ColorJitter(brightness=config.brightness, contrast=config.contrast),
            v2.RandomApply([v2.GaussianBlur(kernel_size=9, sigma=config.blur_sigma_px)], p=config.blur_probability),
            v2.RandomApply([GreyNoise(config.noise_sigma)], p=config.noise_probability),
            v2.RandomApply([TextBox()], p=config.overlay_probability),
        ]
    )


class RandomPlacement(v2.Transform):
    """Flip, turn, zoom and shift in one resampling; the mean colour fills what comes into view.

    The zoom is held back where it would push labelled parts of the embryo off the canvas. Without masks the embryo's
    place is unknown, so such frames are never enlarged.
    """

    def __init__(self, config: AugmentConfig):
        super().__init__()
        self.config = config

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        image_CHW, masks_KHW = _image_and_masks(flat_inputs)
        config, size_px = self.config, image_CHW.shape[-1]
        shift_px = (2 * torch.rand(2) - 1) * config.shift_share * size_px
        zoom = _uniform(config.scale)
        reach_px = size_px / 2 if masks_KHW is None else _reach_px(masks_KHW[EMBRYO])
        if reach_px > 0:
            room_px = size_px / 2 - shift_px.abs().max().item()
            zoom = min(zoom, room_px / reach_px)
        quarter_turns = 90.0 * torch.randint(4, ()).item()
        return {
            "flip": bool(torch.rand(()) < 0.5),
            "angle": quarter_turns + _uniform((-config.rotation_deg, config.rotation_deg)),
            "translate": shift_px.tolist(),
            "scale": zoom,
            "mean_C11": image_CHW.float().mean(dim=(1, 2), keepdim=True),
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if params["flip"]:
            inpt = F.horizontal_flip(inpt)
        move = {name: params[name] for name in ("angle", "translate", "scale")} | {"shear": [0.0, 0.0]}
        if isinstance(inpt, tv_tensors.Mask):
            return F.affine(inpt, **move)
        # around the mean, so that the fill of 0 is the mean and blends into the frame's edge without a dark line
        centred = tv_tensors.Image(inpt.as_subclass(Tensor) - params["mean_C11"])
        moved = F.affine(centred, **move, interpolation=v2.InterpolationMode.BILINEAR).as_subclass(Tensor)
        return tv_tensors.Image((moved + params["mean_C11"]).round().clamp(0, 255).to(torch.uint8))


class ImageOnly(v2.Transform):
    """A change of the image that leaves the masks as they are.

    A kind of change is a subclass with ``change(image_CHW, **params)``, uint8 (3, S, S) -> the same.
    """

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        return tv_tensors.Image(self.change(inpt.as_subclass(Tensor), **params))


class RandomGamma(ImageOnly):
    """Bend the tone curve: level 255 * (level / 255) ** gamma."""

    def __init__(self, gamma: tuple[float, float]):
        super().__init__()
        self.gamma = gamma

    def change(self, image_CHW: Tensor) -> Tensor:
        levels = torch.linspace(0, 1, 256) ** _uniform(self.gamma) * 255
        return levels.round().to(torch.uint8)[image_CHW.long()]


class GreyNoise(ImageOnly):
    """Normal noise of one camera: the same in all channels, or grey frames would turn colourful."""

    def __init__(self, max_sigma: float):
        super().__init__()
        self.max_sigma = max_sigma

    def change(self, image_CHW: Tensor) -> Tensor:
        noise_1HW = torch.randn(1, *image_CHW.shape[1:]) * _uniform((0.0, self.max_sigma))
        return (image_CHW + noise_1HW).round().clamp(0, 255).to(torch.uint8)


class TextBox(ImageOnly):
    """Burn a text box into a corner."""

    def change(self, image_CHW: Tensor) -> Tensor:
        return _from_canvas(burn_text_box(_to_canvas(image_CHW), _numpy_generator()))


class Debris(ImageOnly):
    """Lay debris beyond the zona; frames without masks stay as they are, for it might fall on their embryo."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"masks_KHW": _image_and_masks(flat_inputs)[1]}

    def change(self, image_CHW: Tensor, masks_KHW: Tensor | None) -> Tensor:
        if masks_KHW is None:
            return image_CHW
        embryo = masks_KHW[EMBRYO].numpy().astype(bool)
        return _from_canvas(scatter_debris(_to_canvas(image_CHW), embryo, _numpy_generator()))


def _image_and_masks(flat_inputs: list[Any]) -> tuple[Tensor, Tensor | None]:
    image = next(value for value in flat_inputs if isinstance(value, tv_tensors.Image))
    masks = next((value for value in flat_inputs if isinstance(value, tv_tensors.Mask)), None)
    return image.as_subclass(Tensor), None if masks is None else masks.as_subclass(Tensor)


def _reach_px(mask_HW: Tensor) -> float:
    """Distance of a mask's furthest pixel edge from the canvas's centre; 0 where the mask is empty."""
    yx = mask_HW.nonzero()
    if not len(yx):
        return 0.0
    return (yx + 0.5 - len(mask_HW) / 2).square().sum(dim=1).max().sqrt().item() + 0.5


def _uniform(between: tuple[float, float]) -> float:
    least, greatest = between
    return least + (greatest - least) * torch.rand(()).item()


def _numpy_generator() -> np.random.Generator:
    return np.random.default_rng(torch.randint(2**62, ()).item())


def _to_canvas(image_CHW: Tensor) -> np.ndarray:
    return np.ascontiguousarray(image_CHW.permute(1, 2, 0).numpy())


def _from_canvas(canvas_HWC: np.ndarray) -> Tensor:
    return torch.from_numpy(canvas_HWC).permute(2, 0, 1).contiguous()
