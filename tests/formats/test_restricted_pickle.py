"""The unpickler that runs nothing: what it refuses, what it passes by, and that no pickle fills memory or time."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pickle_assembler import Call, Name, array_call, legacy_torch, object_npy, pickled, write_torch_zip

from migspec.diagnostics.model import Diagnostic, SpecError
from migspec.formats.input import InputFile
from migspec.formats.pickled.machine import Machine
from migspec.formats.pickled.place import Cursor, FilePlace
from migspec.formats.pickled.stand_ins import PickledBytes, PickledDict, PickledObject
from migspec.formats.registry import open_reader


def refusal(path: Path) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        open_reader(str(path))
    [diagnostic] = caught.value.diagnostics
    assert str(path) in diagnostic.message
    return diagnostic


def followed(path: Path, content: bytes) -> object:
    path.write_bytes(content)
    file = InputFile(str(path))
    try:
        return Machine(Cursor(FilePlace(file))).run()
    finally:
        file.close()


def plain(value: Any) -> object:
    """What the standard library's unpickler would have made of plain values."""
    match value:
        case PickledDict():
            return {plain(key): plain(entry) for key, entry in value.pairs}
        case PickledBytes():
            return value.content
        case PickledObject(path="_codecs.encode"):
            return value.arguments[0].encode("latin-1")
        case PickledObject(path="builtins.bytes"):
            return b""
        case PickledObject(path="builtins.set"):
            return ["set", *sorted(value.arguments[0])]
        case list():
            return [plain(element) for element in value]
        case tuple():
            return tuple(plain(element) for element in value)
    return value


_ATOMS = (
    st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.binary(max_size=20)
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    value=st.recursive(
        _ATOMS,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.tuples(inner, inner)
            | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
        ),
        max_leaves=20,
    ),
    protocol=st.integers(0, 5),
)
def test_plain_values_are_what_they_were(tmp_path_factory: pytest.TempPathFactory, value: object, protocol: int) -> None:
    assert plain(followed(tmp_path_factory.mktemp("pickle") / "p", pickle.dumps(value, protocol))) == value


def test_shared_values_are_shared(tmp_path: Path) -> None:
    inner = [1]
    for protocol in range(6):
        first, second = followed(tmp_path / "p", pickle.dumps((inner, inner), protocol))  # type: ignore[misc]
        assert first is second


class _Evil:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


EVIL = {
    f"{os.name if os.name == 'nt' else 'posix'}.system": _Evil(os.system, ("touch hacked",)),
    "builtins.eval": _Evil(eval, ("1 + 1",)),
    "builtins.exec": _Evil(exec, ("import os",)),
    "builtins.__import__": _Evil(__import__, ("os",)),
    "subprocess.Popen": _Evil(subprocess.Popen, (["touch", "hacked"],)),
    "io.open": _Evil(open, ("hacked", "w")),
}


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("name", EVIL)
def test_a_hostile_pickle_is_refused_by_name_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({"weight": numpy.zeros(3), "x": EVIL[name]}, protocol)
    (tmp_path / "a.pkl").write_bytes(content)
    (tmp_path / "a.npy").write_bytes(object_npy(content))
    numpy.savez(tmp_path / "a.npz", plain=numpy.zeros(2))
    with open(tmp_path / "b.npz", "wb") as stream:  # noqa: PTH123
        _npz_of(stream, content)
    write_torch_zip(tmp_path / "a.pt", content, {})
    (tmp_path / "b.pt").write_bytes(legacy_torch(1, {}).replace(pickled(1), content))
    before = sorted(tmp_path.iterdir())
    for file in ("a.pkl", "a.npy", "b.npz", "a.pt", "b.pt"):
        diagnostic = refusal(tmp_path / file)
        assert diagnostic.code == "MIG505"
        assert f"`{name}`" in diagnostic.message
        assert "nothing of it was run" in diagnostic.message
    assert sorted(tmp_path.iterdir()) == before


def _npz_of(stream: Any, content: bytes) -> None:
    import zipfile

    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("objects.npy", object_npy(content))


