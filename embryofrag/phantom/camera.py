"""From light to pixels: blur, sensor noise, 8 bits, colour cast, JPEG."""

import cv2
import numpy as np

from embryofrag.phantom.instrument import Look
from embryofrag.phantom.texture import crop_white

_BLUR_UM_PER_UM = 0.02
"""Growth of the blur (standard deviation) with the distance to the focal plane."""

_SHARPEN_PX = 1.5
"""Scale (standard deviation) of the camera's sharpening."""


def expose(light_HW: np.ndarray, look: Look, focal_um: float, rng: np.random.Generator) -> np.ndarray:
    """Blurs, sharpens, darkens the corners, adds noise, and reads out 8 bits.

    Args:
        light_HW: (H, W) float32, 1 is full scale.
        look: Blur, sharpening, vignetting, gamma, noise and pixel size.
        focal_um: Distance of the frame's plane from the embryo's best plane.
        rng: Chooses the crop of the noise.

    Returns:
        (H, W) uint8.
    """
    blur_um = float(np.hypot(look.blur_um, _BLUR_UM_PER_UM * focal_um))
    sharp = cv2.GaussianBlur(light_HW, (0, 0), max(0.3, blur_um / look.um_per_px))
    if look.sharpen:
        sharp += np.float32(look.sharpen) * (sharp - cv2.GaussianBlur(sharp, (7, 7), _SHARPEN_PX))
    if look.vignette:
        sharp *= _vignette(light_HW.shape, look.vignette)
    # a dark field is quieter than a bright one
    noise = crop_white(rng, light_HW.shape) * np.float32(look.noise) * np.sqrt(np.clip(sharp, 0.01, 1))
    image = cv2.convertScaleAbs(np.clip(sharp + noise, 0, 1), alpha=254.0)
    return image if look.gamma == 1 else cv2.LUT(image, _gamma_table(look.gamma))


def _gamma_table(gamma: float) -> np.ndarray:
    """What each of the 256 levels becomes, (256,) uint8."""
    return np.round(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)


def _vignette(shape: tuple[int, int], loss: float) -> np.ndarray:
    """Share of the light that is left, (H, W) float32: 1 in the middle, 1 - loss in the corners."""
    across = np.square(np.linspace(-1, 1, shape[1], dtype=np.float32))[None]
    down = np.square(np.linspace(-1, 1, shape[0], dtype=np.float32))[:, None]
    return 1 - np.float32(loss / 2) * (across + down)


def tint(image_HW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gives a grey frame the cast of a bench camera.

    Args:
        image_HW: (H, W) uint8.
        rng: Chooses gain and gamma of each channel.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    cast = rng.choice(["neutral", "warm", "green", "blue"], p=[0.5, 0.2, 0.15, 0.15])
    gains = {"neutral": (1, 1, 1), "warm": (1.06, 0.98, 0.78), "green": (0.72, 1.02, 0.72), "blue": (0.74, 0.94, 1.04)}
    levels = np.arange(256, dtype=np.float64) / 255
    tables = [
        np.clip(255 * gain * rng.uniform(0.96, 1.04) * levels ** rng.uniform(0.9, 1.1), 0, 255).astype(np.uint8)
        for gain in gains[cast]
    ]
    return cv2.merge([cv2.LUT(image_HW, table) for table in tables])


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """JPEG bytes of a (H, W) grey or (H, W, 3) RGB uint8 image."""
    ordered = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def pass_through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """The image as a JPEG of that quality gives it back, same shape."""
    flag = cv2.IMREAD_GRAYSCALE if image.ndim == 2 else cv2.IMREAD_COLOR_RGB
    return cv2.imdecode(np.frombuffer(encode_jpeg(image, quality), np.uint8), flag)
