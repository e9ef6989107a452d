# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry `build.py`: what it installs when, what it passes on, what it says when it cannot."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import build

# What ldd really said of OpenCV's and Blender's modules on a system without X11, Mesa and GLib.
LDD_CV2 = """\
\tlinux-vdso.so.1 (0x00007f8a41fe2000)
\tlibavcodec-76c43bf0.so.59.37.100 => /home/ü/Kopie mit späce/cv2/../opencv_contrib_python.libs/\
libavcodec-76c43bf0.so.59.37.100 (0x00007f8a3be00000)
\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f8a3bde1000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f8a41fe4000)
\tlibGL.so.1 => not found
\tlibGL.so.1 => not found
\tlibgthread-2.0.so.0 => not found
\tlibglib-2.0.so.0 => not found
"""
LDD_BPY = """\
\tlinux-vdso.so.1 (0x00007fae76a05000)
\tlibpthread.so.0 => /lib/x86_64-linux-gnu/libpthread.so.0 (0x00007fae76992000)
\tlibX11.so.6 => not found
\tlibXi.so.6 => not found
\tlibxkbcommon.so.0 => not found
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007fae6661e000)
"""
LDD_OLD_SYSTEM = """\
./bpy/__init__.so: /lib/x86_64-linux-gnu/libm.so.6: version `GLIBC_2.27' not found \
(required by ./bpy/__init__.so)
\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f8a3bd01000)
"""


class TestSystemLibraries:
    def test_names_what_ldd_does_not_find(self) -> None:
        assert build.missing_libraries(LDD_CV2) == {
            "libGL.so.1",
            "libgthread-2.0.so.0",
            "libglib-2.0.so.0",
        }
        assert build.missing_libraries(LDD_BPY) == {
            "libX11.so.6",
            "libXi.so.6",
            "libxkbcommon.so.0",
        }

    def test_a_system_that_is_too_old(self) -> None:
        assert build.missing_libraries(LDD_OLD_SYSTEM) == {"GLIBC_2.27"}

    def test_nothing_missing(self) -> None:
        assert build.missing_libraries("\tstatically linked\n") == set()

    def test_every_package_is_named_once_in_one_line(self) -> None:
        line = build.advice(build.missing_libraries(LDD_CV2))
        assert line == (
            "missing system libraries: libGL.so.1, libglib-2.0.so.0, libgthread-2.0.so.0"
            " -- install them with: sudo apt-get install libgl1 libglib2.0-0"
        )

    def test_an_unknown_library_is_named_as_it_is(self) -> None:
        line = build.advice({"libX11.so.6", "libodd.so.3"})
        assert "apt-get install libx11-6 -- look for the package that holds libodd.so.3" in line
        assert "\n" not in line

    def test_the_table_holds_what_the_installed_modules_load(self) -> None:
        """Every library that the modules take from the system is in the table, or glibc's own."""
        glibc = re.compile(r"lib(c|m|mvec|dl|rt|util|pthread)\.so|ld-linux|linux-vdso")
        packages = Path(sys.prefix, "lib", "python3.11", "site-packages")
        needed: set[str] = set()
        for pattern in build.NATIVE_MODULES:
            (module,) = packages.glob(pattern)
            needed |= needed_outside(module, packages)
        assert needed
        assert {name for name in needed if not glibc.match(name)} <= set(build.DEBIAN_PACKAGE)


def needed_outside(module: Path, packages: Path) -> set[str]:
    """Sonames that `module`, or a library beside it in `packages`, asks of the system by itself."""
    listed = subprocess.run(["ldd", str(module)], capture_output=True, text=True, check=True).stdout
    where = dict(re.findall(r"^\s*(\S+) => (/.*) \(0x", listed, re.MULTILINE))
    own = [Path(path) for path in where.values() if str(packages) in path]
    system = {name for name, path in where.items() if str(packages) not in path}
    # A soname stands in the file that asks for it as a string that ends with a zero byte.
    asking = [path.read_bytes() for path in (module, *own)]
    return {name for name in system if any(b"\0" + name.encode() + b"\0" in x for x in asking)}


