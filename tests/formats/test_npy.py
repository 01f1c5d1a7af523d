"""npy files, single arrays and pickled ones, and pickles of numpy arrays: against numpy, and of generations that numpy no longer writes."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from format_cases import sample
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy
from pickle_assembler import Call, Name, array_call, object_npy, pickled

from migspec.diagnostics.model import SpecError
from migspec.formats.base import Reader
from migspec.formats.registry import open_reader

ARRAYS = hypothesis_numpy.arrays(
    hypothesis_numpy.integer_dtypes(endianness="?")
    | hypothesis_numpy.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | hypothesis_numpy.complex_number_dtypes(endianness="?", sizes=(64, 128))
    | hypothesis_numpy.boolean_dtypes(),
    hypothesis_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


def assert_reads(reader: Reader, name: str, value: numpy.ndarray) -> None:
    read = reader.read(name)
    assert (read.shape, read.dtype) == (value.shape, value.dtype.newbyteorder("="))
    assert read.dtype.isnative
    assert read.flags.c_contiguous
    assert read.tobytes() == value.astype(read.dtype).tobytes()
    extent = reader.extent(name)
    if extent is not None:
        stored = Path(extent.path).read_bytes()[extent.offset : extent.offset + extent.length]
        in_order = value.dtype.newbyteorder(">" if extent.byte_order == "big" else "<")
        assert numpy.frombuffer(stored, in_order).astype(read.dtype).tobytes() == read.tobytes()


def code_of(path: Path, name: str | None = None) -> str:
    with pytest.raises(SpecError) as caught:
        reader = open_reader(str(path))
        try:
            reader.read(name or "")
        finally:
            reader.close()
    return caught.value.diagnostics[0].code


@settings(max_examples=60, deadline=None)
@given(value=ARRAYS, fortran=st.booleans(), version=st.sampled_from([(1, 0), (2, 0), (3, 0)]))
def test_a_single_array_is_called_as_its_file(
    tmp_path_factory: pytest.TempPathFactory, value: numpy.ndarray, fortran: bool, version: tuple[int, int]
) -> None:
    path = tmp_path_factory.mktemp("npy") / "embeddings.v2.npy"
    with path.open("wb") as stream:
        numpy.lib.format.write_array(stream, numpy.array(value, order="F" if fortran else "C"), version)
    reader = open_reader(str(path))
    assert reader.format == "npy"
    assert [variable.name for variable in reader.variables] == ["embeddings.v2"]
    assert_reads(reader, "embeddings.v2", value)
    assert (reader.extent("embeddings.v2") is None) == (
        not value.flags.c_contiguous or (fortran and not value.flags.f_contiguous)
    )
    reader.close()


@settings(max_examples=60, deadline=None)
@given(value=ARRAYS, fortran=st.booleans(), protocol=st.integers(0, 5), scalar=st.booleans())
def test_any_array_in_a_pickle_of_any_protocol(
    tmp_path_factory: pytest.TempPathFactory, value: numpy.ndarray, fortran: bool, protocol: int, scalar: bool
) -> None:
    path = tmp_path_factory.mktemp("pickle") / "a.pkl"
    stored: Any = numpy.array(value, order="F" if fortran else "C")
    if scalar and not value.shape:
        stored = value[()]
    path.write_bytes(pickle.dumps({"w": {"b": stored}, "again": [stored]}, protocol))
    reader = open_reader(str(path))
    assert reader.format == "pickle"
    assert [variable.name for variable in reader.variables] == ["w/b", "again/0"]
    for name in ("w/b", "again/0"):
        assert_reads(reader, name, numpy.asarray(stored))
    reader.close()


@pytest.mark.parametrize("protocol", range(6))
def test_many_values_in_a_pickle_of_any_protocol(tmp_path: Path, protocol: int) -> None:
    """So many that they are left in the file, whichever way the protocol writes them."""
    value = numpy.arange(256, dtype=numpy.uint8).repeat(40).reshape(64, 160)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"w": value, "f": numpy.asfortranarray(value)}, protocol))
    reader = open_reader(str(tmp_path / "a.pkl"))
    assert_reads(reader, "w", value)
    assert_reads(reader, "f", value)
    assert (reader.extent("w") is not None) == (protocol > 2)
    reader.close()


def test_keys_and_indices_are_a_path(tmp_path: Path) -> None:
    value = {
        "conv1": {"weights": sample("float32", (3, 3)), "biases": sample("float32", (3,))},
        "rnet": [sample("float32", (2,)), sample("float64", (1,), 1)],
        "fc/6": (sample("int32", (2, 2)),),
        "mean": numpy.float32(3.5),
        "epoch": 7,
    }
    numpy.save(tmp_path / "net.npy", numpy.array(value), allow_pickle=True)
    reader = open_reader(str(tmp_path / "net.npy"))
    names = ["conv1/weights", "conv1/biases", "rnet/0", "rnet/1", "fc/6/0", "mean"]
    assert [variable.name for variable in reader.variables] == names
    assert_reads(reader, "conv1/weights", value["conv1"]["weights"])  # type: ignore[index]
    assert_reads(reader, "rnet/1", value["rnet"][1])  # type: ignore[index]
    assert reader.read("mean") == numpy.float32(3.5)
    assert all(reader.extent(name) is not None for name in names)
    reader.close()


def test_an_array_of_arrays(tmp_path: Path) -> None:
    value = numpy.empty((2, 2), object, order="F")
    for number, index in enumerate(numpy.ndindex(2, 2)):
        value[index] = numpy.full((number + 1,), number)
    numpy.save(tmp_path / "a.npy", value, allow_pickle=True)
    reader = open_reader(str(tmp_path / "a.npy"))
    for index in numpy.ndindex(2, 2):
        assert_reads(reader, "/".join(map(str, index)), value[index])
    reader.close()


def python2_weights() -> dict[str, Any]:
    """As `numpy.load(path, encoding="latin1").item()` gives them for the weights that many TensorFlow 1 projects share."""
    return {
        "conv1_1": [sample("float32", (3, 3, 3, 8)), sample("float32", (8,), 1)],
        "fc6": {"weights": sample("float32", (20, 40), 2), "biases": sample(">f4", (40,), 3)},
    }


@pytest.mark.parametrize("python2", [True, False])
def test_the_generation_of_python_2(tmp_path: Path, python2: bool) -> None:
    weights = python2_weights()
    calls = {
        "conv1_1": [array_call(value) for value in weights["conv1_1"]],
        "fc6": {key: array_call(value) for key, value in weights["fc6"].items()},
    }
    outer = Call(
        "numpy.core.multiarray",
        "_reconstruct",
        (Name("numpy", "ndarray"), (0,), b"b"),
        (1, (), Call("numpy", "dtype", ("O8", 0, 1), (3, "|", None, None, None, -1, -1, 63)), False, [calls]),
    )
    content = object_npy(pickled(outer, python2=python2))
    (tmp_path / "vgg16.npy").write_bytes(content)
    oracle = numpy.load(tmp_path / "vgg16.npy", allow_pickle=True, encoding="latin1").item()
    reader = open_reader(str(tmp_path / "vgg16.npy"))
    assert [variable.name for variable in reader.variables] == ["conv1_1/0", "conv1_1/1", "fc6/weights", "fc6/biases"]
    for outer_key, inner in (("conv1_1", 0), ("conv1_1", 1), ("fc6", "weights"), ("fc6", "biases")):
        assert_reads(reader, f"{outer_key}/{inner}", oracle[outer_key][inner])
        assert (reader.extent(f"{outer_key}/{inner}") is not None) == python2
    reader.close()


def test_detectron_blobs_and_ordered_dicts_of_python_2(tmp_path: Path) -> None:
    blobs = Call("collections", "OrderedDict", ([["conv1_w", array_call(sample("float32", (2, 2)))], ["lr", 0.1]],))
    (tmp_path / "R-50.pkl").write_bytes(pickled({"blobs": blobs, "cfg": "MODEL:"}, python2=True))
    reader = open_reader(str(tmp_path / "R-50.pkl"))
    [variable] = reader.variables
    assert (variable.name, variable.aliases) == ("conv1_w", ("blobs/conv1_w",))
    assert_reads(reader, "conv1_w", sample("float32", (2, 2)))
    reader.close()


def test_jax_arrays_are_the_numpy_arrays_that_they_were(tmp_path: Path) -> None:
    value = sample("float32", (2, 3))
    inner = array_call(value)
    call = Call(
        "jax._src.array",
        "_reconstruct_array",
        (Name("numpy.core.multiarray", "_reconstruct"), inner.arguments, inner.state, {}),
    )
    (tmp_path / "params.pkl").write_bytes(pickled({"linear": {"w": call}}))
    reader = open_reader(str(tmp_path / "params.pkl"))
    assert_reads(reader, "linear/w", value)
    reader.close()


def test_several_pickles_in_one_file(tmp_path: Path) -> None:
    with (tmp_path / "a.pkl").open("wb") as stream:
        pickle.dump(numpy.zeros(2), stream)
        pickle.dump({"w": numpy.ones(3)}, stream)
    reader = open_reader(str(tmp_path / "a.pkl"))
    assert [variable.name for variable in reader.variables] == ["0", "1/w"]
    reader.close()


def test_a_lone_array_in_a_pickle_is_called_as_its_file(tmp_path: Path) -> None:
    (tmp_path / "weight.pkl").write_bytes(pickle.dumps(numpy.ones(3)))
    reader = open_reader(str(tmp_path / "weight.pkl"))
    assert [variable.name for variable in reader.variables] == ["weight"]
    reader.close()


@pytest.mark.parametrize("deflated", [False, True])
def test_objects_in_an_npz(tmp_path: Path, deflated: bool) -> None:
    value = {"w": numpy.arange(30_000, dtype=numpy.float32), "b": [numpy.ones(3)]}
    save = numpy.savez_compressed if deflated else numpy.savez
    save(tmp_path / "a.npz", params=numpy.array(value), step=numpy.int64(3))
    reader = open_reader(str(tmp_path / "a.npz"))
    assert [variable.name for variable in reader.variables] == [
        "params/w",
        "params/b/0",
        "step",
    ]
    for _ in range(2):  # the second time the member is unpacked from its start again
        assert_reads(reader, "params/b/0", numpy.ones(3))
        assert_reads(reader, "params/w", value["w"])  # type: ignore[arg-type]
    assert (reader.extent("params/w") is None) == deflated
    reader.close()


def test_two_arrays_of_one_name_in_an_npz(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", object_npy(pickle.dumps({"b": numpy.ones(1)})))
        archive.writestr("a/b.npy", _npy(numpy.ones(1)))
    assert code_of(tmp_path / "a.npz") == "MIG505"


def _npy(value: numpy.ndarray) -> bytes:
    stream = io.BytesIO()
    numpy.save(stream, value)
    return stream.getvalue()


def test_what_is_no_plain_number_is_listed_and_not_read(tmp_path: Path) -> None:
    value = {
        "records": numpy.zeros(2, [("a", "f4")]),
        "texts": numpy.array(["one"]),
        "dates": numpy.zeros(1, "M8[ns]"),
        "w": numpy.zeros(1),
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    reader = open_reader(str(tmp_path / "a.pkl"))
    assert [variable.dtype for variable in reader.variables] == ["structured V4", "U3", "M8", "float64"]
    for name in ("records", "texts", "dates"):
        assert reader.extent(name) is None
        assert code_of(tmp_path / "a.pkl", name) == "MIG505"
    reader.close()
    numpy.save(tmp_path / "r.npy", value["records"])
    assert code_of(tmp_path / "r.npy", "r") == "MIG505"


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, [], "text", {"1": numpy.ones(1), 1: numpy.ones(1)}],
    ids=["no array", "empty", "text", "two of one name"],
)
def test_what_cannot_be_weights(tmp_path: Path, value: object) -> None:
    (tmp_path / "a.npy").write_bytes(object_npy(pickle.dumps(value)))
    assert code_of(tmp_path / "a.npy") == "MIG505"


@pytest.mark.parametrize(
    ("shape", "content"),
    [
        ("(1152921504606846976,)", b"1234"),
        ("(-1,)", b"1234"),
        ("(2,)", b"1234"),
        ("(0, 9999999999999999999)", b""),
        ("(True,)", b"1234"),
    ],
)
def test_a_header_that_claims_what_is_not_there(tmp_path: Path, shape: str, content: bytes) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode().ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + content)
    assert code_of(tmp_path / "a.npy") == "MIG503"


def test_a_header_of_python_2(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }".ljust(117) + b"\n"
    stored = numpy.array([1, 2], "<f4")
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + stored.tobytes())
    reader = open_reader(str(tmp_path / "a.npy"))
    assert_reads(reader, "a", stored)
    reader.close()
    assert not recwarn.list


def test_an_array_whose_values_are_not_all_there(tmp_path: Path) -> None:
    short = array_call(numpy.arange(4.0))
    short.state = (*short.state[:4], short.state[4][:-1])
    (tmp_path / "a.pkl").write_bytes(pickled({"w": short}))
    assert code_of(tmp_path / "a.pkl") == "MIG503"
