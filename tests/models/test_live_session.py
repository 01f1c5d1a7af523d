"""TensorFlow 1 graphs and sessions, against TensorFlow itself: nothing is added to the graph, and nothing is half done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import pytest
from filling import fill, refusal, values_of
from old_layers import tf

import migspec
from migspec.models.recognition import open_model
from migspec.models.tensorflow_session import holder

v1 = tf.compat.v1


@contextmanager
def graph_with_session() -> Iterator[tuple[Any, Any]]:
    """A new graph, which is the default one, and a session of it."""
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        yield graph, session


def variable(name: str, shape: list[int], *, resource: bool, dtype: str = "float32", **options: Any) -> Any:
    start = v1.zeros_initializer() if dtype != "string" else v1.constant_initializer("a")
    return v1.get_variable(name, shape, dtype, initializer=start, use_resource=resource, **options)


def initialize(session: Any) -> None:
    session.run(v1.global_variables_initializer())


BOTH = pytest.mark.parametrize("resource", [False, True], ids=["reference", "resource"])


@BOTH
def test_a_finalized_graph_is_filled_and_read_again_and_again(resource: bool) -> None:
    with graph_with_session() as (graph, session):
        variable("a", [2, 3], resource=resource)
        variable("b", [2], resource=resource, dtype="int64")
        initialize(session)
        graph.finalize()
        version = graph.version  # counts the ops
        live = open_model(session, "live")
        for number in (1, 2):
            fill(live, {"a": numpy.full((2, 3), number, "float32"), "b": numpy.full(2, number, "int64")})
            assert values_of(open_model(session, "again")) == {"a": [[number] * 3] * 2, "b": [number] * 2}
        assert graph.version == version


@BOTH
def test_values_that_were_read_or_given_are_nobody_elses(resource: bool) -> None:
    with graph_with_session() as (_, session):
        a = variable("a", [40_000], resource=resource)
        add = v1.assign_add(a, tf.ones([40_000]))
        initialize(session)
        live = open_model(session, "live")
        before = live.read("a")
        fill(live, {"a": numpy.full(40_000, 5, "float32")})
        session.run(add)
        assert before[0] == 0 and live.read("a")[0] == 6


@BOTH
def test_a_partitioned_variable_is_one_variable(tmp_path: Path, resource: bool) -> None:
    with graph_with_session() as (_, session):
        variable("rows/w", [5, 2], resource=resource, partitioner=v1.fixed_size_partitioner(3))
        variable("columns/w", [2, 5], resource=resource, partitioner=v1.fixed_size_partitioner(2, axis=1))
        initialize(session)
        live = open_model(session, "live")
        assert {one.name: one.shape for one in live.variables} == {"rows/w": (5, 2), "columns/w": (2, 5)}
        rows, columns = numpy.arange(10, dtype="float32").reshape(5, 2), numpy.arange(10, dtype="float32").reshape(2, 5)
        fill(live, {"rows/w": rows, "columns/w": columns})
        assert live.read("rows/w").tolist() == rows.tolist() and live.read("columns/w").tolist() == columns.tolist()
        prefix = v1.train.Saver().save(session, str(tmp_path / "saved"))  # TensorFlow agrees what the whole is
        reader = tf.train.load_checkpoint(prefix)
        assert reader.get_tensor("rows/w").tolist() == rows.tolist()
        assert reader.get_tensor("columns/w").tolist() == columns.tolist()


DTYPES = ["float16", "bfloat16", "float64", "int8", "int32", "uint8", "bool", "complex64"]


@BOTH
def test_every_dtype_and_shape(resource: bool) -> None:
    with graph_with_session() as (_, session):
        for dtype in DTYPES:
            variable(dtype, [3], resource=resource, dtype=dtype)
        variable("scalar", [], resource=resource)
        variable("empty", [3, 0], resource=resource)
        variable("words", [2], resource=resource, dtype="string")
        initialize(session)
        live = open_model(session, "live")
        assert {one.name: one.dtype for one in live.variables if one.name in DTYPES} == {dtype: dtype for dtype in DTYPES}
        new = {name: numpy.ones_like(live.read(name)) for name in [*DTYPES, "scalar", "empty"]}
        fill(live, new)
        for name, value in new.items():
            found = live.read(name)
            assert (found.dtype, found.shape, found.tobytes()) == (value.dtype, value.shape, value.tobytes())
        assert live.read("words").tolist() == [b"a", b"a"]
        assert refusal(lambda: live.writer(live.variables)).code == "MIG516"


@BOTH
def test_variables_that_begin_with_one_value_get_different_ones(resource: bool) -> None:
    with graph_with_session() as (_, session):
        start = tf.zeros([2])
        first = v1.Variable(start, name="first", use_resource=resource)
        v1.Variable(start, name="second", use_resource=resource)
        session.run(first.initializer)
        v1.Variable(first, name="third", use_resource=resource)
        initialize(session)
        new = {name: numpy.full(2, number, "float32") for number, name in enumerate(["first", "second", "third"])}
        fill(open_model(session, "live"), new)
        assert values_of(open_model(session, "live")) == {name: value.tolist() for name, value in new.items()}


def test_slots_and_steps_are_variables_by_their_names(tmp_path: Path) -> None:
    with graph_with_session() as (_, session):
        v1.train.get_or_create_global_step()
        w = variable("net/w", [2], resource=False)
        v1.train.AdamOptimizer().minimize(tf.reduce_sum(w))
        v1.get_variable("seen", [], initializer=v1.zeros_initializer(), collections=[v1.GraphKeys.LOCAL_VARIABLES])
        initialize(session)
        prefix = v1.train.Saver().save(session, str(tmp_path / "saved"))
        assert {one.name for one in open_model(session, "live").variables} == {
            name for name, _ in tf.train.list_variables(prefix)
        }


def test_a_graph_from_a_meta_file(tmp_path: Path) -> None:
    with graph_with_session() as (_, session):
        variable("a", [2], resource=True)
        variable("b", [2], resource=False)
        variable("c", [4], resource=False, partitioner=v1.fixed_size_partitioner(2))
        initialize(session)
        v1.train.Saver().save(session, str(tmp_path / "saved"))
    with graph_with_session() as (_, session):
        v1.train.import_meta_graph(str(tmp_path / "saved.meta"))
        live = open_model(session, "live")
        fill(live, {"a": numpy.ones(2, "float32"), "c": numpy.arange(4, dtype="float32")})
        assert live.read("a").tolist() == [1, 1] and live.read("c").tolist() == [0, 1, 2, 3]
        assert refusal(lambda: live.read("b")).code == "MIG218"


def failing_runs(monkeypatch: pytest.MonkeyPatch, place: int, error: BaseException, *, after: bool) -> Callable[[], int]:
    """`Session.run` fails at its call `place`, before or after it has done its work; what counts the calls."""
    real, calls = v1.Session.run, 0

    def run(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != place + 1:
            return real(self, *arguments, **options)
        if after:
            real(self, *arguments, **options)
        raise error

    monkeypatch.setattr(v1.Session, "run", run)
    return lambda: calls


@BOTH
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_failure_at_any_run_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, resource: bool, after: bool, error: BaseException
) -> None:
    monkeypatch.setattr(holder, "PORTION", 24)
    with graph_with_session() as (_, session):
        for name in "abc":
            variable(name, [4], resource=resource)
        variable("parts", [4], resource=resource, partitioner=v1.fixed_size_partitioner(2))
        initialize(session)
        live = open_model(session, "live")
        new = {one.name: numpy.ones(one.shape, "float32") for one in live.variables}
        place = 0
        while True:
            with monkeypatch.context() as patched:
                calls = failing_runs(patched, place, error, after=after)
                try:
                    fill(live, new)
                except BaseException as raised:
                    assert isinstance(raised, KeyboardInterrupt | migspec.SpecError), raised
                reached = calls() > place
            if not reached:
                break
            assert values_of(live) == {name: [0] * 4 for name in new}, f"after a failure at run {place}"
            place += 1
        assert place >= 8  # four portions, each kept and assigned
        assert values_of(live) == {name: [1] * 4 for name in new}


@BOTH
def test_what_has_no_value_can_be_filled_and_not_read(tmp_path: Path, resource: bool) -> None:
    with graph_with_session() as (graph, session):
        variable("a", [2], resource=resource)
        b = variable("b", [2], resource=resource)
        variable("c", [2], resource=resource)
        session.run(b.initializer)
        graph.finalize()
        live = open_model(session, "live")
        found = refusal(lambda: live.read("a"))
        assert found.code == "MIG218" and "global_variables_initializer" in found.helps[0]
        fill(live, {name: numpy.ones(2, "float32") for name in "abc"})
        assert values_of(live) == {name: [1, 1] for name in "abc"}


@BOTH
def test_what_had_no_value_before_a_failure_is_said(monkeypatch: pytest.MonkeyPatch, resource: bool) -> None:
    with graph_with_session() as (graph, session):
        a = variable("a", [2], resource=resource)
        variable("b", [2], resource=resource)
        session.run(a.initializer)
        graph.finalize()
        live = open_model(session, "live")
        real = holder.SessionHolder.assign
        values: list[Any] = []

        def fails(self: Any, given: Any) -> None:
            real(self, given)
            if not values:
                values.append(given)
                raise ValueError("too late")

        monkeypatch.setattr(holder.SessionHolder, "assign", fails)
        found = refusal(lambda: fill(live, {name: numpy.ones(2, "float32") for name in "ab"}))
        assert found.code == "MIG516" and "b had no value before" in found.notes[1]
        assert live.read("a").tolist() == [0, 0]


@BOTH
def test_a_source_is_read_in_few_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resource: bool) -> None:
    (tmp_path / "spec.mig").write_text("rename v{i} -> new/v{i}\ndrop unused\n")
    target = {f"new/v{number}": numpy.zeros(3, "float32") for number in range(30)}
    numpy.savez(tmp_path / "new.npz", **target)
    with graph_with_session() as (graph, session):
        for number in range(30):
            variable(f"v{number}", [3], resource=resource)
        variable("unused", [1], resource=resource)
        initialize(session)
        fill(open_model(session, "live"), {f"v{number}": numpy.full(3, number, "float32") for number in range(30)})
        graph.finalize()
        migration = migspec.compile(tmp_path / "spec.mig", session, tmp_path / "new.npz")
        with monkeypatch.context() as patched:
            calls = failing_runs(patched, -1, ValueError(), after=False)
            migration.apply(tmp_path / "out.npz")
        assert calls() == 1
    with migspec.open(tmp_path / "out.npz") as written:
        assert {name: value.tolist() for name, value in written.items()} == {
            f"new/v{number}": [number] * 3 for number in range(30)
        }


@BOTH
def test_verifying_reads_in_few_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resource: bool) -> None:
    (tmp_path / "spec.mig").write_text("same **\n")
    numpy.savez(tmp_path / "old.npz", **{f"v{number}": numpy.full(3, number, "float32") for number in range(30)})
    with graph_with_session() as (graph, session):
        for number in range(30):
            variable(f"v{number}", [3], resource=resource)
        initialize(session)
        graph.finalize()
        with monkeypatch.context() as patched:
            calls = failing_runs(patched, -1, ValueError(), after=False)
            migspec.compile(tmp_path / "spec.mig", tmp_path / "old.npz", session).apply(verify=True)
        assert calls() <= 6  # which have values, their values, the assignment, and the reading back


def test_a_source_variable_without_a_value(tmp_path: Path) -> None:
    (tmp_path / "spec.mig").write_text("rename {name:a|b} -> {name}\n")
    numpy.savez(tmp_path / "new.npz", a=numpy.zeros(2, "float32"), b=numpy.zeros(2, "float32"))
    with graph_with_session() as (_, session):
        a = variable("a", [2], resource=False)
        variable("b", [2], resource=False)
        session.run(a.initializer)
        migration = migspec.compile(tmp_path / "spec.mig", session, tmp_path / "new.npz")
        found = refusal(lambda: migration.apply(tmp_path / "out.npz"))
        assert found.code == "MIG218" and found.message.startswith("`b` has no value")
        assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("ending", ["npz", "safetensors", "ckpt"])
def test_filled_and_written(tmp_path: Path, ending: str) -> None:
    numpy.savez(tmp_path / "old.npz", a=numpy.ones(2, "float32"))
    (tmp_path / "spec.mig").write_text("rename a -> a\nkeep p\n")
    with graph_with_session() as (_, session):
        variable("a", [2], resource=False)
        variable("p", [4], resource=False, partitioner=v1.fixed_size_partitioner(2))
        initialize(session)
        path = tmp_path / f"out.{ending}"
        migspec.compile(tmp_path / "spec.mig", tmp_path / "old.npz", session).apply(path)
        with migspec.open(path) as written:
            assert {name: value.tolist() for name, value in written.items()} == {"a": [1, 1], "p": [0] * 4}
        if ending == "ckpt":
            saver = v1.train.Saver()
            initialize(session)
            saver.restore(session, str(path))
            assert open_model(session, "live").read("a").tolist() == [1, 1]


def test_keras_formats_are_refused_before_the_session_is_touched(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "old.npz", a=numpy.ones(2, "float32"))
    (tmp_path / "spec.mig").write_text("rename a -> a\n")
    with graph_with_session() as (_, session):
        variable("a", [2], resource=False)
        initialize(session)
        migration = migspec.compile(tmp_path / "spec.mig", tmp_path / "old.npz", session)
        assert refusal(lambda: migration.apply(tmp_path / "out.keras")).code == "MIG508"
        assert migration.target.read("a").tolist() == [0, 0]


def test_an_interactive_session() -> None:
    session = v1.InteractiveSession(graph=tf.Graph())
    variable("a", [2], resource=False)
    fill(open_model(session, "live"), {"a": numpy.ones(2, "float32")})
    assert session.run("a:0").tolist() == [1, 1]
    session.close()


def test_what_stands_for_a_session() -> None:
    with graph_with_session() as (graph, session):
        variable("a", [2], resource=False)
        for model in (session, (graph, session), [session, graph]):
            assert [one.name for one in open_model(model, "live").variables] == ["a"]
        v1.train.create_global_step()
        with v1.train.MonitoredSession() as monitored:
            fill(open_model(monitored, "live"), {"a": numpy.ones(2, "float32")})
            assert monitored.run("a:0").tolist() == [1, 1]
        same, other = open_model(session, "one"), open_model(session, "two")
        assert same.shares_variables(other)
    module = tf.Module()
    module.v = tf.Variable(1.0)
    assert not same.shares_variables(open_model(module, "module"))


def test_what_is_refused(tmp_path: Path) -> None:
    with graph_with_session() as (graph, session):
        found = refusal(lambda: open_model(session, "live"))
        assert (found.code, found.message) == ("MIG512", "the graph has no variables")
        variable("a", [2], resource=False)
        found = refusal(lambda: open_model((tf.Graph(), session), "live"))
        assert found.code == "MIG511" and "not one of this graph" in found.message
        live = open_model(session, "live")
        definition = graph.as_graph_def()
    found = refusal(lambda: live.read("a"))  # the session is closed by now
    assert found.code == "MIG511" and "closed" in found.notes[0]
    with graph_with_session() as (_, session):
        tf.import_graph_def(definition)
        found = refusal(lambda: open_model(session, "live"))
        assert found.code == "MIG512" and "import_meta_graph" in found.helps[0]
    with graph_with_session() as (_, session):
        v1.Variable(tf.zeros([v1.placeholder_with_default(3, [])]), validate_shape=False, name="late", use_resource=False)
        found = refusal(lambda: open_model(session, "live"))
        assert (found.code, found.message) == ("MIG512", "the shape of `late` is not known")
