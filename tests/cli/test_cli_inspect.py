"""`migspec inspect`: what a checkpoint holds, for people and for the other commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
from command_line import NEW, migspec


def test_lists_on_stdout_and_counts_on_stderr(folder: Path) -> None:
    finished = migspec("inspect", "old.npz")
    assert finished.code == 0
    assert [line.split() for line in finished.out.splitlines()] == [
        ["dense/kernel", "float32", "[3,", "4]", "48", "B"],
        ["dense/bias", "float32", "[4]", "16", "B"],
        ["global_step", "int64", "[]", "8", "B"],
    ]
    assert finished.err == "npz: 3 variables, 72 B\n"


def test_folds_layers(folder: Path) -> None:
    layers = {f"layer_{i}/{name}": numpy.zeros((2, 2), "float16") for i in range(12) for name in ("query", "key")}
    numpy.savez(folder / "deep.npz", **layers, head=numpy.zeros(3))
    finished = migspec("inspect", "deep.npz")
    assert len(finished.out.splitlines()) == 3
    assert "layer_{0..11}/query" in finished.out and "96 B" in finished.out
    assert len(migspec("inspect", "deep.npz", "--all").out.splitlines()) == 25
    (folder / "kept.mig").write_text("same layer_{0..11}/query\ndrop **\nkeep **\n")  # what it prints is a pattern
    assert migspec("check", "kept.mig", "-s", "deep.npz", "-t", "deep.npz").code == 0


@pytest.mark.parametrize("path", ["old.npz", "new.json"])
def test_json_stands_for_the_file_itself(folder: Path, path: str) -> None:
    finished = migspec("inspect", path, "--json")
    assert (finished.code, finished.err) == (0, "")
    (folder / "map.json").write_text(finished.out)
    again = migspec("inspect", "map.json", "--json")
    assert again.out == finished.out


def test_json_round_trip_as_both_sides(folder: Path) -> None:
    for name in ("old", "new"):
        (folder / f"{name}-map.json").write_text(migspec("inspect", f"{name}.npz", "--json").out)
    for source in ("old.npz", "old-map.json"):
        for target in ("new.npz", "new-map.json"):
            assert migspec("check", "mapped.mig", "-s", source, "-t", target).code == 0
    finished = migspec("apply", "mapped.mig", "-s", "old-map.json", "-t", "new.npz", "-o", "out.npz")
    assert (finished.code, finished.codes) == (2, ["MIG505"])  # a map has no values to move
    assert "old-map.json" in finished.err and not (folder / "out.npz").exists()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("dense/*", ["dense/kernel", "dense/bias"]),
        ("**/bias", ["dense/bias"]),
        ("**", ["dense/kernel", "dense/bias", "global_step"]),
        ("dense/{n}, global_step", ["dense/kernel", "dense/bias", "global_step"]),
        ("dense.bias", ["dense/bias"]),
    ],
)
def test_filter(folder: Path, pattern: str, names: list[str]) -> None:
    finished = migspec("inspect", "old.npz", "--filter", pattern)
    assert finished.code == 0
    assert [line.split()[0] for line in finished.out.splitlines()] == names
    assert finished.err.startswith(f"npz: {len(names)} variable{'' if len(names) == 1 else 's'}, ")
    assert list(json.loads(migspec("inspect", "old.npz", "--filter", pattern, "--json").out)["variables"]) == names


@pytest.mark.parametrize("pattern", ["{", "a/{b", "-> x", "a -> b", "", "a\nb", "a because", "{i:7..2}"])
def test_a_filter_that_is_no_pattern(folder: Path, pattern: str) -> None:
    finished = migspec("inspect", "old.npz", "--filter", pattern)
    assert finished.code in (1, 2) and finished.out == "" and finished.err


def test_stats_are_numpys(folder: Path) -> None:
    random = numpy.random.default_rng(3)
    values = {
        "a/float32": random.normal(size=(50, 3)).astype("float32"),
        "b/float16": random.normal(size=7).astype("float16"),
        "c/int8": random.integers(-100, 100, 9).astype("int8"),
        "d/bool": numpy.array([True, False, True]),
        "e/scalar": numpy.float64(-2.5),
    }
    odd = numpy.array([1.0, numpy.nan, numpy.inf, -3.0, -numpy.inf])
    numpy.savez(folder / "v.npz", **values, odd=odd, nothing=numpy.zeros((0, 3)), hopeless=numpy.full(2, numpy.nan))
    finished = migspec("inspect", "v.npz", "--stats")
    assert finished.code == 0
    lines = {line.split()[0]: line for line in finished.out.splitlines()}
    for name, value in values.items():
        exact = numpy.asarray(value, "float64")
        said = f"min {exact.min():.4g}, max {exact.max():.4g}, mean {exact.mean():.4g}, std {exact.std():.4g}"
        assert lines[name].endswith(said)
    assert lines["odd"].endswith("min -3, max 1, mean -1, std 2, 3 not finite")
    assert lines["nothing"].endswith("-")
    assert lines["hopeless"].endswith("no finite value, 2 not finite")


def test_stats_of_a_map_are_refused(folder: Path) -> None:
    finished = migspec("inspect", "new.json", "--stats")
    assert (finished.code, finished.codes) == (2, ["MIG505"])


def test_stats_of_a_damaged_file(folder: Path) -> None:
    content = bytearray((folder / "new.npz").read_bytes())
    place = bytes(content).index(NEW["temperature"].tobytes(), bytes(content).index(b"temperature"))
    content[place] ^= 1
    (folder / "new.npz").write_bytes(bytes(content))
    assert migspec("inspect", "new.npz").code == 0  # headers alone
    finished = migspec("inspect", "new.npz", "--stats")
    assert (finished.code, finished.codes) == (2, ["MIG504"])
    assert "new.npz" in finished.err


@pytest.mark.parametrize("options", [(), ("--json",), ("--stats",)])
@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("*kernel", "no variable fits '*kernel': `*` stays inside one segment, `**` spans several, as in `**/kernel`"),
        ("nothing/*", "no variable fits 'nothing/*'"),
        ("**/kernel, foo", "no variable fits 'foo'"),
        ("** except foo.bar", "no variable fits 'foo.bar', which stands after `except`"),
        ("dense/* except **/bias, foo", "no variable fits 'foo', which stands after `except`"),
        ("**/bias except dense/*", "'**/bias except dense/*' leaves no variable to look at"),
    ],
)
def test_a_filter_of_which_a_part_fits_nothing_is_an_error_of_usage(
    folder: Path, pattern: str, told: str, options: tuple[str, ...]
) -> None:
    finished = migspec("inspect", "old.npz", "--filter", pattern, *options)
    assert (finished.code, finished.out) == (2, "")
    assert told in " ".join(finished.err.split())


def test_an_alias_fits_too(folder: Path) -> None:
    variables = {"vars/0": {"shape": [4], "dtype": "float32", "aliases": ["head/bias"]}, "b": {"shape": [], "dtype": "int64"}}
    (folder / "map.json").write_text(json.dumps({"variables": variables}))
    for pattern, left in (("head/*, b", ["vars/0", "b"]), ("** except head/*", ["b"])):
        finished = migspec("inspect", "map.json", "--filter", pattern)
        assert (finished.code, [line.split()[0] for line in finished.out.splitlines()]) == (0, left)


def test_stats_are_no_part_of_a_variable_map(folder: Path) -> None:
    finished = migspec("inspect", "old.npz", "--stats", "--json")
    assert (finished.code, finished.out) == (2, "")
    assert "--stats and --json" in finished.err
