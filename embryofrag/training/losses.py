"""The losses: L = alpha L_seg + beta L_reg + gamma L_cons (arXiv 2511.18454, section III).

Every term is a mean over the rows that have what it needs, so paired and grade-only rows may share a batch; where no
row has it the term is 0. Logits of any float type come in, the arithmetic is float32.

Shape legend: N image, K class (0 fragment, 1 embryo), H and W pixels of the network's input.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from embryofrag.network.attn_reg_deeplab import Logits

FOCAL_GAMMA = 2.0
"""Exponent of the focal loss, as Lin et al. (arXiv 1708.02002) recommend; the paper gives none."""


class Labels(Protocol):
    """The part of a batch that the losses read (`embryofrag.training.dataset.Batch`)."""

    masks_NKHW: Tensor
    """float32 0..1; anything finite where ``has_masks_N`` is false."""
    has_masks_N: Tensor
    """bool."""
    ratio_N: Tensor
    """float32 0..1, the true ratio; nan for grade-only rows."""
    interval_N2: Tensor
    """float32, lowest and highest ratio of the row's grade; 0 and 1 where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """Weights of the three terms; the paper does not give them. A term of weight 0 is not computed."""

    alpha: float
    """Of L_seg."""
    beta: float
    """Of L_reg."""
    gamma: float
    """Of L_cons."""

    def __post_init__(self):
        for name in self.__slots__:
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is a finite number of at least 0, not {getattr(self, name)}")


class Losses(NamedTuple):
    """The total and its terms before their weights, scalars; a term of weight 0 reads 0."""

    total: Tensor
    seg: Tensor
    reg: Tensor
    cons: Tensor


def total_loss(logits: Logits, labels: Labels, weights: LossWeights, precise: str = "l1") -> Losses:
    """L = alpha L_seg + beta L_reg + gamma L_cons.

    Args:
        logits: What the network answered; ``masks_NKHW`` is not read where alpha and gamma are 0.
        labels: The batch.
        weights: alpha, beta, gamma.
        precise: A key of `PRECISE_LOSSES`.

    >>> from types import SimpleNamespace
    >>> labels = SimpleNamespace(ratio_N=torch.tensor([0.2, torch.nan]), interval_N2=torch.tensor([[0, 1], [0.6, 1]]))
    >>> losses = total_loss(Logits(None, torch.zeros(2)), labels, LossWeights(alpha=0, beta=2, gamma=0))
    >>> round(losses.reg.item(), 4), round(losses.total.item(), 4)  # |.5 - .2| + (.6 - .5), doubled
    (0.4, 0.8)
    """
    nothing = torch.zeros((), device=logits.ratio_N.device)
    seg = reg = cons = nothing
    if weights.alpha:
        seg = segmentation_loss(logits.masks_NKHW, labels.masks_NKHW, labels.has_masks_N)
    if weights.beta:
        reg = regression_loss(logits.ratio_N, labels.ratio_N, labels.interval_N2, precise)
    if weights.gamma:
        cons = consistency_loss(logits.masks_NKHW, labels.ratio_N)
    return Losses(weights.alpha * seg + weights.beta * reg + weights.gamma * cons, seg, reg, cons)


def segmentation_loss(logits_NKHW: Tensor, masks_NKHW: Tensor, has_masks_N: Tensor) -> Tensor:
    """L_seg = BCE + Dice + Focal, each over the rows with masks."""
    args = (logits_NKHW, masks_NKHW, has_masks_N)
    return bce_loss(*args) + dice_loss(*args) + focal_loss(*args)


def bce_loss(logits_NKHW: Tensor, masks_NKHW: Tensor, has_masks_N: Tensor) -> Tensor:
    """Mean over pixels of -(m log p + (1 - m) log(1 - p)), with p the sigmoid of the logit.

    >>> masks = torch.tensor([[[[1.0, 0.0]]]])
    >>> round(bce_loss(torch.zeros(1, 1, 1, 2), masks, torch.tensor([True])).item(), 4)  # log 2
    0.6931
    """
    loss_NKHW = F.binary_cross_entropy_with_logits(logits_NKHW.float(), masks_NKHW, reduction="none")
    return _mean_where(loss_NKHW.mean(dim=(1, 2, 3)), has_masks_N)


def dice_loss(logits_NKHW: Tensor, masks_NKHW: Tensor, has_masks_N: Tensor) -> Tensor:
    """1 - 2 sum(p m) / (sum(p) + sum(m)), for each image and class whose mask is not empty, then the mean.

    An empty mask is left to the other two losses: there the Dice loss is 1 whatever small area is predicted.

    >>> masks = torch.tensor([[[[1.0, 0.0]]]])
    >>> dice_loss(torch.zeros(1, 1, 1, 2), masks, torch.tensor([True])).item()  # 1 - 2 x .5 / (1 + 1)
    0.5
    """
    p_NKHW = logits_NKHW.float().sigmoid()
    mask_area_NK = masks_NKHW.sum(dim=(2, 3))
    counted_NK = has_masks_N[:, None] & (mask_area_NK > 0)
    common_NK = (p_NKHW * masks_NKHW).sum(dim=(2, 3))
    areas_NK = p_NKHW.sum(dim=(2, 3)) + mask_area_NK
    return _mean_where(1.0 - 2.0 * common_NK / torch.where(counted_NK, areas_NK, 1.0), counted_NK)