@pytest.mark.parametrize(
    "content",
    [
        b"(S'echo'\nios\nsystem\n.",  # INST, which finds the class and calls it in one
        b"\x80\x04\x8c\x05torch\x8c\x09os.system\x93\x8c\x01x\x85R.",  # by way of another module's attribute
        b"cnt\nsystem\n(S'x'\ntR.",
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"\x80\x02ctorch\nload\nX\x01\x00\x00\x00x\x85R.",
    ],
)
def test_other_ways_to_name_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(object_npy(content))
    diagnostic = refusal(tmp_path / "a.npy")
    assert diagnostic.code == "MIG505"
    assert "would run code" in diagnostic.message


def test_a_class_of_ones_own_is_passed_by(tmp_path: Path) -> None:
    value = {
        "hyper_parameters": Call("omegaconf.dictconfig", "DictConfig", ({"lr": 0.1},)),
        "callback": Call("my.project.code", "Callback", (Name("my.project", "os"),), {"best": 0.5}),
        "path": Call("pathlib", "PosixPath", ("/", "tmp")),
        "weight": array_call(numpy.arange(3.0)),
    }
    (tmp_path / "a.pkl").write_bytes(pickled(value))
    reader = open_reader(str(tmp_path / "a.pkl"))
    assert [variable.name for variable in reader.variables] == ["weight"]
    assert reader.read("weight").tolist() == [0, 1, 2]
    reader.close()


def test_arrays_in_an_unknown_object_are_found(tmp_path: Path) -> None:
    average = Call(
        "my.project", "Average", (), ({"shadow": {"w": array_call(numpy.ones(2))}}, {"slot": array_call(numpy.ones(1))})
    )
    pair = Call("my.project", "Pair", (array_call(numpy.zeros(1)), 3))
    kind_of_dict = Call("addict", "Dict", (), None, {"w": array_call(numpy.zeros(4))})
    (tmp_path / "a.pkl").write_bytes(pickled({"ema": average, "pair": pair, "own": kind_of_dict}))
    reader = open_reader(str(tmp_path / "a.pkl"))
    assert [variable.name for variable in reader.variables] == ["ema/shadow/w", "ema/slot", "pair/0", "own/w"]
    reader.close()


def test_keys_that_are_no_text(tmp_path: Path) -> None:
    one = array_call(numpy.ones(1))
    value = {7: one, (1, "b"): one, None: one, 2.5: one, True: one, Name("a", "b"): one, "l": [0, one], b"b": one}
    (tmp_path / "a.pkl").write_bytes(pickled(value))
    reader = open_reader(str(tmp_path / "a.pkl"))
    assert [variable.name for variable in reader.variables] == ["7", "1_b", "None", "2.5", "True", "#5", "l/1", "b"]
    reader.close()


def laughs(levels: int, width: int, bottom: bytes) -> bytes:
    """A list of lists of ... of `bottom`, each list `width` times in the one around it."""
    content = b"\x80\x02" + bottom + b"q\x00"
    for level in range(levels):
        content += b"](" + b"h" + bytes([level]) + (b"h" + bytes([level])) * (width - 1) + b"eq" + bytes([level + 1])
    return content + b"."


