import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embryofrag.imaging.letterbox import letterbox, place_frame, place_window, to_canvas, to_frame, undo_letterbox
from embryofrag.imaging.window import Circle, Window, window_around

sides_px = st.integers(1, 1500)


def draw_disc(shape: tuple[int, int], centre_xy: tuple[float, float], radius_px: float) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (columns - centre_xy[0]) ** 2 + (rows - centre_xy[1]) ** 2 <= radius_px**2


def centroid_xy(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()])


@given(sides_px, sides_px, st.integers(1, 1024))
def test_content_lies_on_the_canvas_and_fills_one_side(height_px, width_px, size_px):
    box = place_frame(height_px, width_px, size_px)
    assert max(box.content_height_px, box.content_width_px) == size_px
    assert 0 <= box.top_px <= box.top_px + box.content_height_px <= size_px
    assert 0 <= box.left_px <= box.left_px + box.content_width_px <= size_px
    assert 0 <= size_px - box.content_height_px - 2 * box.top_px <= 1
    assert 0 <= size_px - box.content_width_px - 2 * box.left_px <= 1


@given(sides_px, sides_px, st.integers(1, 1024), st.floats(-50, 1550), st.floats(-50, 1550))
def test_points_return_exactly(height_px, width_px, size_px, x, y):
    box = place_frame(height_px, width_px, size_px)
    points = np.array([[x, y], [0.0, 0.0], [width_px - 1, height_px - 1]])
    np.testing.assert_allclose(to_frame(to_canvas(points, box), box), points, rtol=0, atol=1e-9)


@given(sides_px, sides_px, st.integers(1, 1024))
def test_corners_of_the_frame_are_corners_of_the_content(height_px, width_px, size_px):
    box = place_frame(height_px, width_px, size_px)
    corners = np.array([[-0.5, -0.5], [width_px - 0.5, height_px - 0.5]])
    rows, columns = box.content
    expected = [[columns.start - 0.5, rows.start - 0.5], [columns.stop - 0.5, rows.stop - 0.5]]
    np.testing.assert_allclose(to_canvas(corners, box), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "shape", [(800, 800), (799, 801), (500, 500), (1024, 1280), (601, 333), (224, 224), (223, 260)]
)
@pytest.mark.parametrize("size_px", [256, 319, 512])
def test_mask_comes_back_where_it_was(shape, size_px):
    side_px = min(shape)
    truth = draw_disc(shape, (shape[1] * 0.62, shape[0] * 0.41), side_px * 0.2)
    canvas, box = letterbox(truth.astype(np.uint8) * 255, size_px)
    returned = undo_letterbox(canvas[:, :, 0].astype(np.float32) / 255, box) >= 0.5
    assert np.count_nonzero(returned & truth) / np.count_nonzero(returned | truth) >= 0.97
    assert np.abs(centroid_xy(returned) - centroid_xy(truth)).max() < 0.1


@pytest.mark.parametrize("shape", [(400, 300), (401, 301), (97, 211)])
@pytest.mark.parametrize("size_px", [128, 255, 640])
def test_pixels_and_points_agree(shape, size_px):
    centre = np.array([shape[1] * 0.3, shape[0] * 0.6])
    spot = draw_disc(shape, tuple(centre), 12).astype(np.uint8) * 255
    canvas, box = letterbox(spot, size_px)
    weights = canvas[box.content][:, :, 0].astype(np.float64)
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    seen = np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum() + (box.left_px, box.top_px)
    frame_px_per_canvas_px = max(shape) / size_px
    error_px = np.abs(to_frame(seen, box) - centroid_xy(spot > 0)).max()
    assert error_px < 0.05 * max(1.0, frame_px_per_canvas_px)


def test_padding_is_the_mean_colour():
    image = np.zeros((10, 40, 3), np.uint8)
    image[:, :20] = (200, 100, 51)
    canvas, box = letterbox(image, 40)
    assert (box.top_px, box.content_height_px) == (15, 10)
    assert canvas[0, 0].tolist() == [100, 50, 26]
    np.testing.assert_array_equal(canvas[box.content], image)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(4, 64))
