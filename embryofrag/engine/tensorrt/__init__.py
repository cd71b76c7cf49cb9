"""Engines on NVIDIA GPUs through TensorRT. Nothing is imported here: choosing an engine must stay cheap."""
