"""The network as training runs it: convolutions in the chosen precision, pools, head and logits in fp32."""

import torch
from torch import Tensor, nn

from embryofrag.network.attn_reg_deeplab import AttnRegDeepLab, Logits
from embryofrag.network.backbone import Features
from embryofrag.network.normalise import NORMALISERS
from embryofrag.training.dataset import Batch
from embryofrag.training.precision import autocast


class Learner(nn.Module):
    """Frames to logits."""

    def __init__(self, network: AttnRegDeepLab, dtype: torch.dtype, *, with_masks: bool):
        super().__init__()
        self.normalise = NORMALISERS[network.config.normalise]()
        self.network = network
        self.dtype = dtype
        self.with_masks = with_masks

    def forward(self, batch: Batch) -> Logits:
        """Return the logits of a batch of frames, ``masks_NKHW`` None where the phase needs no masks."""
        images_NHWC = batch.images_NHWC
        features = self.features(images_NHWC)
        latent = self.network.head.latent(features.f3, features.f4)
        ratio_N = self.network.head.ratio_logit(latent)
        if not self.with_masks:
            return Logits(None, ratio_N)
        size_px = (images_NHWC.shape[1], images_NHWC.shape[2])
        with autocast(images_NHWC.device, self.dtype):
            masks_NKHW = self.network.decoder(features, latent, size_px)
        return Logits(masks_NKHW.float(), ratio_N)

    def features(self, images_NHWC: Tensor) -> Features:
        """Map uint8 (N, H, W, 3) to F1, F3, F4."""
        x_NCHW = self.normalise(images_NHWC)
        with autocast(images_NHWC.device, self.dtype):
            return self.network.backbone(x_NCHW)
