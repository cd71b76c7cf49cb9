import numpy as np

from embryofrag.phantom import probe_images


def test_probe_is_fixed_and_varied():
    images = probe_images(96, count=4)
    assert images.shape == (4, 96, 96, 3)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images[:2], probe_images(96, count=2))
    assert all((images[0] != other).any() for other in images[1:])
    assert (images[0][..., 0] == images[0][..., 1]).all()
    assert (images[2][..., 0] != images[2][..., 2]).any()
