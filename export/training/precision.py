# SPDX-License-Identifier: GPL-3.0-or-later
"""bfloat16 where the machine computes in it, float32 where it would only pretend to.

A processor without bfloat16 instructions emulates them: on AVX2 alone a convolution's forward and
backward pass took 33 times as long as in float32.
"""

from __future__ import annotations

import torch


def autocast(device: torch.device, half: bool) -> torch.autocast:
    """A context in which networks compute in bfloat16, if `half` and the device has it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=half and has_bfloat16(device))


def has_bfloat16(device: torch.device) -> bool:
    """Has this device instructions for bfloat16?"""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        can = torch.cpu.get_capabilities()
        return bool(can.get("avx512_bf16") or can.get("amx_bf16") or can.get("bf16"))
    return False
