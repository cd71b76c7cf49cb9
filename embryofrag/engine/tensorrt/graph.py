"""A deployed module as TensorRT gets it: BatchNorm folded in fp32, convolutions in fp16, exported with a free batch.

TensorRT builds what the graph says: it chooses no precision itself. So the graph of an fp16 engine holds fp16
convolutions between casts, and what loses by fp16 stays fp32: normalisation, the long sums of the pools, the
regression head, the injected vector and the sigmoids.
"""

import copy
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from embryofrag.network.decoder import Decoder
from embryofrag.network.injection import InjectedConv, constant_map_response
from embryofrag.network.normalise import NORMALISERS

DTYPES = {"fp16": torch.float16, "fp32": torch.float32}
"""Of the convolutions, by precision; in the order in which "auto" prefers them."""
FP32_PARTS = ("normalisation", "global pooling", "regression head", "injected vector", "sigmoids")
"""What stays fp32 in an fp16 engine."""


@torch.no_grad()
def export_module(
    deployed: nn.Module, *, precision: str, input_px: int, max_batch: int
) -> torch.export.ExportedProgram:
    """Export a deployed module for one precision, any batch from 1 to `max_batch`.

    Args:
        deployed: Takes uint8 (N, S, S, 3), gives float32 tensors with N first; stays as it is.
        precision: A key of `DTYPES`.
        input_px: Side S of the input.
        max_batch: At least 2; a batch of 1 would be exported as the only one.

    Raises:
        ValueError: a BatchNorm has no convolution to be folded into, or a convolution kept another precision.
    """
    prepared = fold_batchnorm(copy.deepcopy(deployed).eval().requires_grad_(False))
    if DTYPES[precision] is torch.float16:
        halve_convolutions(prepared)
    example_NHWC = torch.zeros((max_batch, input_px, input_px, 3), dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1, max=max_batch)
    exported = torch.export.export(prepared, (example_NHWC,), dynamic_shapes=({0: batch},))
    _check_convolutions(exported, DTYPES[precision])
    return exported


def normalisation(deployed: nn.Module) -> str:
    """Return which of `NORMALISERS` a deployed module starts with."""
    kinds = [type(layer) for layer in deployed.modules()]
    return next(name for name, kind in NORMALISERS.items() if kind in kinds)


def fold_batchnorm(network: nn.Module) -> nn.Module:
    """Fold every BatchNorm of a network in evaluation mode into the convolution before it, in fp32.

    Raises:
        ValueError: a BatchNorm follows no convolution that this knows of.
    """
    for parent, conv_name, norm_parent, norm_name in list(_convolutions_with_norm(network)):
        fused = fuse_conv_bn_eval(getattr(parent, conv_name), getattr(norm_parent, norm_name))
        setattr(parent, conv_name, fused)
        setattr(norm_parent, norm_name, nn.Identity())
    left = [name for name, layer in network.named_modules() if isinstance(layer, nn.BatchNorm2d)]
    if left:
        raise ValueError(f"no convolution to fold {', '.join(left)} into")
    return network


def _convolutions_with_norm(network: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module, str]]:
    """Yield (owner and name of a convolution, owner and name of the BatchNorm on its output)."""
    for layer in network.modules():
        children = list(layer.named_children())
        if isinstance(layer, Decoder) and layer.injection is not None:
            yield layer.injection, "conv", layer.after_injection, "0"
        for (name, child), (next_name, next_child) in pairwise(children):
            if isinstance(child, nn.Conv2d) and isinstance(next_child, nn.BatchNorm2d):
                yield layer, name, layer, next_name


def halve_convolutions(network: nn.Module) -> None:
    """Turn every convolution to fp16, with the casts that this asks for; BatchNorm is folded already."""
    for layer in list(network.modules()):
        for name, child in list(layer.named_children()):
            if isinstance(child, tuple(NORMALISERS.values())):
                setattr(layer, name, nn.Sequential(child, _ToHalf()))
            elif isinstance(child, InjectedConv):
                setattr(layer, name, HalfInjectedConv(child))
            elif isinstance(child, nn.Conv2d):
                child.half()


class _ToHalf(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.half()


class HalfInjectedConv(nn.Module):
    """`InjectedConv` with the decoder's share in fp16 and the latent's in fp32."""

    def __init__(self, injected: InjectedConv):
        super().__init__()
        weight_d, weight_v = injected.conv.weight.tensor_split([injected.decoder_channels], dim=1)
        self.from_decoder = nn.Conv2d(*weight_d.shape[1::-1], 3, padding=1, bias=injected.conv.bias is not None)
        self.from_decoder.load_state_dict(
            {"weight": weight_d} | ({} if injected.conv.bias is None else {"bias": injected.conv.bias})
        )
        self.from_decoder.half()
        self.register_buffer("weight_v", weight_v.clone())

    def forward(self, d: Tensor, v: Tensor) -> Tensor:
        """Map d fp16 (N, decoder, H, W) and v float32 (N, latent) to fp16 (N, out, H, W)."""
        return self.from_decoder(d) + constant_map_response(self.weight_v, v, d.shape[2], d.shape[3]).half()


def _check_convolutions(exported: torch.export.ExportedProgram, dtype: torch.dtype) -> None:
    convolutions = [node for node in exported.graph.nodes if "conv" in str(node.target)]
    odd = [node.name for node in convolutions if node.meta["val"].dtype != dtype]
    if not convolutions or odd:
        raise ValueError(
            f"of {len(convolutions)} convolutions these are not {dtype}: {', '.join(odd) or 'there are none'}"
        )
