# SPDX-License-Identifier: GPL-3.0-or-later
"""Without its instructions a processor emulates bfloat16, some 30 times slower than float32."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from export.training.precision import autocast, has_bfloat16

CPU = torch.device("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")
def test_a_processor_has_bfloat16_where_the_kernel_lists_it() -> None:
    flags = set(Path("/proc/cpuinfo").read_text().split())
    assert has_bfloat16(CPU) == bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


@pytest.mark.parametrize("had", [{}, {"avx512_f": True}, {"avx512_bf16": True}, {"bf16": True}])
def test_half_is_taken_only_where_it_is_native(
    had: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: had)
    native = bool({"avx512_bf16", "bf16"} & set(had))
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast(CPU, half=True):
        assert (layer(x).dtype == torch.bfloat16) == native
    with autocast(CPU, half=False):
        assert layer(x).dtype == torch.float32
