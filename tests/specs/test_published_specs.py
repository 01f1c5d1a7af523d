"""Specs that an installed package publishes: used, listed and checked; and packages that are broken, which break nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from numpy.testing import assert_array_equal

import migspec
from migspec.cli.main import run_with
from migspec.compiler import check_spec
from migspec.library import called, library_specs, load, names
from migspec.published import collections
from migspec.resolve import NotFound
from migspec.text import Text

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-models"
version = "1.2"

[project.entry-points."migspec.specs"]
acme = "acme_models.specs"

[tool.hatch.build.targets.wheel]
packages = ["acme_models"]
"""
DENSE = """\
# acme/dense: a layer of Acme -> Keras Dense
#
# Acme keeps its weights the other way round.
mig 1

size inputs, units

source w [units, inputs]
target kernel [inputs, units]

rename w -> kernel  transpose
"""
# One spec of the package uses another, which is found beside it and by its whole name; one lies in a folder.
PAIR = """\
# acme/blocks/pair: two layers -> two
mig 1

size a, b, c

source first/w [b, a]
source second/w [c, b]
target first/kernel [a, b]
target second/kernel [b, c]

use acme/dense first -> first
use acme/dense.mig second -> second
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip installed the sample package into: a project as its author has it, built without a network."""
    pytest.importorskip("hatchling", reason="needs hatchling, which builds the sample package")
    pytest.importorskip("pip", reason="needs pip, which installs the sample package")
    project = tmp_path_factory.mktemp("project")
    (project / "pyproject.toml").write_text(PROJECT)
    package = project / "acme_models"
    (package / "specs" / "blocks").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('to find its specs nobody needs to run this package')\n")
    (package / "specs" / "dense.mig").write_text(DENSE)
    (package / "specs" / "blocks" / "pair.mig").write_text(PAIR)
    target = tmp_path_factory.mktemp("site")
    command = [*(sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index")]
    done = subprocess.run([*command, "--target", str(target), str(project)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(site))
    yield site
    assert "acme_models" not in sys.modules, "nothing of the package may be imported"


def spec_in(folder: Path, content: str) -> Text:
    return Text(str(folder / "spec.mig"), content)


def test_a_published_spec_moves_weights(installed: Path, tmp_path: Path) -> None:
    weights = {"x/first/w": numpy.ones((3, 2), "float32"), "x/second/w": numpy.arange(12, dtype="float32").reshape(4, 3)}
    numpy.savez(tmp_path / "old.npz", **weights)
    shapes = {"y/first/kernel": [2, 3], "y/second/kernel": [3, 4]}
    variables = {name: {"shape": shape, "dtype": "float32"} for name, shape in shapes.items()}
    (tmp_path / "new.json").write_text(json.dumps({"variables": variables}))
    (tmp_path / "spec.mig").write_text("use acme/blocks/pair  x -> y\n")
    migration = migspec.compile(tmp_path / "spec.mig", tmp_path / "old.npz", tmp_path / "new.json")
    migration.apply(tmp_path / "out.npz")
    with numpy.load(tmp_path / "out.npz") as made:
        for old, new in zip(weights, shapes, strict=True):
            assert_array_equal(made[new], weights[old].T)


def test_published_specs_are_found_after_those_beside_the_spec_and_those_of_the_library(
    installed: Path, tmp_path: Path
) -> None:
    beside = spec_in(tmp_path, "")
    found = load("acme/dense", beside)
    assert isinstance(found, Text) and Path(found.name) == installed / "acme_models" / "specs" / "dense.mig"
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "dense.mig").write_text("# nearer\n")
    found = load("acme/dense", beside)
    assert isinstance(found, Text) and found.content == "# nearer\n"
    assert {"acme/dense", "acme/blocks/pair", "tf1/basic_lstm"} <= set(names())


def test_a_plan_calls_published_specs_by_their_names(installed: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.mig"
    assert called(str(installed / "acme_models" / "specs" / "blocks" / "pair.mig")) == "acme/blocks/pair"
    assert called(str(library_specs()["tf1/dense"])) == "tf1/dense"
    assert called(str(own)) == str(own) and called("own.mig") == "own.mig"


def test_a_misspelt_published_spec(installed: Path, tmp_path: Path) -> None:
    [problem] = check_spec(spec_in(tmp_path, "use acme/dence  a -> b\n")).diagnostics
    assert problem.code == "MIG213"
    assert problem.helps == ("did you mean `acme/dense`?",)


@pytest.mark.parametrize("command", ["specs", "specs acme", "specs acme/dense", "check own.mig", "check acme/dense"])
def test_the_commands_know_published_specs(site: Path, tmp_path: Path, command: str) -> None:
    """In a process of its own, as the user has it."""
    (tmp_path / "own.mig").write_text("use acme/dense  a -> b\n")
    script = f"import sys; sys.path.insert(0, {str(site)!r}); from migspec.__main__ import run; run()"
    done = subprocess.run([sys.executable, "-c", script, *command.split()], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    match command:
        case "specs":
            block = "# acme-models 1.2\nacme/blocks/pair  two layers -> two\nacme/dense        a layer of Acme -> Keras Dense\n"
            assert block in done.stdout
        case "specs acme":
            assert done.stdout.splitlines()[0] == "# acme-models 1.2"
        case "specs acme/dense":
            assert "\nAcme keeps its weights the other way round.\n" in done.stdout
            assert done.stdout.endswith("dense.mig, of acme-models 1.2\n")
        case _:
            assert f"{command.split()[1]}: sound" in done.stderr


# --- broken packages ------------------------------------------------------------------------------------------------------


def installed_by_hand(site: Path, package: str, entry_points: str) -> None:
    """The metadata of an installed package, and nothing else of it."""
    folder = site / f"{package}-0.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
    (folder / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def other_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "other-site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_package_at_all", "there is no package `no_such_package_at_all`"),
        ("no_such_package_at_all.specs", "there is no package `no_such_package_at_all`"),
        ("numpy.no_such_folder", "there is no folder "),
        ("json.decoder:JSONDecoder", "there is no folder "),
        ("string", "there is no package `string`"),  # a module has no folder of its own
        ("not a name", "`not a name` is no dotted path of a package"),
        ("../specs", "`../specs` is no dotted path of a package"),
        ("__main__", "there is no package `__main__`"),
    ],
)
def test_what_is_published_and_not_there_is_told(other_site: Path, tmp_path: Path, value: str, problem: str) -> None:
    installed_by_hand(other_site, "wrong", f"[migspec.specs]\nwrong = {value}\n")
    [collection] = [one for one in collections() if one.name == "wrong"]
    assert collection.problem is not None and collection.problem.startswith(problem)
    [found] = check_spec(spec_in(tmp_path, "use wrong/dense  a -> b\n")).diagnostics
    assert found.code == "MIG213"
    assert f"wrong 0.1 (it publishes `wrong/`, but {problem}" in " ".join(found.notes)
    assert "tf1/basic_lstm" in names()


@pytest.mark.parametrize(
    "content",
    [
        b"[migspec.specs]\nno equals sign\n",
        b"\xff\xfe[migspec.specs]",
        b"[migspec.specs]\n= = =\n",
        b"[migspec.specs]\n[migspec.specs]\na\n",
        b"no section = here\n[migspec.specs\n",
    ],
)
def test_metadata_that_cannot_be_read_hides_nothing_else(installed: Path, other_site: Path, content: bytes) -> None:
    installed_by_hand(other_site, "garbled", "")
    (other_site / "garbled-0.1.dist-info" / "entry_points.txt").write_bytes(content)
    installed_by_hand(other_site, "nameless", "[migspec.specs]\nnameless = numpy\n")
    (other_site / "nameless-0.1.dist-info" / "METADATA").unlink()
    assert {"acme/dense", "tf1/basic_lstm"} <= set(names())
    assert isinstance(load("acme/dense", Text("spec.mig", "")), Text)
    assert isinstance(load("garbled/dense", Text("spec.mig", "")), NotFound)


def test_the_list_tells_what_is_broken(other_site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installed_by_hand(other_site, "wrong", "[migspec.specs]\nwrong = no_such_package_at_all\n")
    assert run_with(["specs"]) == 0
    shown = capsys.readouterr()
    assert "wrong 0.1 publishes `wrong/`, but there is no package `no_such_package_at_all`" in shown.err
    assert "tf1/basic_lstm" in shown.out


@pytest.mark.parametrize("arguments", [["specs", "wrong/dense"], ["specs", "wrong"], ["check", "wrong/dense"]])
def test_to_ask_for_a_spec_of_a_broken_package_names_package_and_cause(
    other_site: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    installed_by_hand(other_site, "wrong", "[migspec.specs]\nwrong = no_such_package_at_all\n")
    assert run_with(arguments) == 2
    captured = capsys.readouterr()
    shown = captured.out + captured.err  # what `check` finds is its result
    assert "MIG501" in shown
    assert "note: wrong 0.1 publishes `wrong/`, but there is no package `no_such_package_at_all`" in shown


def test_the_families_of_the_library_are_its_own(other_site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (other_site / "mine_specs").mkdir()
    for name in ("dense", "mine"):
        (other_site / "mine_specs" / f"{name}.mig").write_text(f"# {name}: of another package\n")
    installed_by_hand(other_site, "mine", "[migspec.specs]\ntf1 = mine_specs\nTF1-more = mine_specs\n")
    assert {"TF1-more/dense", "TF1-more/mine"} <= set(names()) and "tf1/mine" not in names()
    found = load("tf1/dense", spec_in(tmp_path, ""))
    assert isinstance(found, Text) and "another package" not in found.content
    [problem] = check_spec(spec_in(tmp_path, "use tf1/mine  a -> b\n")).diagnostics
    assert problem.code == "MIG213" and "mine 0.1 (it publishes `tf1/`, but migspec's own library" in " ".join(problem.notes)
    told = "mine 0.1 publishes `tf1/`, but migspec's own library has specs of that name, and no package adds to them\n"
    for arguments, code in ((["specs"], 0), (["specs", "tf1"], 0), (["specs", "tf1/mine"], 2)):
        assert run_with(arguments) == code
        assert told in capsys.readouterr().err
    assert run_with(["specs", "tf1/basic_lstn"]) == 2
    assert "did you mean tf1/basic_lstm" in capsys.readouterr().err


def test_a_folder_that_is_called_as_a_spec_is_none(other_site: Path) -> None:
    (other_site / "odd_specs" / "folder.mig").mkdir(parents=True)
    (other_site / "odd_specs" / "dense.mig").write_text("# odd/dense: a -> b\n")
    installed_by_hand(other_site, "odd", "[migspec.specs]\nodd = odd_specs\n")
    assert "odd/dense" in names() and "odd/folder" not in names()
    assert run_with(["specs"]) == 0


def test_of_two_packages_with_one_name_the_first_by_name_has_a_spec_and_both_add_theirs(other_site: Path) -> None:
    for package, specs in (("beta", "dense only_beta"), ("alpha", "dense")):
        for spec in specs.split():
            folder = other_site / f"{package}_specs"
            folder.mkdir(exist_ok=True)
            (folder / f"{spec}.mig").write_text(f"# both/{spec}: of {package}\n")
        installed_by_hand(other_site, package, f"[migspec.specs]\nboth = {package}_specs\n")
    found = [load(f"both/{spec}", Text("spec.mig", "")) for spec in ("dense", "only_beta")]
    assert [one.content for one in found if isinstance(one, Text)] == [
        "# both/dense: of alpha\n",
        "# both/only_beta: of beta\n",
    ]


def test_what_is_installed_later_is_found(other_site: Path) -> None:
    assert "late/dense" not in names()
    (other_site / "late_specs").mkdir()
    (other_site / "late_specs" / "dense.mig").write_text("# late/dense: a -> b\n")
    installed_by_hand(other_site, "late", "[migspec.specs]\nlate = late_specs\n")
    assert "late/dense" in names()
