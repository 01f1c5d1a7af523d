"""Variable maps in JSON."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutate_files import damage

from migspec.diagnostics.model import SpecError
from migspec.formats.registry import open_reader
from migspec.formats.variable_map_json import VariableMapReader, to_json
from migspec.resources import schema_path
from migspec.variables import Variable, VariableMap

SCHEMA = json.loads(schema_path("variable_map").read_text())
EXAMPLE: dict[str, Any] = {
    "variables": {"lstm/lstm_cell/kernel": {"shape": [20, 400], "dtype": "float32", "aliases": ["lstm/kernel"]}}
}


def saved(folder: Path, value: Any) -> str:
    path = folder / "map.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    reader = VariableMapReader(saved(tmp_path, EXAMPLE))
    [variable] = reader.variables
    assert variable == Variable("lstm/lstm_cell/kernel", (20, 400), "float32", ("lstm/kernel",))
    assert not reader.variables.has_values
    assert reader.extent(variable.name) is None
    with pytest.raises(SpecError, match="holds no values"):
        reader.read(variable.name)
    assert to_json(reader.variables) == EXAMPLE


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ([], "at the top"),
        ({}, "at the top"),
        ({"variables": []}, "/variables"),
        ({"variables": {}, "extra": 1}, "at the top"),
        ({"variables": {"a": {"shape": [1]}}}, "/variables/a"),
        ({"variables": {"a/b~c": {"shape": [-1], "dtype": "float32"}}}, "/variables/a~1b~0c/shape/0"),
        ({"variables": {"a": {"shape": [1.5], "dtype": "float32"}}}, "/variables/a/shape/0"),
        ({"variables": {"a": {"shape": [True], "dtype": "float32"}}}, "/variables/a/shape/0"),
        ({"variables": {"a": {"shape": "2", "dtype": "float32"}}}, "/variables/a/shape"),
        ({"variables": {"a": {"shape": [], "dtype": ""}}}, "/variables/a/dtype"),
        ({"variables": {"a": {"shape": [], "dtype": "int8", "aliases": [3]}}}, "/variables/a/aliases/0"),
        ({"variables": {"a": {"shape": [], "dtype": "int8", "alias": []}}}, "/variables/a"),
        ("{", "line 1, column 2"),
        (
            '{"variables": {"a": {"shape": [], "dtype": "x"}, "a": {"shape": [], "dtype": "x"}}}',
            "'a' stands in one object twice",
        ),
        ("[" * 100_000, ""),
    ],
)
def test_a_malformed_map_is_an_error_with_its_place(tmp_path: Path, value: Any, pointer: str) -> None:
    with pytest.raises(SpecError) as caught:
        VariableMapReader(saved(tmp_path, value))
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "MIG515"
    assert pointer in diagnostic.message


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_bytes(b'{"variables": "\xff"}')
    with pytest.raises(SpecError) as caught:
        VariableMapReader(str(tmp_path / "map.json"))
    assert caught.value.diagnostics[0].code == "MIG515"


_ODD = st.sampled_from([None, True, -1, 0, 3, 3.0, 0.5, "", "float32", [], [1], ["a"], [2, -2], [2.0], {}, {"x": 1}])
_KEYS = ["variables", "path", "format", "$schema", "shape", "dtype", "aliases", "bytes", "statistics", "other"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_KEYS), st.booleans(), _ODD), min_size=1, max_size=3))
def test_accepts_exactly_what_the_schema_accepts(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, bool, Any]]
) -> None:
    """The check by hand must not differ from the published schema."""
    value = copy.deepcopy(EXAMPLE)
    for key, inside, odd in changes:
        variables = value.get("variables")
        entry = variables.get("lstm/lstm_cell/kernel") if isinstance(variables, dict) else None
        (entry if inside and isinstance(entry, dict) else value)[key] = odd
    path = saved(tmp_path_factory.mktemp("maps"), value)
    if jsonschema.Draft202012Validator(SCHEMA).is_valid(value):
        VariableMapReader(path)
        return
    with pytest.raises(SpecError) as caught:
        VariableMapReader(path)
    assert caught.value.diagnostics[0].code == "MIG515"


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.builds(
            Variable,
            st.text(min_size=1),
            st.lists(st.integers(0, 1 << 40), max_size=4).map(tuple),
            st.sampled_from(["float32", "bfloat16", "string", "qint8"]),
            st.lists(st.text(min_size=1), max_size=2).map(tuple),
        ),
        unique_by=lambda variable: variable.name,
    )
)
def test_what_is_printed_is_read_again(tmp_path_factory: pytest.TempPathFactory, variables: list[Variable]) -> None:
    printed = to_json(VariableMap.of("x", variables))
    jsonschema.validate(printed, SCHEMA)
    reader = VariableMapReader(saved(tmp_path_factory.mktemp("maps"), printed))
    assert reader.variables.variables == tuple(variables)


def test_a_good_map_is_read_without_importing_jsonschema(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[2]); from migspec.formats.registry import open_reader; "
        "open_reader(sys.argv[1]); print(sorted({'jsonschema', 'h5py', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script, saved(tmp_path, EXAMPLE), str(Path(__file__).parents[2])]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_thousand_damaged_maps(tmp_path: Path) -> None:
    """Bits flipped, bytes lost, ends cut: a map that reads, or a diagnostic about the file; never another exception."""
    path = tmp_path / "map.json"
    whole = json.dumps(EXAMPLE, indent=1).encode()
    refused = 0
    for seed in range(1000):
        path.write_bytes(damage(whole, seed))
        try:
            list(open_reader(str(path)).variables)
        except SpecError as error:
            refused += 1
            assert error.diagnostics[0].code.startswith("MIG5")
    assert refused > 300
