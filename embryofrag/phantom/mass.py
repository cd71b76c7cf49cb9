"""A mass of cells grown together: one body with a scalloped outline."""

from dataclasses import replace

import numpy as np

from embryofrag.phantom.body import Body, Patch, draw_body, trace_body


def draw_lobes(rng: np.random.Generator, ball: Body, num_lobes: int, reach: float, size: float) -> list[Body]:
    """A body in the middle of a ball and others around it that together make up a mass.

    Args:
        rng: Source of chance.
        ball: What the mass lies in.
        num_lobes: How many lie around the middle one.
        reach: How far the lobes' outer ends lie from the middle, in radii of the ball.
        size: Radius of a lobe in radii of the ball, less than `reach`.
    """
    turn_rad = rng.uniform(0, 2 * np.pi)
    middle_px = (ball.x_px, ball.y_px)
    lobes = [draw_body(rng, middle_px, 0.75 * reach * ball.radius_px, stretch=0.1, wobble=0.02)]
    for index in range(num_lobes):
        radius = min(size * float(np.exp(rng.normal(0, 0.15))), 0.95 * reach)
        angle_rad = turn_rad + 2 * np.pi * (index + rng.normal(0, 0.2)) / num_lobes
        away_px = (reach - radius) * rng.uniform(0.85, 1.0) * ball.radius_px
        centre = (ball.x_px + away_px * np.cos(angle_rad), ball.y_px + away_px * np.sin(angle_rad))
        lobes.append(draw_body(rng, centre, radius * ball.radius_px, stretch=0.1, wobble=0.02))
    return lobes


def trace_mass(lobes: list[Body], ball: Body, shape: tuple[int, int], *, notch: float) -> Patch | None:
    """Depth field of the union of some lobes.

    Args:
        lobes: At least one.
        ball: Around them; its middle is the mass's.
        shape: (H, W) of the frame.
        notch: How deep the outline is notched between two lobes, 0 (not at all) to 1 (as deep as the lobes meet).

    Returns:
        The patch, or None where the ball lies outside the frame.
    """
    whole = trace_body(ball, shape, margin_px=0.3 * ball.radius_px)
    if whole is None:
        return None
    sharpness = np.float32((2 + 14 * notch) / ball.radius_px)
    total = np.zeros(whole.depth_px.shape, np.float32)
    for lobe in lobes:
        patch = trace_body(lobe, shape, margin_px=ball.radius_px)
        depth_HW = np.full(shape, -4 * ball.radius_px, np.float32)
        depth_HW[patch.window] = patch.depth_px
        total += np.exp(np.clip(depth_HW[whole.window] * sharpness, -60, 20))
    depth = np.log(np.maximum(total, np.float32(1e-20))) / sharpness
    return replace(whole, depth_px=np.minimum(depth, whole.depth_px))
