"""What holds for any files: a file does not differ from itself, one changed element is found, a migration is what its spec makes."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from migrated_files import Case, cases

import migspec
from migspec.compiler import compile_spec, read_spec
from migspec.diagnostics import SpecError
from migspec.difference.comparison import between, through_plan
from migspec.difference.result import Difference, Tolerance
from migspec.sides import open_side

DTYPES = ("float32", "float64", "float16", "int64", "int8", "uint64", "bool")

files = st.dictionaries(
    st.sampled_from(("a", "a/b", "layer_0/w", "layer_1/w", "layer_2/w", "0.weight", "beta")),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0, max_side=5))
    ),
    min_size=1,
)


def compared(left: object, right: object, jobs: int = 1, **tolerance: float) -> Difference:
    with closing(open_side(left)) as old, closing(open_side(right)) as new, ThreadPoolExecutor(jobs) as executor:
        comparison = between(old, new, tolerance=Tolerance(**tolerance))
        counts: list[int] = []
        found = comparison.run(executor if jobs > 1 else None, counts.append)
        assert sum(counts) == comparison.nbytes
        return found


def through(spec: Path, left: Path, right: Path) -> Difference:
    with closing(open_side(left)) as old, closing(open_side(right)) as new:
        plan = compile_spec(read_spec(str(spec)), old.variables, new.variables).plan
        assert plan is not None
        return through_plan(plan, old, new, spec=str(spec), tolerance=Tolerance()).run()


def changed(value: numpy.ndarray, place: int) -> numpy.ndarray:
    """The array with another bit pattern in one element."""
    result = numpy.ascontiguousarray(value).copy().reshape(value.shape)
    if result.dtype == bool:
        result.reshape(-1)[place] ^= True
    else:
        result.reshape(-1).view(f"u{result.itemsize}")[place] ^= 1
    return result


@given(files)
@settings(max_examples=50, deadline=None)
def test_a_file_does_not_differ_from_itself(values: dict[str, numpy.ndarray]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.npz"
        numpy.savez(path, **values)
        found = compared(path, path)
    assert found.agrees and {one.verdict for one in found.compared} == {"equal"}
    assert [one.right.name for one in found.compared] == list(values)
    assert not (found.only_left.variables or found.only_right.variables or found.kept or found.dropped)


@given(files, st.data())
@settings(max_examples=50, deadline=None)
def test_one_changed_element_is_named(values: dict[str, numpy.ndarray], data: st.DataObject) -> None:
    names = [name for name, value in values.items() if value.size]
    with TemporaryDirectory() as folder:
        numpy.savez(Path(folder) / "a.npz", **values)
        if not names:
            return
        name = data.draw(st.sampled_from(names))
        place = data.draw(st.integers(0, values[name].size - 1))
        numpy.savez_compressed(Path(folder) / "b.npz", **{**values, name: changed(values[name], place)})
        found = compared(Path(folder) / "a.npz", Path(folder) / "b.npz", data.draw(st.sampled_from((1, 2))))
    assert not found.agrees
    [other] = [one for one in found.compared if one.verdict != "equal"]
    assert other.left.name == other.right.name == name
    assert other.measurement is not None and other.measurement.differing == 1
    assert other.measurement.largest is not None
    assert other.measurement.largest.index == numpy.unravel_index(place, values[name].shape)


@given(cases(), st.data())
@settings(max_examples=40, deadline=None)
def test_what_a_spec_made_is_what_it_makes(case: Case, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        source, spec, out = case.migrate(Path(folder))
        found = through(spec, source, out)
        assert found.agrees and {one.verdict for one in found.compared} == {"equal"}
        assert {one.right.name for one in found.compared} | {one.variable for one in found.kept} == set(case.new)
        assert {name for one in found.compared for name in one.sources} | {one.variable for one in found.dropped} == set(
            case.old
        )

        with numpy.load(out) as file:
            values = dict(file)
        name = data.draw(st.sampled_from([name for name in case.new if name != "temperature"]))
        place = data.draw(st.integers(0, values[name].size - 1))
        numpy.savez(out, **{**values, name: changed(values[name], place)})
        found = through(spec, source, out)
        assert not found.agrees
        [other] = [one for one in found.compared if one.verdict != "equal"]
        assert other.right.name == name and other.measurement is not None and other.measurement.largest is not None
        assert other.measurement.largest.index == numpy.unravel_index(place, values[name].shape)


def test_two_sides_the_other_way_round(tmp_path: Path) -> None:
    generator = numpy.random.default_rng(5)
    left = {f"layer_{number}/w": generator.normal(size=(4, 5)).astype("float32") for number in range(4)}
    right = {**{name: value + numpy.float32(1e-3) for name, value in left.items()}, "layer_2/w": left["layer_2/w"]}
    del right["layer_3/w"]
    numpy.savez(tmp_path / "a.npz", **left)
    numpy.savez(tmp_path / "b.npz", **right)
    one, other = (compared(tmp_path / first, tmp_path / second) for first, second in (("a.npz", "b.npz"), ("b.npz", "a.npz")))
    assert one.counts == other.counts == {"different": 2, "equal": 1}
    assert one.only_left.variables == other.only_right.variables
    for pair, mirrored in zip(one.compared, other.compared, strict=True):
        assert pair.measurement is not None and mirrored.measurement is not None
        assert (pair.measurement.differing, pair.measurement.relative) == (
            mirrored.measurement.differing,
            mirrored.measurement.relative,
        )


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("ending", ["npz", "safetensors", "ckpt"])
def test_formats_are_compared_with_each_other(tmp_path: Path, ending: str, jobs: int) -> None:
    """In one, values lie in place with a checksum; in another without; in a third they are compressed."""
    generator = numpy.random.default_rng(6)
    values = {f"layer_{number}/w": generator.normal(size=(number, 50, 70)).astype("float32") for number in range(12)}
    values["step"] = numpy.array(3)
    numpy.savez_compressed(tmp_path / "a.npz", **values)
    (tmp_path / "same.mig").write_text("same **\n")
    format_name = {"ckpt": "tensorflow-bundle"}.get(ending)
    migspec.compile(tmp_path / "same.mig", tmp_path / "a.npz", tmp_path / "a.npz").apply(
        tmp_path / f"b.{ending}", format=format_name, sync=False
    )
    for sides in (("a.npz", f"b.{ending}"), (f"b.{ending}", "a.npz"), (f"b.{ending}", f"b.{ending}")):
        found = compared(*(tmp_path / side for side in sides), jobs=jobs)
        assert found.agrees and found.counts == {"equal": 13}, sides


def test_a_wrong_checksum_is_an_error_on_either_side(tmp_path: Path) -> None:
    values = {"w": numpy.arange(1000, dtype="float32")}
    numpy.savez(tmp_path / "a.npz", **values)
    damaged = bytearray((tmp_path / "a.npz").read_bytes())
    place = bytes(damaged).index(values["w"].tobytes()[400:440])
    damaged[place] ^= 1
    (tmp_path / "b.npz").write_bytes(damaged)
    for sides in (("a.npz", "b.npz"), ("b.npz", "a.npz")):
        with pytest.raises(SpecError) as caught:
            compared(*(tmp_path / side for side in sides))
        assert [one.code for one in caught.value.diagnostics] == ["MIG504"]


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    """Two files of 64 MB in one variable, every element of them different, and one of them transposed."""
    values = numpy.arange(16 << 20, dtype="float32").reshape(4096, 4096)
    numpy.savez(tmp_path / "a.npz", w=values)
    numpy.savez(tmp_path / "b.npz", w=values + 1)
    numpy.savez(tmp_path / "c.npz", w=numpy.ascontiguousarray(values.T))
    (tmp_path / "turned.mig").write_text("rename w -> w transpose\n")
    del values
    tracemalloc.start()
    try:
        found = compared(tmp_path / "a.npz", tmp_path / "b.npz")
        assert found.counts == {"different": 1}
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
        assert through(tmp_path / "turned.mig", tmp_path / "a.npz", tmp_path / "c.npz").agrees
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