BOMBS = {
    "laughs at an array": laughs(60, 20, pickled(array_call(numpy.ones(1)))[2:-1]),
    "laughs at nothing": laughs(60, 20, b"N"),
    "deep lists": b"\x80\x02" + b"]" * 100_000 + pickled(array_call(numpy.ones(1)))[2:-1] + b"a" * 100_000 + b".",
    "deep tuples as a key": b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"Ns.",
    "deep calls": b"\x80\x02" + b"ca\nb\n" * 30_000 + b")" + b"R\x85" * 29_999 + b"R.",
    "deep parameters": b"\x80\x02" + b"ctorch._utils\n_rebuild_parameter\n" * 20_000 + b"N\x85" + b"R\x85" * 19_999 + b"R.",
    "one state of many": b"\x80\x02ca\nb\nq\x00}(" + b"I1\nN" * 20_000 + b"uq\x01](" + b"h\x00)Rh\x01b" * 20_000 + b"e.",
    "a memo number beyond memory": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "an integer of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f1234.",
    "an integer of many digits": b"L" + b"9" * 100_000 + b"L\n.",
    "bytes of 2^62": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",
    "a text of 4 GB": b"\x80\x02X\xff\xff\xff\xffabc.",
    "a bytearray of 2^60": b"\x80\x05\x96" + struct.pack("<Q", 1 << 60) + b".",
    "a frame of 2^60": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.",
    "a line without end": b"S'" + b"x" * 100_000,
    "a bytearray made by number": pickled(Call("builtins", "bytearray", (1 << 60,))),
    "an array of 2^60": pickled(Call("numpy.core.multiarray", "_reconstruct", (Name("numpy", "ndarray"), (1 << 60,), b"b"))),
    "an array that claims 2^60": pickled(
        Call("numpy.core.multiarray", "_reconstruct", (), (1, (1 << 60,), Call("numpy", "dtype", ("f4",)), False, b"1234"))
    ),
    "an array of 2^60 objects": pickled(
        Call("numpy.core.multiarray", "_reconstruct", (), (1, (1 << 60,), Call("numpy", "dtype", ("O",)), False, [1]))
    ),
    "an array with a negative axis": pickled(
        Call("numpy.core.multiarray", "_reconstruct", (), (1, (-1,), Call("numpy", "dtype", ("f4",)), False, b"1234"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.npy").write_bytes(object_npy(BOMBS[name]))
    assert refusal(tmp_path / "a.npy").code in ("MIG503", "MIG505")


def test_a_pickle_of_more_parts_than_weights_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migspec.formats.pickled.machine._MOST_OPERATIONS", 10_000)
    (tmp_path / "a.npy").write_bytes(object_npy(b"\x80\x02](" + b"}" * 10_001 + b"e."))
    diagnostic = refusal(tmp_path / "a.npy")
    assert (diagnostic.code, "more than 10,000 parts" in diagnostic.message) == ("MIG505", True)


def test_what_contains_itself_is_entered_once(tmp_path: Path) -> None:
    value: dict[str, Any] = {"w": numpy.ones(2)}
    value["self"] = value
    value["list"] = [value, numpy.zeros(1)]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    reader = open_reader(str(tmp_path / "a.pkl"))
    assert [variable.name for variable in reader.variables] == ["w", "list/1"]
    reader.close()


@pytest.mark.parametrize(
    "content",
    [b"\x80\x02\xff.", b"\x80\x02R.", b"\x80\x02h\x05.", b"\x80\x02}N.", b"\x80\x02.", b"\x80\x02(NNs.", b"\x80\x02Nu.", b"\x80\x02NNb.",
     b"Iseven\n.", b"Sno quotes\n.", b"\x80\x02X\x02\x00\x00\x00\xff\xff.", b"\x80\x09N.", b"\x80\x02}(Nu.", b"Pid\n.", b"\x80\x02NQ.",
     b"\x80\x05\x97.", b"\x80\x04NN\x93.", b"\x80\x02\x86.", b"\x80\x02NNa.", b"e."],
)  # fmt: skip
def test_what_makes_no_sense_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(object_npy(content))
    assert refusal(tmp_path / "a.npy").code in ("MIG503", "MIG505")


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=60), protocol=st.sampled_from([b"", b"\x80\x02", b"\x80\x04"]))
def test_no_bytes_give_another_exception(tmp_path_factory: pytest.TempPathFactory, content: bytes, protocol: bytes) -> None:
    path = tmp_path_factory.mktemp("pickle") / "a.npy"
    path.write_bytes(object_npy(protocol + content))
    try:
        open_reader(str(path)).close()
    except SpecError as error:
        assert error.diagnostics[0].code in ("MIG503", "MIG505")


def test_large_values_stay_in_the_file(tmp_path: Path) -> None:
    large = numpy.arange(100_000, dtype=numpy.float32)
    stream = io.BytesIO()
    pickle.dump({"w": large, "text": "x" * 10_000}, stream, protocol=4)
    value = followed(tmp_path / "p", stream.getvalue())
    assert isinstance(value, PickledDict)
    content = value.pairs[0][1].state[4]  # type: ignore[attr-defined]
    assert (content.length, content.content) == (large.nbytes, None)
    assert stream.getvalue()[content.offset : content.offset + content.length] == large.tobytes()
    assert value.pairs[1][1].content is None  # type: ignore[attr-defined]
