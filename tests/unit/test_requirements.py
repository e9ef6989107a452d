# SPDX-License-Identifier: GPL-3.0-or-later
"""What `build.py` installs: packages by their hashes alone, from files that agree."""

import os
import re
import sys
import zipfile
from pathlib import Path

import pytest

import build


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "Kopie mit späce" / "日本語"
    root.mkdir(parents=True)
    return root


class TestInstall:
    """The real pip, without a network: one small wheel on the disk is all that it finds."""

    @pytest.fixture(autouse=True)
    def wheel(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        path = project / "likeness_sample-1-py3-none-any.whl"
        info = "likeness_sample-1.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("likeness_sample.py", "")
            archive.writestr(
                f"{info}/METADATA", "Metadata-Version: 2.1\nName: likeness-sample\nVersion: 1\n"
            )
            archive.writestr(
                f"{info}/WHEEL",
                "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            archive.writestr(f"{info}/RECORD", "")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", project.as_uri())
        monkeypatch.setenv("PIP_TARGET", str(project / "target"))
        return path

    def install(self, project: Path, text: str) -> None:
        (project / "a.txt").write_text(text, encoding="utf-8")
        build.install(Path(sys.executable), project, "a.txt", project / "log")

    def test_a_package_with_its_hash_is_installed(
        self, project: Path, wheel: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.install(project, f"likeness-sample==1 --hash=sha256:{build.digest(wheel)}\n")
        assert (project / "target" / "likeness_sample.py").exists()
        assert re.fullmatch(r"build\.py: a\.txt installed +\d+\.\d s\n", capsys.readouterr().out)

    @pytest.mark.parametrize(
        ("pin", "cause"),
        [
            ("likeness-sample==1", "the lines above say why"),
            (f"likeness-sample==1 --hash=sha256:{'0' * 64}", "not the one that was pinned"),
            (f"likeness-sample==2 --hash=sha256:{'0' * 64}", "was not found"),
        ],
        ids=["no hash", "another hash", "not there"],
    )
    def test_any_other_is_refused(
        self, project: Path, capsys: pytest.CaptureFixture[str], pin: str, cause: str
    ) -> None:
        with pytest.raises(build.BuildError) as raised:
            self.install(project, pin + "\n")
        message = str(raised.value)
        assert message.startswith("could not install a.txt: ")
        assert cause in message
        assert "\n" not in message
        assert not (project / "target").exists()
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "likeness-sample" in printed.err

    @pytest.mark.parametrize(
        ("log", "advice"),
        [
            (
                "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on "
                "device",
                "disk is full",
            ),
            (
                "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError("
                "'<pip._vendor.urllib3.connection.HTTPSConnection object>: Failed to establish a "
                "new connection: [Errno -3] Temporary failure in name resolution')': "
                "/simple/numpy/\n"
                "ERROR: No matching distribution found for numpy==1.26.4",
                "no connection",
            ),
            (
                "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
                "not the one that was pinned",
            ),
            ("something nobody has seen", "lines above"),
        ],
    )
    def test_the_cause_is_told(self, log: str, advice: str) -> None:
        assert advice in build.explain(log)


class TestRequirements:
    """The files themselves: pinned, hashed, in agreement with each other."""

    HASHED = sorted({*build.TEST.requirements, *build.BLENDER_45.requirements} - {build.TORCH})

    @staticmethod
    def pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
        """Package -> (version, hashes) of a requirement file."""
        text = (build.ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        found = {}
        for line in lines:
            match = re.fullmatch(r"([a-z0-9-]+)==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})+)", line)
            assert match, f"{name}: not pinned by version and hash: {line[:60]}"
            found[match[1]] = (match[2], frozenset(match[3].split()))
        return found

    @pytest.mark.parametrize("name", HASHED)
    def test_every_package_is_pinned_by_version_and_hash(self, name: str) -> None:
        assert self.pins(name)

    def test_no_package_is_pinned_twice_to_different_things_in_one_environment(self) -> None:
        seen: dict[str, tuple[str, frozenset[str]]] = {}
        for name in build.TEST.requirements:
            if name != build.TORCH:
                for package, pin in self.pins(name).items():
                    assert seen.setdefault(package, pin) == pin, f"{name}: {package}"

    def test_the_demo_holds_no_torch(self) -> None:
        packages = {package for name in build.DEMO.requirements for package in self.pins(name)}
        assert packages.isdisjoint({"torch", "onnx", "onnxscript", "jax", "jaxlib"})
        assert {"numpy", "mediapipe", "onnxruntime-gpu", "bpy"} <= packages

    def test_no_index_is_named(self) -> None:
        for name in (*build.TEST.requirements, *build.BLENDER_45.requirements):
            assert "://" not in (build.ROOT / name).read_text(encoding="utf-8"), name