class Installs:
    """Stands in for pip and venv: notes what was asked for; `fail` makes that file's install fail.

    What it leaves out is the network; everything that decides what is installed is build.py's own.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        self.files: list[str] = []
        self.fail: str | None = None
        monkeypatch.setattr(build, "make_venv", self.make_venv)
        monkeypatch.setattr(build, "install", self.install)

    def make_venv(self, folder: Path) -> None:
        self.made.append(folder.name)
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "bin" / "python").touch()

    def install(self, python: Path, root: Path, name: str, logs: Path) -> None:
        self.files.append(name)
        if name == self.fail:
            raise KeyboardInterrupt

    def take(self) -> tuple[list[str], list[str]]:
        """(environments made, files installed) since the last call."""
        taken = self.made[:], self.files[:]
        self.made.clear()
        self.files.clear()
        return taken


SMALL = build.Environment(".venv", ("a.txt",))
LARGE = build.Environment(".venv", ("a.txt", "b.txt"))


@pytest.fixture
def installs(monkeypatch: pytest.MonkeyPatch) -> Installs:
    return Installs(monkeypatch)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "Kopie mit späce" / "日本語"
    root.mkdir(parents=True)
    (root / "a.txt").write_text("one==1\n", encoding="utf-8")
    (root / "b.txt").write_text("two==2\n", encoding="utf-8")
    return root


class TestStamps:
    def test_another_folder_s_environment_is_not_cleared_through_a_link(
        self, installs: Installs, project: Path, tmp_path: Path
    ) -> None:
        """A copy of the project with a link to the first one's environment."""
        build.prepare(LARGE, project)
        installs.take()
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / ".venv").symlink_to(project / ".venv")
        with pytest.raises(build.BuildError, match="is a link"):
            build.prepare(LARGE, copy)
        assert installs.take() == ([], [])

    def test_a_second_call_installs_nothing(self, installs: Installs, project: Path) -> None:
        python = build.prepare(LARGE, project)
        assert python == str(project / ".venv" / "bin" / "python")
        assert installs.take() == ([".venv"], ["a.txt", "b.txt"])
        build.prepare(LARGE, project)
        assert installs.take() == ([], [])

    def test_only_the_changed_file_is_installed(self, installs: Installs, project: Path) -> None:
        build.prepare(LARGE, project)
        installs.take()
        (project / "b.txt").write_text("two==2.1\n", encoding="utf-8")
        build.prepare(LARGE, project)
        assert installs.take() == ([], ["b.txt"])

    def test_the_larger_environment_adds_to_the_smaller(
        self, installs: Installs, project: Path
    ) -> None:
        build.prepare(SMALL, project)
        installs.take()
        build.prepare(LARGE, project)
        assert installs.take() == ([], ["b.txt"])
        build.prepare(SMALL, project)
        assert installs.take() == ([], [])

    def test_an_interrupted_install_is_repeated(self, installs: Installs, project: Path) -> None:
        installs.fail = "b.txt"
        with pytest.raises(KeyboardInterrupt):
            build.prepare(LARGE, project)
        assert installs.take() == ([".venv"], ["a.txt", "b.txt"])
        installs.fail = None
        build.prepare(LARGE, project)
        assert installs.take() == ([], ["b.txt"])

    def test_a_change_that_is_interrupted_and_taken_back_is_installed_again(
        self, installs: Installs, project: Path
    ) -> None:
        build.prepare(LARGE, project)
        (project / "b.txt").write_text("two==2.1\n", encoding="utf-8")
        installs.fail = "b.txt"
        with pytest.raises(KeyboardInterrupt):
            build.prepare(LARGE, project)
        installs.take()
        installs.fail = None
        (project / "b.txt").write_text("two==2\n", encoding="utf-8")
        build.prepare(LARGE, project)
        assert installs.take() == ([], ["b.txt"])

    def test_a_moved_environment_is_made_anew(self, installs: Installs, project: Path) -> None:
        build.prepare(SMALL, project)
        installs.take()
        moved = project.rename(project.with_name("elsewhere"))
        build.prepare(SMALL, moved)
        assert installs.take() == ([".venv"], ["a.txt"])

    def test_a_torn_stamp_is_no_stamp(self, installs: Installs, project: Path) -> None:
        build.prepare(SMALL, project)
        installs.take()
        (project / ".venv" / "stamps.json").write_text('{"folder": ', encoding="utf-8")
        build.prepare(SMALL, project)
        assert installs.take() == ([".venv"], ["a.txt"])

    def test_missing_libraries_stop_the_command_and_are_looked_for_again(
        self, installs: Installs, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ldd = project / "ldd"
        ldd.write_text("#!/bin/sh\nprintf '\\tlibGL.so.1 => not found\\n'\n", encoding="utf-8")
        ldd.chmod(0o755)
        monkeypatch.setattr(shutil, "which", lambda name: str(ldd))
        module = project / ".venv" / "lib" / "python3.11" / "site-packages" / "cv2" / "cv2.abi3.so"
        module.parent.mkdir(parents=True)
        module.touch()
        with pytest.raises(build.BuildError, match=r"libGL\.so\.1 .* libgl1"):
            build.prepare(SMALL, project)
        ldd.write_text("#!/bin/sh\nprintf '\\tlibGL.so.1 => /lib/libGL.so.1 (0x1)\\n'\n")
        build.prepare(SMALL, project)  # installed by now: passes, and nothing is installed again
        assert installs.take() == ([".venv"], ["a.txt"])


class TestCommandLine:
    @pytest.mark.parametrize("version", [(3, 10, 13), (3, 12, 1), (3, 6, 15)])
    def test_another_python_is_told_in_one_line(self, version: tuple[int, int, int]) -> None:
        with pytest.raises(build.BuildError) as raised:
            build.check_python(version)
        message = str(raised.value)
        assert ".".join(map(str, version)) in message
        assert "python3.11 build.py" in message
        assert "\n" not in message

    def test_python_3_11_is_taken(self) -> None:
        build.check_python((3, 11, 0))
        build.check_python((3, 11, 99))

    def test_the_demo_passes_paths_as_they_were_given(self) -> None:
        given = ["--portrait", "bilder/Jürgen 1.png", "../日本.jpg", "--footage", "./take 1.mp4"]
        options = build.parse(["demo", *given, "--out", "aus"])
        assert build.demo_arguments(options) == ["demo", "--out", "aus", *given]

    def test_the_demo_without_arguments_writes_below_the_project(self) -> None:
        passed = build.demo_arguments(build.parse(["demo"]))
        assert passed == ["demo", "--out", str(build.ROOT / "out" / "demo")]

    def test_the_demo_runs_in_the_persons_folder_and_passes_its_exit_code_on(
        self, monkeypatch: pytest.MonkeyPatch, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (project / "Jürgen 1.png").write_bytes(b"")
        # A Python that says what it was called with, in which folder, with which path; then fails.
        python = project / "python"
        python.write_text(
            '#!/bin/sh\npwd\necho "$PYTHONPATH"\nprintf "%s\\n" "$@"\nexit 7\n', encoding="utf-8"
        )
        python.chmod(0o755)
        monkeypatch.setattr(build, "prepare", lambda environment: str(python))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(project / "settings"))
        monkeypatch.setenv("PYTHONPATH", "/someone/elses/packages")
        monkeypatch.chdir(project)
        assert build.main(["demo", "--portrait", "Jürgen 1.png", "--out", "aus"]) == 7
        note = project / "settings" / "likeness" / "environment.json"
        assert json.loads(note.read_text(encoding="utf-8")) == {"python": str(python)}
        assert capfd.readouterr().out.splitlines() == [
            str(project),
            str(build.ROOT),
            "-m",
            "inference",
            "demo",
            "--out",
            "aus",
            "--portrait",
            "Jürgen 1.png",
        ]

    def test_a_missing_file_is_told_before_anything_is_installed(
        self, installs: Installs, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        absent = str(tmp_path / "weg.mp4")
        assert build.main(["demo", "--footage", absent]) == 2
        assert capsys.readouterr().err.splitlines() == [
            f"build.py: no such file: {absent} -- check the path"
        ]
        assert installs.take() == ([], [])

    def test_other_arguments_go_to_pytest_in_their_order(self) -> None:
        given = ["-k", "warp and not gpu", "-x", "tests/unit", "--durations=3"]
        assert build.parse(["test", *given]).rest == given

    def test_other_arguments_of_other_commands_are_refused(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as raised:
            build.parse(["demo", "--potrait", "x.png"])
        assert raised.value.code == 2
        assert "--potrait" in capsys.readouterr().err

    def test_all_checkers_run_and_the_first_failure_counts(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(build, "prepare", lambda environment: environment.folder)
        codes = {"ruff": 0, "mypy": 3, "pytest": 1}
        ran: list[str] = []

        def run(command: list[str], folder: Path, variables: dict[str, str] | None = None) -> int:
            ran.append(command[2])
            if command[2] == "pytest":
                cores = ["-n", str(os.cpu_count())]
                by_file = ["--dist", "loadfile", "--no-loadscope-reorder"]
                assert command[3:] == [*cores, *by_file, "-x"]
                assert variables == {"LIKENESS_BLENDER_45": ".venv-blender-4.5", **build.ONE_THREAD}
            return codes[command[2]]

        monkeypatch.setattr(build, "run", run)
        assert build.main(["test", "-x"]) == 3
        assert ran == ["ruff", "ruff", "mypy", "pytest"]
        codes["mypy"] = 0
        assert build.main(["test", "-x"]) == 1
        codes["pytest"] = 0
        assert build.main(["test", "-x"]) == 0

    def test_the_fast_tests_need_no_second_blender(self, monkeypatch: pytest.MonkeyPatch) -> None:
        prepared: list[build.Environment] = []
        ran: list[list[str]] = []

        def prepare(environment: build.Environment) -> str:
            prepared.append(environment)
            return "python"

        def run(command: list[str], **_: object) -> int:
            ran.append(command[2:])
            return 0

        monkeypatch.setattr(build, "prepare", prepare)
        monkeypatch.setattr(build, "run", run)
        assert build.main(["test", "--fast", "-x"]) == 0
        assert prepared == [build.TEST]
        assert ran[-1][-3:] == ["-m", "fast", "-x"]

    def test_a_process_that_was_killed_counts_as_failed(self) -> None:
        assert build.run(["sh", "-c", "kill -9 $$"]) == 137


def test_without_its_tool_the_window_test_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for named in ("", str(tmp_path / "gone.sh")):
        monkeypatch.setenv("LIKENESS_WINDOW_TOOL", named)
        assert build.main(["test", "--window"]) == 2
        said = capsys.readouterr().err
        assert "LIKENESS_WINDOW_TOOL must name the script" in said and named in said
        assert said.count("\n") == 1
