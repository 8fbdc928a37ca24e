"""The wheel, installed where nothing else is, brings up an installation to its first-run page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import ROOT, Installation, eventually, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the database's user may enter."""
    path = Path(tempfile.mkdtemp(prefix="hemostat-wheel-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    """The wheel of this checkout."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", ROOT)
    return next((folder / "dist").glob("hemostat-*.whl"))


def run(*argv: str | Path) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(argv, cwd="/", check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{argv}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_the_wheel_holds_what_pages_need_and_nothing_of_the_workshop(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for checked_in in subprocess.run(
        ["git", "ls-files", "hemostat"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split():
        assert checked_in in names, f"{checked_in} is missing from the wheel"
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "lints/", "docs/", "bench/"))]


def test_the_wheel_comes_up_to_the_first_run_page_in_a_clean_environment(wheel: Path, folder: Path) -> None:
    venv = folder / "venv"
    run(sys.executable, "-m", "venv", venv)
    pins = folder / "constraints.txt"
    pins.write_text(
        "\n".join(
            line.removesuffix("\\").strip()
            for line in (ROOT / "requirements.lock").read_text().splitlines()
            if line and line[0].isalnum()
        )
    )
    run(venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--constraint", pins, wheel)
    it = Installation(folder / "data", python=str(venv / "bin" / "python"))
    del it.env["PYTHONPATH"]
    it.command = [str(venv / "bin" / "hemostat")]
    assert it.run("version").stdout.startswith("Hemostat ")
    with running(it):
        status, page = it.ask("/")
        assert status == 200
        assert b"<form" in page, "the first-run page asks for the code"
        eventually(
            lambda: re.search(r"one-time code:\n.*\b\w{4}-\w{4}-\w{4}\n", it.output()), why="the code is printed"
        )
    refused = it.run("demo")
    assert refused.returncode == 1
    assert "pip install 'hemostat[lab]'" in refused.stderr
