# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe gets empty modules for matplotlib; everybody else gets the real one."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from inference.capture.without_matplotlib import without_matplotlib


@pytest.fixture(autouse=True)
def nothing_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)


def test_empty_modules_are_there_for_the_import_alone() -> None:
    with pytest.raises(RuntimeError, match="an import that fails"), without_matplotlib():
        import matplotlib.pyplot as plt

        assert not hasattr(plt, "plot")
        raise RuntimeError("an import that fails")
    assert not {"matplotlib", "matplotlib.pyplot"} & sys.modules.keys()


def test_one_that_is_imported_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ModuleType("matplotlib")
    monkeypatch.setitem(sys.modules, "matplotlib", real)
    with without_matplotlib():
        assert sys.modules["matplotlib"] is real
    assert sys.modules["matplotlib"] is real
