"""`use`: prefixes, patterns and captures; each instance with sizes of its own."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from binding import as_map, codes, migrated, moves

from migspec.compiler import Compilation, compile_spec
from migspec.text import Text

INNER = """mig 1
size inputs, units
number more = 1.0
source kernel or weights [inputs + units, units]
source bias [units] if present
target kernel [inputs, units]
target recurrent [units, units]
target bias [units] if present
rename kernel -> kernel, recurrent  split rows [inputs, units]
rename bias -> bias  add more  if present
"""


@pytest.fixture
def mounted(tmp_path: Path):
    (tmp_path / "cell.mig").write_text(INNER)

    def compiled(spec: str, source: str, target: str, **more: object) -> Compilation:
        return compile_spec(Text(str(tmp_path / "spec.mig"), spec), as_map("old", source), as_map("new", target), **more)  # type: ignore[arg-type]

    return compiled


def test_by_prefix(mounted) -> None:
    values, made = migrated(
        mounted("use cell a/b -> x", "a/b/kernel [5, 2]\na/b/bias [2]", "x/kernel [3, 2]\nx/recurrent [2, 2]\nx/bias [2]")
    )
    assert (made["x/kernel"] == values["a/b/kernel"][:3]).all()
    assert (made["x/recurrent"] == values["a/b/kernel"][3:]).all()
    assert (made["x/bias"] == values["a/b/bias"] + 1).all()


def test_at_the_root_and_with_parameters(mounted) -> None:
    source, target = "kernel [5, 2]\nbias [2]", "kernel [3, 2]\nrecurrent [2, 2]\nbias [2]"
    values, made = migrated(mounted("use cell", source, target))
    assert (made["bias"] == values["bias"] + 1).all()
    values, made = migrated(mounted("number twice = 2.0\nuse cell with more = 2 * twice", source, target))
    assert (made["bias"] == values["bias"] + 4).all()
    assert codes(mounted("use cell with units = 3", source, target)) != []
    assert codes(mounted("use cell with unit = 2", source, target))[0] == "MIG215"


def test_two_alternatives_may_fit_one_variable_by_name_and_alias(mounted, tmp_path: Path) -> None:
    cell = "size n\nsource w [n]\ntarget lstm/lstm_cell/w or lstm/w [n]\nrename w -> lstm/lstm_cell/w\n"
    (tmp_path / "cell.mig").write_text(cell)
    for target in ("lstm/lstm_cell/w [3] float32 also lstm/w", "lstm/lstm_cell/w [3]", "lstm/w [3]"):
        values, made = migrated(mounted("use cell", "w [3]", target))
        assert [(one == values["w"]).all() for one in made.values()] == [True]
    assert "MIG208" in codes(mounted("use cell", "w [3]", "lstm/lstm_cell/w [3]\nlstm/w [3]"))


def test_each_instance_has_its_own_sizes(mounted) -> None:
    units = {0: 2, 1: 3, 2: 5}
    source = "\n".join(f"rnn/cell_{i}/kernel [{4 + n}, {n}]" for i, n in units.items())
    target = "\n".join(f"lstm_{i}/kernel [4, {n}]\nlstm_{i}/recurrent [{n}, {n}]" for i, n in units.items())
    values, made = migrated(mounted("use cell rnn/cell_{i} -> lstm_{i}", source, target))
    for i in units:
        whole = values[f"rnn/cell_{i}/kernel"]
        assert (made[f"lstm_{i}/kernel"] == whole[:4]).all()
        assert (made[f"lstm_{i}/recurrent"] == whole[4:]).all()


@pytest.mark.parametrize(
    ("use", "old", "new"),
    [
        ("use cell cell_{i+1} -> lstm_{i}", ("cell_1", "cell_2"), ("lstm_0", "lstm_1")),
        ("use cell cell_{i} -> lstm_{i+1}", ("cell_0", "cell_1"), ("lstm_1", "lstm_2")),
        ("use cell cell_{i} -> lstm{_i}", ("cell_0", "cell_1"), ("lstm", "lstm_1")),
        ("use cell {d:forward|backward}/{i} -> {i}/{d}", ("forward/0", "backward/0"), ("0/forward", "0/backward")),
        ("use cell a/*/* -> b/*/*", ("a/x/0", "a/y/0"), ("b/x/0", "b/y/0")),
        ("use cell {s}_@ -> {s}/cell/@", ("p", "q"), ("p/cell", "q/cell")),
        ("use cell x/@/w -> y", ("x", "x"), ("y", "y")),
    ],
)
def test_captures_are_shared(mounted, use, old, new) -> None:
    join = {"{s}_@": "{0}_kernel", "x/@/w": "{0}/kernel/w"}.get(use.split()[2], "{0}/kernel")
    pairs = list(dict.fromkeys(zip(old, new, strict=True)))
    source = "\n".join(f"{join.format(one)} [{3 + place}, 2]" for place, (one, _) in enumerate(pairs))
    target = "\n".join(f"{one}/kernel [{1 + place}, 2]\n{one}/recurrent [2, 2]" for place, (_, one) in enumerate(pairs))
    expected = {f"{b}/{w}": (join.format(a),) for a, b in pairs for w in ("kernel", "recurrent")}
    assert moves(mounted(use, source, target)) == expected


def test_a_prefix_with_arithmetic_passes_by_names_that_are_no_numbers(mounted) -> None:
    source = "cell_1/kernel [3, 2]\ncell_x/kernel [3, 2]"
    target = "lstm_0/kernel [1, 2]\nlstm_0/recurrent [2, 2]"
    assert moves(mounted("use cell cell_{i+1} -> lstm_{i}\ndrop cell_x/*", source, target)) == {
        "lstm_0/kernel": ("cell_1/kernel",),
        "lstm_0/recurrent": ("cell_1/kernel",),
    }
    assert (
        codes(
            mounted(
                "use cell cell_{i} -> lstm{_i}\ndrop cell_x/*",
                source.replace("cell_1", "cell_0"),
                target.replace("lstm_0", "lstm"),
            )
        )
        == []
    )


def test_an_instance_without_its_target(mounted) -> None:
    source = "cell_0/kernel [3, 2]\ncell_1/kernel [3, 2]"
    assert codes(mounted("use cell cell_{i} -> lstm_{i}", source, "lstm_0/kernel [1, 2]\nlstm_0/recurrent [2, 2]")) == [
        "MIG216"
    ]
    assert codes(mounted("use cell nothing -> x\nsame **", "a [2]", "a [2]")) == ["MIG219"]
    assert codes(mounted("use cell nothing -> x if present\nsame **", "a [2]", "a [2]")) == []


def test_a_name_of_another_generation(mounted) -> None:
    values, made = migrated(mounted("use cell", "weights [5, 2]", "kernel [3, 2]\nrecurrent [2, 2]"))
    assert (made["recurrent"] == values["weights"][3:]).all()


def test_ranks_are_judged_after_mounting(mounted) -> None:
    # mounted by a pattern, the inner name is a pattern: an exact rule outside beats it
    source = "cell_0/kernel [3, 2]\ncell_1/kernel [3, 2]"
    target = "lstm_0/kernel [1, 2]\nlstm_0/recurrent [2, 2]\nlstm_1/kernel [1, 2]\nlstm_1/recurrent [2, 2]"
    spec = "use cell cell_{i} -> lstm_{i}\nrename cell_1/kernel -> lstm_1/recurrent, lstm_1/kernel  split rows"
    values, made = migrated(mounted(spec, source, target))
    assert (made["lstm_1/recurrent"] == values["cell_1/kernel"][:2]).all()
    # mounted by a name it is a name: two rules of one rank
    spec = "use cell cell_0 -> lstm_0\nuse cell cell_1 -> lstm_1\nrename cell_1/kernel -> lstm_1/recurrent, lstm_1/kernel  split rows"
    assert "MIG206" in codes(mounted(spec, source, target))


def test_specs_that_use_specs(mounted, tmp_path) -> None:
    (tmp_path / "stack.mig").write_text(
        "size n, m\nsource one/kernel [n, m]\nsource two/kernel [n, m]\ntarget a/{w} [n, m]\ntarget b/{w} [n, m]\n"
        "rename one/kernel -> a/kernel\nrename two/kernel -> b/kernel\n"
    )
    assert moves(
        mounted(
            "use stack old -> new", "old/one/kernel [3, 2]\nold/two/kernel [3, 2]", "new/a/kernel [3, 2]\nnew/b/kernel [3, 2]"
        )
    ) == {
        "new/a/kernel": ("old/one/kernel",),
        "new/b/kernel": ("old/two/kernel",),
    }
    (tmp_path / "outer.mig").write_text(
        "size i, u\nsource c/kernel [i + u, u]\ntarget k/kernel [i, u]\ntarget k/recurrent [u, u]\nuse cell c -> k\n"
    )
    values, made = migrated(mounted("use outer x -> y", "x/c/kernel [5, 2]", "y/k/kernel [3, 2]\ny/k/recurrent [2, 2]"))
    assert (made["y/k/kernel"] == values["x/c/kernel"][:3]).all()
    assert numpy.array_equal(made["y/k/recurrent"], values["x/c/kernel"][3:])
