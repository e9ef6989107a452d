# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of training share: a little footage, prepared once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from export.data.prepare import prepare
from tests.conftest import made_once


@pytest.fixture(scope="session")
def data(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people to train on and one to validate with."""
    source = tmp_path_factory.mktemp("source")
    rows = ["file,split,identity"]
    for name, split in (
        ("s_grid_female_ccby4.mp4", "train"),
        ("s_grid_male_ccby4.mp4", "train"),
        ("s_obama_whitehouse_pd.mp4", "val"),
    ):
        shutil.copy(footage / "sample" / name, source / name)
        rows.append(f"{name},{split},{name[2:8]}{split}")
    (source / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    return made_once("data", lambda out: prepare(source, out, processes=1))


@pytest.fixture(scope="session")
def everybody(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All sample clips and stills, to train on."""
    source = tmp_path_factory.mktemp("source")
    for path in (footage / "sample").iterdir():
        shutil.copy(path, source / path.name)
    return made_once("everybody", lambda out: prepare(source, out, processes=1, val_share=0))