def test_padding_never_leaks_in(height_px, width_px, size_px):
    box = place_frame(height_px, width_px, size_px)
    map_SS = np.full((size_px, size_px), np.nan, np.float32)
    map_SS[box.content] = 0.25
    returned = undo_letterbox(map_SS, box)
    assert returned.shape == (height_px, width_px)
    assert returned.dtype == np.float32
    np.testing.assert_allclose(returned, 0.25, rtol=0, atol=1e-6)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(4, 64))
def test_maps_stay_within_their_range(height_px, width_px, size_px):
    box = place_frame(height_px, width_px, size_px)
    map_SS = np.random.default_rng(1).random((size_px, size_px), np.float32)
    returned = undo_letterbox(map_SS, box)
    content = map_SS[box.content]
    assert content.min() - 1e-6 <= returned.min() <= returned.max() <= content.max() + 1e-6


@pytest.mark.parametrize("shape", [(1, 1), (1, 1000), (1000, 1), (3, 700), (1, 1, 3), (2, 5, 3)])
def test_extreme_frames(shape):
    image = np.full(shape, 77, np.uint8)
    canvas, box = letterbox(image, 64)
    assert canvas.shape == (64, 64, 3)
    assert np.all(canvas == 77)
    assert undo_letterbox(np.ones((64, 64), np.float32), box).shape == shape[:2]


def test_grey_is_repeated_and_identity_is_exact():
    image = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    canvas, box = letterbox(image, 48)
    np.testing.assert_array_equal(canvas, np.repeat(image[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(undo_letterbox(image.astype(np.float32), box), image)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint16), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 1), np.uint8), np.zeros(4, np.uint8)],
)
def test_refuses_what_is_no_image(image):
    with pytest.raises(ValueError, match="uint8"):
        letterbox(image, 32)


def test_refuses_empty_frames_and_foreign_maps():
    with pytest.raises(ValueError, match="at least 1 px"):
        place_frame(0, 4, 32)
    with pytest.raises(ValueError, match="32 px canvas"):
        undo_letterbox(np.zeros((16, 16), np.float32), place_frame(4, 4, 32))


windows = st.builds(
    Window, top_px=st.integers(-300, 299), left_px=st.integers(-300, 399), side_px=st.integers(301, 900)
)


@given(windows, st.integers(1, 512))
def test_a_window_shows_its_part_of_the_frame_and_points_return(window, size_px):
    box = place_window(300, 400, size_px, window)
    rows, columns = box.region
    assert rows == slice(max(0, window.top_px), min(300, window.top_px + window.side_px))
    assert columns == slice(max(0, window.left_px), min(400, window.left_px + window.side_px))
    assert 0 <= box.top_px < box.top_px + box.content_height_px <= size_px
    assert 0 <= box.left_px < box.left_px + box.content_width_px <= size_px
    points = np.array([[0.0, 0.0], [399.0, 299.0], [17.25, 250.5]])
    np.testing.assert_allclose(to_frame(to_canvas(points, box), box), points, rtol=0, atol=1e-8)


@pytest.mark.parametrize("centre", [(200, 150), (40, 150), (370, 280)])
@pytest.mark.parametrize("share", [0.5, 0.72, 0.9])
def test_mask_in_a_window_comes_back_where_it_was(centre, share):
    truth = draw_disc((300, 400), centre, 60)
    window = window_around(Circle(x_px=centre[0], y_px=centre[1], radius_px=60), share)
    canvas, box = letterbox(truth.astype(np.uint8) * 255, 256, window)
    returned = undo_letterbox(canvas[:, :, 0].astype(np.float32) / 255, box) >= 0.5
    assert np.count_nonzero(returned & truth) / np.count_nonzero(returned | truth) >= 0.97


def test_what_a_window_does_not_show_is_zero():
    box = place_window(300, 400, 64, Window(top_px=100, left_px=150, side_px=100))
    returned = undo_letterbox(np.ones((64, 64), np.float32), box)
    assert returned[100:200, 150:250].all() and np.count_nonzero(returned) == 100 * 100


def test_a_window_beside_the_frame_is_refused():
    with pytest.raises(ValueError, match="shows nothing"):
        place_window(300, 400, 64, Window(top_px=300, left_px=0, side_px=50))


def test_a_window_with_the_size_of_the_frame_is_the_frame():
    image = np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8)
    whole, window = letterbox(image, 256), letterbox(image, 256, Window(top_px=0, left_px=0, side_px=256))
    np.testing.assert_array_equal(whole[0], window[0])
    assert whole[1] == window[1]
