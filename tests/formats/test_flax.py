"""flax msgpack files: what flax writes of every kind, what it reads of ours, and files that lie."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax_files
import ml_dtypes
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from writing_values import map_of, write_values

from migspec.diagnostics.model import Diagnostic, SpecError
from migspec.formats.flax import elements, tree, writer
from migspec.formats.flax.reader import FlaxReader
from migspec.formats.flax.recognition import is_map_of_texts
from migspec.formats.flax.writer import FlaxWriter
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.writing import create_writer
from migspec.variables import Variable, VariableMap


@pytest.fixture
def flax() -> Any:
    return jax_files.flax_serialization()


def text_of(values: Any) -> numpy.ndarray:
    value = numpy.empty((), object)
    value[()] = values
    return value


TREE: dict[Any, Any] = {
    "params": {"dense": {"kernel": numpy.arange(6, dtype="float32").reshape(2, 3), "bias": numpy.ones(3, ml_dtypes.bfloat16)}},
    "step": 5, "negative": -7, "wide": -(2**40), "large": 2**63 + 5, "rate": 0.5, "on": True, "off": False, "complex": 1 - 2j,
    "name": "naïve", "raw": b"\xff\x00", "list": [numpy.ones(2), {"x": numpy.zeros(1)}], "none": None, "empty": {},
    "scalar": numpy.float32(2), "half": numpy.float16(1.5), "fortran": numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)),
    "mlp/~/linear": {"w": numpy.ones(1)}, 3: numpy.ones(1),
}  # fmt: skip

EXPECTED: dict[str, tuple[str, Any]] = {
    "params/dense/kernel": ("float32", numpy.arange(6).reshape(2, 3)),
    "params/dense/bias": ("bfloat16", numpy.ones(3)),
    "step": ("int64", 5), "negative": ("int64", -7), "wide": ("int64", -(2**40)), "large": ("uint64", 2**63 + 5),
    "rate": ("float64", 0.5), "on": ("bool", True), "off": ("bool", False), "complex": ("complex128", 1 - 2j),
    "name": ("string", "naïve".encode()), "raw": ("string", b"\xff\x00"),
    "list/0": ("float64", numpy.ones(2)), "list/1/x": ("float64", numpy.zeros(1)),
    "scalar": ("float32", 2), "half": ("float16", 1.5), "fortran": ("float64", numpy.arange(6).reshape(2, 3)),
    "mlp/~/linear/w": ("float64", numpy.ones(1)), "3": ("float64", numpy.ones(1)),
}  # fmt: skip


def save(flax: Any, path: Path, content: Any) -> str:
    path.write_bytes(flax.msgpack_serialize(content, in_place=True))
    return str(path)


def restore(flax: Any, path: Path) -> Any:
    return flax.msgpack_restore(path.read_bytes())


def test_every_kind_of_leaf(flax: Any, tmp_path: Path) -> None:
    reader = open_reader(save(flax, tmp_path / "a", dict(TREE)))
    assert [variable.name for variable in reader.variables] == list(EXPECTED)
    for name, (dtype, value) in EXPECTED.items():
        assert reader.variables[name].dtype == dtype
        read = reader.read(name)
        assert read.shape == numpy.shape(value) == reader.variables[name].shape
        assert (read == value).all() if dtype != "string" else read[()] == value
    assert reader.extent("step") is None
    assert reader.extent("scalar") is not None
    reader.close()


def test_after_a_template_numbers_stay_numbers_and_all_else_stays(flax: Any, tmp_path: Path) -> None:
    template = open_reader(save(flax, tmp_path / "old", dict(TREE)))
    kept = ("params/dense/bias", "raw", "wide")
    values = {variable.name: template.read(variable.name) for variable in template.variables if variable.name not in kept}
    values |= {"step": numpy.array(70_000), "on": numpy.array(False), "off": numpy.array(True), "rate": numpy.array(-1e300)}
    values |= {"complex": numpy.array(3 + 4j), "large": numpy.array(2**64 - 1, "uint64"), "negative": numpy.array(-(2**63))}
    values |= {"name": text_of(b"longer than before, and by far"), "scalar": numpy.array(9, "float32")}
    values["params/dense/kernel"] = numpy.full((2, 3), 8, "float32")
    written = create_writer(Destination(str(tmp_path / "new.msgpack")), map_of(values), template=template)
    assert not written.concurrent  # how long a text is, nobody knows before
    write_values(written, values)
    written.commit()
    template.close()
    found = restore(flax, tmp_path / "new.msgpack")
    expected = TREE | {
        "step": 70_000, "on": False, "off": True, "rate": -1e300, "complex": 3 + 4j, "large": 2**64 - 1, "negative": -(2**63),
        "name": "longer than before, and by far", "scalar": numpy.float32(9),
        "params": {"dense": {"kernel": numpy.full((2, 3), 8), "bias": TREE["params"]["dense"]["bias"]}},
    }  # fmt: skip
    assert list(found) == list(expected)
    for (name, left), (other, right) in zip(jax_files.flat(found).items(), jax_files.flat(expected).items(), strict=True):
        assert name == other
        assert type(left) is type(right) or isinstance(right, dict), name
        assert numpy.array_equal(left, right)


def test_a_training_state_is_restored_into_its_own_types(flax: Any, tmp_path: Path) -> None:
    optax = pytest.importorskip("optax", reason="needs optax")
    params = {"dense": {"kernel": numpy.ones((2, 3), "float32"), "bias": numpy.zeros(3, "float32")}}
    state = {"params": params, "opt_state": optax.adam(1e-3).init(params), "step": 3}
    (tmp_path / "old.msgpack").write_bytes(flax.to_bytes(state))
    template = open_reader(str(tmp_path / "old.msgpack"))
    values = {variable.name: numpy.asarray(template.read(variable.name) + 1) for variable in template.variables}
    assert "opt_state/0/mu/dense/kernel" in values
    written = create_writer(Destination(str(tmp_path / "new.msgpack")), template.variables, template=template)
    assert written.concurrent
    write_values(written, values, band=8)
    written.commit()
    template.close()
    found = flax.from_bytes(state, (tmp_path / "new.msgpack").read_bytes())
    assert type(found["opt_state"][0]) is type(state["opt_state"][0])
    assert found["step"] == 4
    assert (found["opt_state"][0].nu["dense"]["bias"] == 1).all()


def test_without_a_template_names_become_maps(flax: Any, tmp_path: Path) -> None:
    values = {
        "a/b": numpy.ones(2),
        "a/c/0": numpy.zeros((0, 4), "int8"),
        "d": numpy.array(3, "int32"),
        "a/c/1": numpy.arange(40),
    }
    values |= {f"many/{number}": numpy.full(1, number) for number in range(20)}
    written = create_writer(Destination(str(tmp_path / "new.msgpack")), map_of(values))
    write_values(written, values)
    written.commit()
    found = restore(flax, tmp_path / "new.msgpack")
    assert list(found) == ["a", "d", "many"]
    flat = jax_files.flat(found)
    assert all(flat[name].shape == value.shape and (flat[name] == value).all() for name, value in values.items())
    assert (tmp_path / "new.msgpack").read_bytes() == flax.msgpack_serialize(found, in_place=True)


@pytest.mark.parametrize("size", [16, 17, 32, 33, 100])
def test_arrays_in_chunks(flax: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(flax, "MAX_CHUNK_SIZE", 32)
    monkeypatch.setattr(writer, "CHUNK_BYTES", 32)
    values = {"a": numpy.arange(size, dtype="uint8"), "b/c": numpy.arange(4.0 * size).reshape(2, 2, size), "d": numpy.arange(2)}
    path = save(flax, tmp_path / "flax", jax_files.nested(dict(values)))
    template = FlaxReader(path)
    assert all((template.read(name) == value).all() for name, value in values.items())
    assert (template.extent("a") is None) == (size > 32)
    for number, after in enumerate((None, template)):
        out = tmp_path / f"{number}.msgpack"
        written = FlaxWriter(Destination(str(out)), map_of(values), after)
        write_values(written, values, band=8)
        written.commit()
        assert out.read_bytes() == Path(path).read_bytes()
    template.close()


@pytest.mark.parametrize(
    ("variables", "cause"),
    [
        ([Variable("a", (1,), "float32"), Variable("a/b", (1,), "float32")], "both `a` and `a/b`"),
        ([Variable("a/b/c", (1,), "float32"), Variable("a", (1,), "float32")], "both `a` and `a/b/c`"),
        ([Variable("a", (2,), "string")], "`a`: a text is written only in place of one"),
        ([Variable("a", (2,), "qint8")], "does not write the dtype qint8"),
        ([Variable("\ud800", (2,), "int8")], "a variable called"),
    ],
)
def test_what_it_cannot_hold(tmp_path: Path, variables: list[Variable], cause: str) -> None:
    with pytest.raises(SpecError) as caught:
        create_writer(Destination(str(tmp_path / "x.msgpack")), VariableMap.of("x", variables))
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "MIG508"
    assert cause in diagnostic.message
    assert list(tmp_path.iterdir()) == []


# Files that lie

ONE = b"\x81\xa1x"  # a map of one pair, whose key is `x`
ARRAY = b"\x93\x91\x02\xa4int8\xc4\x02ab"  # shape, dtype, values


def extension(payload: bytes, code: int = 1) -> bytes:
    return elements.extension_header(code, len(payload)) + payload


def chunked(*pairs: bytes) -> bytes:
    return ONE + elements.map_header(1 + len(pairs)) + elements.text(b"__msgpack_chunked_array__") + b"\xc3" + b"".join(pairs)


SHAPE = b"\xa5shape\x81\xa10\x02"
CHUNKS = b"\xa6chunks\x81\xa10" + extension(ARRAY)

LIES: dict[str, tuple[bytes, str, str]] = {
    "a length beyond the file": (ONE + b"\xc6\xff\xff\xff\xff", "MIG503", "claims 4294967295 bytes"),
    "an array beyond the file": (ONE + b"\xdd\xff\xff\xff\xff", "MIG503", "claims 4294967295 elements"),
    "a map beyond the file": (ONE + b"\xdf\xff\xff\xff\xff", "MIG503", "claims 4294967295 pairs"),
    "a header cut short": (ONE + b"\xcf\x00", "MIG503", "are missing"),
    "no element": (ONE + b"\xc1", "MIG503", "begins no msgpack element"),
    "more after the end": (ONE + b"\x01\x01", "MIG503", "1 bytes follow its end"),
    "a key that is no text": (b"\x81\xc4\x01x\x01", "MIG505", "a key of the kind bytes"),
    "a key that is no UTF-8": (b"\x81\xa1\xff\x01", "MIG503", "no UTF-8"),
    "a key twice": (b"\x82\xa1x\x01\xa1x\x02", "MIG505", "two of its values are called `x`"),
    "two keys of one name": (b"\x82\xa3a/b\x01\xa1a\x81\xa1b\x02", "MIG505", "two of its values are called `a/b`"),
    "no name": (extension(ARRAY), "MIG505", "one value without a name"),
    "too deep": (b"\x81\xa1x" * 300 + b"\x01", "MIG505", "nested more than 200 deep"),
    "2^60 elements": (ONE + extension(b"\x93\x91\xcf\x10" + b"\0" * 7 + b"\xa4int8\xc4\x00"), "MIG503", "impossible shape [1152921504606846976]"),
    "an impossible shape": (
        ONE + extension(b"\x93\x92\x00\xcf\xff" + b"\xff" * 7 + b"\xa4int8\xc4\x00"), "MIG503", "impossible shape",
    ),
    "a negative length": (ONE + extension(b"\x93\x91\xff\xa4int8\xc4\x00"), "MIG503", "has no shape"),
    "values of another length": (ONE + extension(b"\x93\x91\x02\xa5int16\xc4\x02ab"), "MIG503", "but has 2 bytes"),
    "an array of two": (ONE + extension(b"\x92\x91\x02\xa4int8"), "MIG503", "no array as flax writes it"),
    "an array with more": (ONE + extension(ARRAY + b"\x01"), "MIG503", "no array as flax writes it"),
    "a complex number of one": (ONE + extension(b"\x91\xcb" + b"\0" * 8, 2), "MIG503", "and is none"),
    "a complex number of texts": (ONE + extension(b"\x92\xcb" + b"\0" * 8 + b"\xa8" + b"\0" * 8, 2), "MIG503", "and is none"),
    "chunks of another shape": (chunked(b"\xa5shape\x81\xa10\x03", CHUNKS), "MIG503", "but has 2 bytes"),
    "chunks without a shape": (chunked(CHUNKS), "MIG503", "but has 2 bytes"),
    "a shape without chunks": (chunked(SHAPE), "MIG503", "in chunks of 0 dtypes"),
    "a shape that is none": (chunked(b"\xa5shape\x81\xa10\xa1x", CHUNKS), "MIG503", "without a shape"),
    "chunks in no order": (chunked(SHAPE, b"\xa6chunks\x81\xa11" + extension(ARRAY)), "MIG503", "with `1` in place of `0`"),
    "chunks of numbers": (chunked(SHAPE, b"\xa6chunks\x81\xa10\x01"), "MIG503", "no array as flax writes it"),
    "chunks and more": (chunked(SHAPE, CHUNKS, b"\xa1x\x80"), "MIG503", "with the strange part `x`"),
    "chunks late": (b"\x82\xa1x\x01" + elements.text(b"__msgpack_chunked_array__") + b"\xc3", "MIG505", "does not write it"),
}  # fmt: skip


def error_of(path: Path) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        open_reader(str(path))
    [diagnostic] = caught.value.diagnostics
    return diagnostic


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies(tmp_path: Path, lie: str) -> None:
    content, code, cause = LIES[lie]
    path = tmp_path / "x.msgpack"
    path.write_bytes(content)
    found = error_of(path)
    assert (found.code, found.file) == (code, str(path))
    assert cause in found.message


def test_what_the_lies_are_made_of_is_right(tmp_path: Path) -> None:
    for content in (ONE + extension(ARRAY), chunked(SHAPE, CHUNKS), chunked(CHUNKS, SHAPE)):
        (tmp_path / "x").write_bytes(content)
        reader = open_reader(str(tmp_path / "x"))
        assert reader.read("x").tobytes() == b"ab"
        reader.close()


def test_as_many_values_as_the_file_has_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_MOST_LEAVES", 1000)
    (tmp_path / "x.msgpack").write_bytes(ONE + b"\xdd" + (1001).to_bytes(4, "big") + b"\x01" * 1001)
    assert "more than 1,000 values" in error_of(tmp_path / "x.msgpack").message


@pytest.mark.parametrize(
    ("payload", "dtype"), [(b"\x93\x91\x02\xa4int4\xc4\x01a", "int4"), (b"\x93\x91\x01\xa2U2\xc4\x08abcdefgh", "U2")]
)
def test_arrays_of_other_dtypes_are_listed(tmp_path: Path, payload: bytes, dtype: str) -> None:
    (tmp_path / "x").write_bytes(b"\x82\xa1x" + extension(payload) + b"\xa1y" + extension(b"what", 42))
    reader = open_reader(str(tmp_path / "x"))
    assert [variable.dtype for variable in reader.variables] == [dtype, "extension42"]
    for variable in reader.variables:
        assert reader.extent(variable.name) is None
        with pytest.raises(SpecError) as caught:
            reader.read(variable.name)
        assert caught.value.diagnostics[0].code == "MIG505"
    reader.close()


# What is told by content alone


@pytest.mark.parametrize(
    ("head", "is_flax"),
    [
        (ONE + extension(ARRAY), True),
        (b"\x82\xa4step\x05\xa6params" + b"\x81\xa1w" + extension(ARRAY), True),
        (b"\xde\x00\x11" + (b"\xa1x" + b"\xc4\xff" + b"\0" * 255) * 17, True),
        (b"\x80", False),
        (b"\x80\x02}q\x00.", False),
        (b"\x89PNG\r\n\x1a\n", False),
        (b"\x81\xa2\x00\x01\x02", False),
        (b"\x81\xda\xff\xff", False),
        (b"\x93\x01\x02\x03", False),
    ],
)
def test_a_map_of_texts_is_flax(head: bytes, is_flax: bool) -> None:
    assert is_map_of_texts(head[:4096], max(len(head), 5000 if len(head) > 4096 else 0)) == is_flax


# msgpack, against the package of that name

LEAVES = some.none() | some.booleans() | some.integers(-(2**63), 2**64 - 1) | some.floats() | some.text() | some.binary()
KEYS = some.text(max_size=40)
TREES = some.dictionaries(
    KEYS, some.recursive(LEAVES, lambda inner: some.lists(inner, max_size=20) | some.dictionaries(KEYS, inner))
)


def leaves_of(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves_of(value, (*path, str(key)))
    elif tree is not None:
        yield "/".join(path), tree


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_any_tree_of_python(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    msgpack = pytest.importorskip("msgpack", reason="needs msgpack")
    expected = list(leaves_of(values))
    path = tmp_path_factory.mktemp("tree") / "x.msgpack"
    path.write_bytes(msgpack.packb(values))
    if len({name for name, _ in expected}) != len(expected):
        assert "two of its values" in error_of(path).message
        return
    reader = FlaxReader(str(path))
    read = {variable.name: reader.read(variable.name)[()] for variable in reader.variables}
    assert list(read) == [name for name, _ in expected]
    for name, value in expected:
        wanted = value.encode() if isinstance(value, str) else value
        assert read[name] == wanted or (isinstance(wanted, float) and math.isnan(wanted) and numpy.isnan(read[name]))
    reader.close()
    os.unlink(path)  # noqa: PTH108


@given(some.integers(0, 2**64 - 1))
def test_any_integer(value: int) -> None:
    msgpack = pytest.importorskip("msgpack", reason="needs msgpack")
    assert elements.integer(value) == msgpack.packb(value)


@pytest.mark.parametrize("length", [0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536])
def test_every_width_of_a_header(length: int) -> None:
    msgpack = pytest.importorskip("msgpack", reason="needs msgpack")
    packer = msgpack.Packer()
    assert elements.map_header(length) == packer.pack_map_header(length)
    assert elements.array_header(length) == packer.pack_array_header(length)
    assert elements.text(b"x" * length) == msgpack.packb("x" * length)
    assert elements.bytes_header(length) == msgpack.packb(b"x" * length)[: -length or None]
    unpacked = msgpack.unpackb(elements.extension_header(7, length) + b"x" * length)
    assert (unpacked.code, unpacked.data) == (7, b"x" * length)
