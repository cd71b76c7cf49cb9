import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embryofrag.network.attn_reg_deeplab import Logits
from embryofrag.training.losses import (
    PRECISE_LOSSES,
    LossWeights,
    bce_loss,
    consistency_loss,
    dice_loss,
    focal_loss,
    precise_l1,
    precise_soft_bce,
    range_loss,
    regression_loss,
    segmentation_loss,
    soft_area_ratio,
    total_loss,
)

NAN = math.nan
MASK_LOSSES = (bce_loss, dice_loss, focal_loss)


def mixed_batch(seed=0):
    """Two paired rows and two grade-only rows, whose masks are rubbish that must not count."""
    generator = torch.Generator().manual_seed(seed)
    masks = (torch.rand(4, 2, 8, 8, generator=generator) > 0.5).float()
    labels = SimpleNamespace(
        masks_NKHW=masks,
        has_masks_N=torch.tensor([True, True, False, False]),
        ratio_N=torch.tensor([0.1, 0.4, NAN, NAN]),
        interval_N2=torch.tensor([[0.1, 0.25], [0.0, 1.0], [0.5, 1.0], [0.0, 0.1]]),
    )
    logits = Logits(torch.randn(4, 2, 8, 8, generator=generator), torch.randn(4, generator=generator))
    return logits, labels


@pytest.mark.parametrize("loss", MASK_LOSSES)
def test_rows_without_masks_neither_count_nor_learn(loss):
    logits, labels = mixed_batch()
    logits.masks_NKHW.requires_grad_()
    value = loss(logits.masks_NKHW, labels.masks_NKHW, labels.has_masks_N)
    value.backward()
    alone = loss(logits.masks_NKHW[:2], labels.masks_NKHW[:2], labels.has_masks_N[:2])
    assert value.item() == pytest.approx(alone.item(), rel=1e-6)
    assert logits.masks_NKHW.grad[2:].abs().max() == 0
    assert logits.masks_NKHW.grad[:2].abs().max() > 0


@pytest.mark.parametrize("loss", MASK_LOSSES)
def test_no_masks_at_all_is_no_loss(loss):
    logits = torch.randn(2, 2, 4, 4, requires_grad=True)
    value = loss(logits, torch.ones(2, 2, 4, 4), torch.tensor([False, False]))
    value.backward()
    assert value.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("loss", MASK_LOSSES)
def test_a_certain_right_answer_costs_nothing(loss):
    masks = torch.zeros(1, 2, 4, 4)
    masks[0, :, :2] = 1
    assert loss((masks * 2 - 1) * 50, masks, torch.tensor([True])).item() == pytest.approx(0, abs=1e-6)


def test_dice_leaves_empty_masks_out():
    masks = torch.zeros(2, 1, 1, 2)
    masks[0, 0, 0, 0] = 1
    logits = torch.zeros(2, 1, 1, 2, requires_grad=True)
    value = dice_loss(logits, masks, torch.tensor([True, True]))
    value.backward()
    assert value.item() == 0.5
    assert logits.grad[1].abs().max() == 0


def test_segmentation_loss_is_the_sum_of_the_three():
    logits, labels = mixed_batch()
    args = (logits.masks_NKHW, labels.masks_NKHW, labels.has_masks_N)
    assert segmentation_loss(*args).item() == pytest.approx(sum(loss(*args).item() for loss in MASK_LOSSES), rel=1e-6)


@pytest.mark.parametrize("precise", PRECISE_LOSSES.values())
def test_precise_losses_read_only_rows_with_a_ratio(precise):
    logits = torch.tensor([0.3, -1.0, 2.0], requires_grad=True)
    value = precise(logits, torch.tensor([0.2, NAN, 0.9]))
    value.backward()
    assert value.item() == pytest.approx(precise(logits[[0, 2]], torch.tensor([0.2, 0.9])).item())
    assert logits.grad[1] == 0
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("precise", PRECISE_LOSSES.values())
def test_precise_losses_are_least_at_the_truth(precise):
    truth = torch.tensor([0.3])
    at_truth = precise(torch.logit(truth), truth)
    assert at_truth < precise(torch.logit(truth + 0.02), truth)
    assert at_truth < precise(torch.logit(truth - 0.02), truth)


