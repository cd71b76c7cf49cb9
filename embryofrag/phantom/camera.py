"""From light to pixels: blur, sensor noise, 8 bits, colour cast, JPEG."""

import cv2
import numpy as np

from embryofrag.phantom.instrument import Look
from embryofrag.phantom.texture import crop_white

_BLUR_UM_PER_UM = 0.02
"""Growth of the blur (standard deviation) with the distance to the focal plane."""


def expose(light_HW: np.ndarray, look: Look, focal_um: float, rng: np.random.Generator) -> np.ndarray:
    """Blurs, adds noise, and reads out 8 bits.

    Args:
        light_HW: (H, W) float32, 1 is full scale.
        look: Blur, noise and pixel size.
        focal_um: Distance of the frame's plane from the embryo's best plane.
        rng: Chooses the crop of the noise.

    Returns:
        (H, W) uint8.
    """
    blur_um = float(np.hypot(look.blur_um, _BLUR_UM_PER_UM * focal_um))
    sharp = cv2.GaussianBlur(light_HW, (0, 0), max(0.3, blur_um / look.um_per_px))
    # a dark field is quieter than a bright one
    noise = crop_white(rng, light_HW.shape) * np.float32(look.noise) * np.sqrt(np.clip(sharp, 0.01, 1))
    return cv2.convertScaleAbs(np.clip(sharp + noise, 0, 1), alpha=254.0)


def tint(image_HW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gives a grey frame the cast of a bench camera.

    Args:
        image_HW: (H, W) uint8.
        rng: Chooses gain and gamma of each channel.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    cast = rng.choice(["neutral", "warm", "green", "blue"], p=[0.35, 0.25, 0.2, 0.2])
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
