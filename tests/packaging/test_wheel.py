"""What `pip install migspec` brings: the wheel, made from the source archive, installed into an environment of its own.

No network is needed: the new environment sees the packages of this one, and its own migspec before them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

import migspec

pytest.importorskip("build", reason="needs the package `build`, which makes the wheel")
pytest.importorskip("hatchling", reason="needs hatchling, migspec's build backend")
pytest.importorskip("pip", reason="needs pip, which installs the wheel")

CHECKOUT = Path(__file__).parents[2]
SPEC = """mig 1
use tf1/basic_lstm  rnn/basic_lstm_cell -> lstm/lstm_cell
"""


class Installation(NamedTuple):
    scripts: Path
    outside: Path
    """A folder far from the checkout."""

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, outside the checkout."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            [str(self.scripts / program), *arguments],
            cwd=self.outside,
            env={**inherited, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
        )


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the source archive and of the wheel that is made from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(archives: Path) -> Path:
    (wheel,) = archives.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet", str(wheel)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (own,) = environment.glob("lib/python*/site-packages")
    (own / "other_packages.pth").write_text("\n".join(packages))  # only now: pip must not see, nor touch, the other migspec
    return Installation(environment / "bin", tmp_path_factory.mktemp("outside"))


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    folders = {"migspec": "migspec", "grammar": "migspec/grammar", "specs": "migspec/specs"}
    expected = {
        f"{inside}/{path.relative_to(CHECKOUT / folder).as_posix()}"
        for folder, inside in folders.items()
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file()
        and not any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(CHECKOUT).parts)
    }
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
        metadata = file.read(next(name for name in file.namelist() if name.endswith(".dist-info/METADATA"))).decode()
    assert names == expected
    assert names >= {
        "migspec/py.typed",
        "migspec/grammar/mig.lark",
        "migspec/specs/tf1/basic_lstm.mig",
        "migspec/specs/torch/linear.mig",
        "migspec/specs/torch/linear.test.toml",
        "migspec/specs/torch/oracles.py",
        "migspec/schemas/plan.schema.json",
        "migspec/diagnostics/pages/MIG301.md",
        "migspec/demo/lstm.mig",
    }
    assert f"Version: {migspec.__version__}" in metadata.splitlines()
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert required and not any(name in line for line in required for name in ("tensorflow", "keras", "torch", "jax"))


def test_the_source_archive_brings_the_tests_and_the_documents(archives: Path) -> None:
    (archive,) = archives.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert names >= {"README.md", "LICENSE", "pyproject.toml", "grammar/mig.lark", "tests/packaging/test_wheel.py"}


def test_it_is_the_installed_one(installed: Installation) -> None:
    done = installed.run("python", "-c", "import migspec; print(migspec.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(installed.scripts.parent), done.stdout + done.stderr


def test_check_finds_its_grammar_and_its_library(installed: Installation) -> None:
    (installed.outside / "cell.mig").write_text(SPEC)
    assert installed.run("migspec", "check", "cell.mig").returncode == 0
    (installed.outside / "cell.mig").write_text(SPEC.replace("basic_lstm ", "basic_lstn "))
    done = installed.run("migspec", "check", "cell.mig")
    assert done.returncode == 1
    assert "tf1/basic_lstm" in done.stdout  # did you mean
    assert installed.run("migspec", "explain", "MIG213").returncode == 0


def test_the_library_is_the_wheel_s_own(installed: Installation) -> None:
    script = (
        "from migspec.resources import library_path; from migspec.library import names; print(library_path(), len(names()))"
    )
    folder, count = installed.run("python", "-c", script).stdout.split()
    assert Path(folder).is_relative_to(installed.scripts.parent)
    assert int(count) >= len(list((CHECKOUT / "specs").rglob("*.mig")))  # packages of this environment may have some
    done = installed.run("migspec", "specs", "torch/linear")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("torch/linear: ")
    assert "\nproven by:\n  oracles.py:linear" in done.stdout
    assert done.stdout.rstrip().endswith(str(Path(folder) / "torch" / "linear.mig"))
    assert installed.run("migspec", "check", "torch/linear").returncode == 0


def test_the_demo_runs_from_the_wheel(installed: Installation) -> None:
    if find_spec("tensorflow") is None:
        pytest.skip("the demo needs TensorFlow")
    done = installed.run("migspec", "demo")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "The two models agree" in done.stdout