def test_soft_bce_learns_where_l1_saturates():
    gradients = {}
    for precise in (precise_l1, precise_soft_bce):
        logits = torch.tensor([-12.0], requires_grad=True)
        precise(logits, torch.tensor([0.4])).backward()
        gradients[precise] = logits.grad.abs().item()
    assert gradients[precise_l1] < 1e-4
    assert gradients[precise_soft_bce] == pytest.approx(0.4, abs=1e-3)


@settings(max_examples=50)
@given(low=st.floats(0, 1), width=st.floats(0, 1), ratio=st.floats(0.01, 0.99))
def test_range_loss_is_the_distance_to_the_interval(low, width, ratio):
    high = min(1.0, low + width)
    loss = range_loss(torch.logit(torch.tensor([ratio])), torch.tensor([[low, high]])).item()
    assert loss == pytest.approx(max(low - ratio, 0, ratio - high), abs=1e-5)


def test_range_loss_of_no_rows_is_zero():
    assert range_loss(torch.zeros(0), torch.zeros(0, 2)).item() == 0


def test_regression_loss_uses_the_grade_only_where_the_ratio_is_unknown():
    logits = torch.zeros(2)  # ratio .5
    intervals = torch.tensor([[0.9, 1.0], [0.75, 1.0]])
    value = regression_loss(logits, torch.tensor([0.4, NAN]), intervals)
    assert value.item() == pytest.approx(0.1 + 0.25)


def test_soft_area_ratio_of_sure_masks_is_their_area_ratio():
    masks = torch.zeros(1, 2, 10, 10)
    masks[0, 1, :5, :8] = 1
    masks[0, 0, 4:6, :5] = 1
    assert soft_area_ratio((masks * 2 - 1) * 30).item() == pytest.approx(0.125, abs=1e-6)


def test_consistency_loss_survives_masks_that_vanish():
    logits = torch.full((1, 2, 4, 4), -200.0, requires_grad=True)
    value = consistency_loss(logits, torch.tensor([0.3]))
    value.backward()
    assert value.item() == pytest.approx(0.3)
    assert torch.isfinite(logits.grad).all()


def test_consistency_loss_skips_rows_without_a_ratio():
    logits = torch.zeros(2, 2, 4, 4, requires_grad=True)
    value = consistency_loss(logits, torch.tensor([NAN, 0.2]))
    value.backward()
    assert value.item() == pytest.approx(0.3)
    assert logits.grad[0].abs().max() == 0
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("precise", PRECISE_LOSSES)
def test_total_is_the_weighted_sum_and_every_gradient_is_finite(precise):
    logits, labels = mixed_batch()
    logits.masks_NKHW.requires_grad_()
    logits.ratio_N.requires_grad_()
    losses = total_loss(logits, labels, LossWeights(alpha=1, beta=2, gamma=0.5), precise)
    losses.total.backward()
    expected = losses.seg + 2 * losses.reg + 0.5 * losses.cons
    assert losses.total.item() == pytest.approx(expected.item())
    assert torch.isfinite(logits.masks_NKHW.grad).all()
    assert (logits.ratio_N.grad != 0).any()
    assert torch.isfinite(logits.ratio_N.grad).all()


def test_a_term_of_weight_zero_is_left_out():
    logits, labels = mixed_batch()
    losses = total_loss(logits, labels, LossWeights(alpha=1, beta=0, gamma=0))
    assert losses.reg == 0
    assert losses.cons == 0
    assert losses.total == losses.seg


def test_half_precision_logits_are_measured_in_float32():
    logits, labels = mixed_batch()
    half = Logits(logits.masks_NKHW.bfloat16(), logits.ratio_N.bfloat16())
    weights = LossWeights(alpha=1, beta=1, gamma=1)
    assert total_loss(half, labels, weights).total.dtype == torch.float32
    assert total_loss(half, labels, weights).total.item() == pytest.approx(
        total_loss(logits, labels, weights).total.item(), abs=0.02
    )


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_weights_are_finite_and_not_negative(weight):
    with pytest.raises(ValueError, match="beta"):
        LossWeights(alpha=1.0, beta=weight, gamma=0.0)
