"""What the device at hand is good at."""

import time
from pathlib import Path

import torch


def prefers_bfloat16(device: torch.device) -> bool:
    """Tell whether products in bfloat16 are much faster than in float32: tensor cores, AMX, AVX-512 BF16."""
    if device.type == "cuda":
        return True
    cpu = Path("/proc/cpuinfo")
    return cpu.is_file() and bool({"avx512_bf16", "amx_bf16"} & set(cpu.read_text().split()))


def measure_peak(device: torch.device, bfloat16: bool) -> float:
    """Return this device's FLOP/s on a large matrix product, the best of a few."""
    size = 8192 if device.type == "cuda" else 1024
    a = torch.ones(size, size, device=device, dtype=torch.bfloat16 if bfloat16 else torch.float32)
    best = 0.0
    for _ in range(4):
        began = time.perf_counter()
        for _ in range(4):
            a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = max(best, 4 * 2 * size**3 / (time.perf_counter() - began))
    return best
