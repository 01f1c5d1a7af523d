"""`migspec specs`: what there is to use, and what each spec says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from command_line import migspec

from migspec.library import library_specs
from migspec.resources import library_path, schema_path

OWN = """# my_layer: one layer -> another
#
# The first paragraph,
# of two lines.
#
#   a table     whose indentation
#   means       something
mig 1

size   n, heads = 4
number scale_of_it = 0.5
source w or weight [n, heads * n] float32
source layer_{i}/b [n]  for i < heads  if present
target kernel [heads * n, n]

# turned around
rename w -> kernel  transpose  scale scale_of_it
drop layer_{i}/b  because "it has none"  if present
use torch/linear  a -> b
"""


def data(*arguments: object) -> Any:
    """What a command prints as JSON, which is what the schema says."""
    finished = migspec("specs", *arguments, "--json")
    assert finished.code == 0, finished.err
    found = json.loads(finished.out)
    jsonschema.Draft202012Validator(json.loads(schema_path("specs").read_text(encoding="utf-8"))).validate(found)
    return found


def test_lists_every_spec_with_one_line_by_family() -> None:
    finished = migspec("specs")
    assert finished.code == 0
    lines = [line for line in finished.out.splitlines() if line and not line.startswith("#")]
    shown = [line.split()[0] for line in lines]
    assert shown == sorted(shown, key=lambda name: name.split("/"))
    assert set(library_specs()) <= set(shown)
    assert all("  " in line for line in lines), "a spec says nothing of itself"
    families = [block.split("/")[0] for block in finished.out.split("\n\n")]
    assert len(set(families)) == len(families) >= 2
    assert f"{len(shown)} specs in " in finished.err


def test_lists_a_family() -> None:
    finished = migspec("specs", "net2net")
    assert finished.code == 0
    assert len(finished.out.splitlines()) == len(list((library_path() / "net2net").glob("*.mig"))) >= 5
    assert all(line.startswith("net2net/") for line in finished.out.splitlines())
    assert [one["name"] for one in data("net2net")] == [line.split()[0] for line in finished.out.splitlines()]


def test_shows_one_with_its_documentation() -> None:
    finished = migspec("specs", "tf1/basic_lstm")
    assert (finished.code, finished.err) == (0, "")
    assert finished.out.startswith("tf1/basic_lstm: ")
    assert "\nsource:\n  kernel or weights or Linear/Matrix [inputs + units, 4 * units]\n" in finished.out
    assert "\nparameters:\n" in finished.out
    assert "\n  forget_bias  number  1.0 unless given\n" in finished.out
    assert "gates icfo -> ifco" in finished.out.partition("\nrules:\n")[2]
    assert finished.out == migspec("specs", "tf1/basic_lstm.mig").out


@pytest.mark.parametrize("name", sorted(library_specs()))
def test_every_spec_of_the_library_can_be_shown(name: str) -> None:
    shown = data(name)
    assert shown["summary"] and shown["documentation"], "its header says too little"
    assert shown["rules"]
    assert bool(shown["source"]) == bool(shown["target"])
    assert shown["package"] is None


def test_shows_a_file_of_one_s_own(folder: Path) -> None:
    (folder / "my_layer.mig").write_text(OWN)
    (folder / "my_layer.test.toml").write_text('oracle = "oracles.py:mine"\nrequires = ["keras", "torch"]\n')
    assert migspec("specs", "my_layer.mig").out == (
        "my_layer: one layer -> another\n\nThe first paragraph,\nof two lines.\n\n  a table     whose indentation\n"
        "  means       something\n\n"
        "source:\n  w or weight [n, heads * n] float32\n  layer_{i}/b [n] for i < heads  if present\n\n"
        "target:\n  kernel [heads * n, n]\n\n"
        "parameters:\n  n            size    from the shapes, or given\n  heads        size    4 unless given\n"
        "  scale_of_it  number  0.5 unless given\n\n"
        "rules:\n  # turned around\n  rename w -> kernel  transpose  scale scale_of_it\n"
        '  drop layer_{i}/b  because "it has none"  if present\n  use torch/linear a -> b\n\n'
        "proven by:\n  oracles.py:mine (needs keras, torch)\n\nfile:\n  my_layer.mig\n"
    )
    shown = data("my_layer.mig")
    assert shown["uses"] == ["torch/linear"]
    assert shown["source"][1] == {
        "names": ["layer_{i}/b"],
        "shape": ["n"],
        "dtype": None,
        "family": "i < heads",
        "optional": True,
    }


def test_the_source_is_the_file_itself(folder: Path) -> None:
    finished = migspec("specs", "tf1/basic_lstm", "--source")
    assert (finished.code, finished.err) == (0, "")
    assert finished.out == (library_path() / "tf1" / "basic_lstm.mig").read_text(encoding="utf-8")
    (folder / "my_layer.mig").write_text(finished.out)  # the way that the documentation shows
    assert migspec("check", "my_layer.mig").code == 0


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["tf1/basic_lstn"], "did you mean tf1/basic_lstm"),
        (["basic_lstm"], "did you mean tf1/basic_lstm"),
        (["net2nte"], "did you mean net2net"),
        (["no such thing at all"], "`migspec specs` lists all"),
        (["good"], "did you mean the file good.mig?"),
        (["tf1", "--source"], "tf1"),
        (["--source"], "NAME"),
        (["tf1/basic_lstm", "--source", "--json"], "exclude"),
    ],
)
def test_a_wrong_name(folder: Path, arguments: list[str], hint: str) -> None:
    finished = migspec("specs", *arguments)
    assert (finished.code, finished.out) == (2, "")
    assert hint in " ".join(finished.err.split())


def test_a_file_that_is_not_there_or_no_spec(folder: Path) -> None:
    finished = migspec("specs", "missing.mig")
    assert (finished.code, finished.codes) == (2, ["MIG501"])
    (folder / "broken.mig").write_text("# broken: a -> b\nsource w [n\nrename w => v\n")
    finished = migspec("specs", "broken.mig")
    assert (finished.code, finished.out) == (1, "")
    assert finished.codes and set(finished.codes) == {"MIG101"}
    assert migspec("specs", "broken.mig", "--source").code == 0


def test_a_spec_without_a_header(folder: Path) -> None:
    (folder / "bare.mig").write_text("size n\nsource w [n]\ntarget v [n]\nrename w -> v\n")
    finished = migspec("specs", "bare.mig")
    assert finished.code == 0
    assert finished.out.startswith("bare\n\nsource:\n  w [n]\n")
    (folder / "bare.mig").write_text("# bare: w -> v\nrename w -> v\n# the end\n")
    assert migspec("specs", "bare.mig").out == "bare: w -> v\n\nrules:\n  rename w -> v\n  # the end\n\nfile:\n  bare.mig\n"
