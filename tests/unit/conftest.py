# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of networks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """The same sums and the same random numbers on every machine."""
    import torch  # here: most tests of this room need none

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(11)
    yield
    torch.set_num_threads(threads)
