"""Pseudo-random numbers that every language computes to the bit.

Value `i` of stream `j` is the 32-bit finaliser of MurmurHash3 over
`i + 1 + 0x9E3779B9 j`, mapped to [-1, 1). Networks too large to store are
filled with it on both sides of a comparison.
"""

import numpy as np


def uniform(stream: int, count: int) -> np.ndarray:
    """`count` float64 values in [-1, 1)."""
    h = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(0x9E3779B9 * stream)
    h = (h & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return h.astype(np.float64) / 2.0**31 - 1.0


def array(stream: int, shape, scale: float = 1.0) -> np.ndarray:
    """float32 values of a shape, within plus and minus `scale`."""
    count = int(np.prod(shape))
    return (uniform(stream, count) * scale).astype(np.float32).reshape(shape)


def weight(stream: int, name: str, shape) -> np.ndarray:
    """What a tensor of a network is filled with, by its name and rank.

    A bottleneck's last norm is kept small: with scales of one, ResNet-50's
    gradients are so sensitive that PyTorch's own float32 is 2% off its float64.
    """
    if name.endswith("bn3.weight"):
        return np.float32(0.125) + array(stream, shape, 0.0625)
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        return np.float32(1.0) + array(stream, shape, 0.25)
    if len(shape) <= 1:
        return array(stream, shape, 0.1)
    return array(stream, shape, float(np.sqrt(3.0 / np.prod(shape[1:]))))
