# SPDX-License-Identifier: GPL-3.0-or-later
"""The CUDA path: really on the GPU, and the same picture as on the CPU."""

import numpy as np
import pytest

from inference.errors import InputError
from inference.generator.contract import TIERS
from inference.generator.model import load_generator, model_path


def _why_not() -> str | None:
    try:
        load_generator("draft", "cuda")
    except InputError as error:
        return str(error)
    return None


@pytest.mark.gpu
@pytest.mark.parametrize("tier", TIERS)
def test_cuda_gives_the_cpu_s_picture(tier: str) -> None:
    reason = _why_not()
    if reason:
        pytest.skip(reason)
    picture = np.random.default_rng(0).random((11, 256, 256), np.float32)
    path = model_path(tier)  # by its file: a tier's name would take the 8-bit one on the CPU
    on_gpu, on_cpu = load_generator(path, "cuda"), load_generator(path, "cpu")
    assert on_gpu.provider == "cuda"
    a, b = on_gpu.run(picture), on_cpu.run(picture)
    for name in ("flow", "colour", "alpha", "matte"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=1e-3)


def test_a_machine_without_cuda_says_why_and_runs_on_the_cpu() -> None:
    if _why_not() is None:
        pytest.skip("this machine has CUDA")
    generator = load_generator("draft", "auto")
    assert generator.provider == "cpu"
    assert generator.session.get_providers() == ["CPUExecutionProvider"]
    assert "CUDA cannot be used" in generator.reason
    with pytest.raises(InputError, match="CUDA cannot be used"):
        load_generator("draft", "cuda")
