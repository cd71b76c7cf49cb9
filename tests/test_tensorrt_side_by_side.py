"""Several cards as one engine, with stand-ins for the cards."""

import threading

import numpy as np
import pytest

from embryofrag.engine.tensorrt.side_by_side import SideBySide
from embryofrag.errors import EmbryofragError


class Card:
    """Answers with the mean of each frame, once all cards of a batch are at work."""

    id, module, input_px = "tensorrt-fp16:12345678", "b", 8

    def __init__(self, together: threading.Barrier | None = None, trouble: str | None = None):
        self.together, self.trouble = together, trouble
        self.sizes, self.closed = [], False

    def run(self, images_NHWC):
        if self.together is not None:
            self.together.wait(timeout=20)
        if self.trouble:
            raise EmbryofragError(self.trouble)
        self.sizes.append(len(images_NHWC))
        return images_NHWC.mean(axis=(1, 2, 3), dtype=np.float32)

    def close(self):
        self.closed = True


def draw(count):
    return np.random.default_rng(3).integers(0, 255, (count, 8, 8, 3), np.uint8)


@pytest.mark.parametrize(("count", "sizes"), [(7, [3, 2, 2]), (3, [1, 1, 1])])
def test_cards_share_a_batch_at_the_same_time_and_keep_its_order(count, sizes):
    together = threading.Barrier(3)
    cards = [Card(together) for _ in range(3)]
    engine = SideBySide(cards)
    images = draw(count)
    np.testing.assert_array_equal(engine.run(images), images.mean(axis=(1, 2, 3), dtype=np.float32))
    assert [card.sizes for card in cards] == [[size] for size in sizes]
    assert (engine.id, engine.module, engine.input_px) == (Card.id, Card.module, Card.input_px)
    engine.close()
    assert all(card.closed for card in cards)


class PairCard(Card):
    """Answers for both modules."""

    def run(self, images_NHWC):
        ratios_N = super().run(images_NHWC)
        return images_NHWC[:, None, :, :, 0].astype(np.float32), ratios_N


def test_both_answers_of_the_pair_keep_their_order():
    images = draw(5)
    masks, ratios = SideBySide([PairCard(), PairCard()]).run(images)
    np.testing.assert_array_equal(masks[:, 0], images[..., 0])
    np.testing.assert_array_equal(ratios, images.mean(axis=(1, 2, 3), dtype=np.float32))


def test_fewer_frames_than_cards_leave_cards_idle():
    cards = [Card(), Card()]
    assert SideBySide(cards).run(draw(1)).shape == (1,)
    assert [card.sizes for card in cards] == [[1], []]


def test_what_no_engine_takes_is_left_to_a_card_to_refuse():
    cards = [Card(), Card()]
    SideBySide(cards).run(draw(0))
    assert cards[0].sizes == [0]


def test_trouble_of_one_card_is_trouble_of_the_batch():
    with pytest.raises(EmbryofragError, match="card 1 fell off the bus"):
        SideBySide([Card(), Card(trouble="card 1 fell off the bus")]).run(draw(4))