def focal_loss(logits_NKHW: Tensor, masks_NKHW: Tensor, has_masks_N: Tensor) -> Tensor:
    """Mean over pixels of -(1 - q)^2 log q, with q the probability given to the truth (arXiv 1708.02002, eq. 4).

    >>> masks = torch.tensor([[[[1.0, 0.0]]]])
    >>> round(focal_loss(torch.zeros(1, 1, 1, 2), masks, torch.tensor([True])).item(), 4)  # log 2 / 4
    0.1733
    """
    logits_NKHW = logits_NKHW.float()
    bce_NKHW = F.binary_cross_entropy_with_logits(logits_NKHW, masks_NKHW, reduction="none")
    wrong_NKHW = (logits_NKHW.sigmoid() - masks_NKHW).abs()
    return _mean_where((wrong_NKHW**FOCAL_GAMMA * bce_NKHW).mean(dim=(1, 2, 3)), has_masks_N)


def regression_loss(ratio_logit_N: Tensor, ratio_N: Tensor, interval_N2: Tensor, precise: str = "l1") -> Tensor:
    """L_reg = the precise loss over rows with a ratio + the range loss over rows that have only a grade.

    Args:
        ratio_logit_N: Logit of the predicted ratio.
        ratio_N: True ratio, nan where only a grade is known.
        interval_N2: Lowest and highest ratio of the grade.
        precise: A key of `PRECISE_LOSSES`.
    """
    graded_N = ratio_N.isnan()
    return PRECISE_LOSSES[precise](ratio_logit_N, ratio_N) + range_loss(ratio_logit_N[graded_N], interval_N2[graded_N])


def precise_l1(ratio_logit_N: Tensor, ratio_N: Tensor) -> Tensor:
    """Mean of |y - y_true| over rows with a ratio, with y the sigmoid of the logit: the paper's.

    >>> round(precise_l1(torch.zeros(2), torch.tensor([0.1, torch.nan])).item(), 4)
    0.4
    """
    known_N = ~ratio_N.isnan()
    return _mean_where((ratio_logit_N.float().sigmoid() - torch.where(known_N, ratio_N, 0.0)).abs(), known_N)


def precise_soft_bce(ratio_logit_N: Tensor, ratio_N: Tensor) -> Tensor:
    """Mean of -(y_true log y + (1 - y_true) log(1 - y)) over rows with a ratio.

    Least at y = y_true, like L1, but its gradient y - y_true does not vanish where the sigmoid is flat.

    >>> round(precise_soft_bce(torch.zeros(2), torch.tensor([0.1, torch.nan])).item(), 4)  # log 2
    0.6931
    """
    known_N = ~ratio_N.isnan()
    truth_N = torch.where(known_N, ratio_N, 0.0)
    return _mean_where(F.binary_cross_entropy_with_logits(ratio_logit_N.float(), truth_N, reduction="none"), known_N)


def range_loss(ratio_logit_N: Tensor, interval_N2: Tensor) -> Tensor:
    """Mean of relu(lo - y) + relu(y - hi): zero while the ratio lies inside its grade.

    >>> intervals = torch.tensor([[0.0, 0.1], [0.25, 0.5], [0.75, 1.0]])
    >>> round(range_loss(torch.zeros(3), intervals).item(), 4)  # (.4 + 0 + .25) / 3
    0.2167
    """
    y_N = ratio_logit_N.float().sigmoid()
    low_N, high_N = interval_N2.unbind(dim=1)
    outside_N = F.relu(low_N - y_N) + F.relu(y_N - high_N)
    return outside_N.sum() / max(1, len(outside_N))


def consistency_loss(logits_NKHW: Tensor, ratio_N: Tensor) -> Tensor:
    """L_cons: mean of |soft area ratio of the predicted masks - y_true| over rows with a ratio.

    >>> logits = torch.zeros(1, 2, 4, 4)  # half a fragment in each pixel
    >>> round(consistency_loss(logits, torch.tensor([0.2])).item(), 4)
    0.3
    """
    known_N = ~ratio_N.isnan()
    truth_N = torch.where(known_N, ratio_N, 0.0)
    return _mean_where((soft_area_ratio(logits_NKHW) - truth_N).abs(), known_N)


def soft_area_ratio(logits_NKHW: Tensor) -> Tensor:
    """Return sum(p_fragment p_embryo) / sum(p_embryo), (N,) in 0..1: the ratio of masks with soft edges.

    >>> certain = 20.0 * torch.tensor([[[[1.0, -1.0, 1.0]], [[1.0, 1.0, -1.0]]]])
    >>> round(soft_area_ratio(certain).item(), 4)  # one of the two embryo pixels
    0.5
    """
    fragment_NHW, embryo_NHW = logits_NKHW.float().sigmoid().unbind(dim=1)
    embryo_area_N = embryo_NHW.sum(dim=(1, 2)).clamp_min(torch.finfo(torch.float32).tiny)
    return (fragment_NHW * embryo_NHW).sum(dim=(1, 2)) / embryo_area_N


def _mean_where(values: Tensor, counted: Tensor) -> Tensor:
    """Mean over the counted entries, 0 where there is none; what is not counted gets no gradient."""
    return torch.where(counted, values, 0.0).sum() / counted.sum().clamp_min(1)


PRECISE_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": precise_l1, "soft_bce": precise_soft_bce}
"""The losses on a known ratio, by name."""
