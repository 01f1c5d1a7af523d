"""The Python API: `migspec.compile`, what it returns, `migspec.open`, and what importing it costs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest

import migspec

OLD = {
    "dense/kernel": numpy.arange(12, dtype="float32").reshape(3, 4),
    "dense/bias": numpy.array([0.5, -1.0, 2.0, 8.0], "float32"),
    "step": numpy.int64(7),
}
SPEC = "number shift = 0\nrename dense/{n} -> head/{n}  add shift\ndrop step\nkeep temperature\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    numpy.savez(tmp_path / "old.npz", **OLD)
    numpy.savez(
        tmp_path / "new.npz",
        **{"head/kernel": numpy.zeros((3, 4), "f4"), "head/bias": numpy.zeros(4, "f4"), "temperature": numpy.ones(1, "f4")},
    )
    (tmp_path / "spec.mig").write_text(SPEC)
    return tmp_path


def compiled(folder: Path, **options: object) -> migspec.Migration:
    return migspec.compile(folder / "spec.mig", source=folder / "old.npz", target=folder / "new.npz", **options)  # type: ignore[arg-type]


class TestCompile:
    def test_paths_may_be_text_or_path_objects(self, folder: Path) -> None:
        as_text = migspec.compile(str(folder / "spec.mig"), str(folder / "old.npz"), str(folder / "new.npz"))
        assert as_text.plan == compiled(folder).plan
        assert isinstance(as_text.plan, migspec.Plan)

    def test_printing_shows_the_plan(self, folder: Path) -> None:
        text = str(compiled(folder))
        assert f"{folder / 'spec.mig'}:2: rename dense/{{n}} -> head/{{n}} add shift" in text
        assert "dense/kernel  float32 [3, 4]" in text and "keep temperature" in text and "drop step" in text
        assert text.endswith("2 moved, 1 kept, 1 dropped; 64 B")

    def test_given_values(self, folder: Path) -> None:
        compiled(folder, given={"shift": 2.5}).apply(folder / "out.npz")
        with numpy.load(folder / "out.npz") as written:
            assert written["head/bias"].tolist() == (OLD["dense/bias"] + numpy.float32(2.5)).tolist()
        with pytest.raises(migspec.SpecError) as caught:
            compiled(folder, given={"shaft": 1})
        assert [one.code for one in caught.value.diagnostics] == ["MIG112"]

    def test_everything_that_is_wrong_is_raised_at_once(self, folder: Path) -> None:
        (folder / "spec.mig").write_text("rename dense/kernel -> head/bias\nrename dense/bias -> nothing\nrenam a -> b\n")
        with pytest.raises(migspec.SpecError) as caught:
            compiled(folder)
        found = caught.value.diagnostics
        assert all(isinstance(one, migspec.Diagnostic) for one in found)
        assert {one.code for one in found} == {"MIG102", "MIG204", "MIG301"}
        place = {one.code: one.primary.span.line for one in found if one.primary is not None}
        assert place == {"MIG102": 3, "MIG204": 2, "MIG301": 1}
        said = str(caught.value)
        assert all(one.message in said for one in found) and f"{folder / 'spec.mig'}:3:1" in said

    def test_allow(self, folder: Path) -> None:
        (folder / "spec.mig").write_text("rename dense/{n} -> head/{n}\nkeep temperature\n")
        with pytest.raises(migspec.SpecError):
            compiled(folder)
        migration = compiled(folder, allow=["MIG201"])
        assert [left.variable for left in migration.plan.dropped] == ["step"]
        assert len(migration.plan.allowed) == 1
        assert compiled(folder, allow=["201"]).plan == migration.plan  # as on the command line

    def test_what_cannot_be_allowed_is_refused(self, folder: Path) -> None:
        with pytest.raises(ValueError, match="MIG301 cannot be allowed: only errors of coverage can, MIG201 and MIG202"):
            compiled(folder, allow=["MIG301"])
        with pytest.raises(ValueError, match=r'a list of codes: \["MIG201"\]'):
            compiled(folder, allow="MIG201")

    @pytest.mark.parametrize(
        ("spec", "source", "target", "code"),
        [
            ("none.mig", "old.npz", "new.npz", "MIG501"),
            ("spec.mig", "none.npz", "new.npz", "MIG501"),
            ("spec.mig", "old.npz", "spec.mig", "MIG502"),
            (".", "old.npz", "new.npz", "MIG501"),
            ("spec.mig", ".", "new.npz", "MIG502"),
            ("a\0b", "old.npz", "new.npz", "MIG501"),
            ("spec.mig", "a\0b", "new.npz", "MIG501"),
        ],
    )
    def test_files_that_cannot_be_read(self, folder: Path, spec: str, source: str, target: str, code: str) -> None:
        with pytest.raises(migspec.SpecError) as caught:
            migspec.compile(folder / spec, folder / source, folder / target)
        assert [one.code for one in caught.value.diagnostics] == [code]

    @pytest.mark.parametrize("thing", [None, 3, object(), {"a": numpy.zeros(3)}, [1]])
    def test_what_is_no_model_is_refused(self, folder: Path, thing: object) -> None:
        with pytest.raises(migspec.SpecError) as caught:
            migspec.compile(folder / "spec.mig", folder / "old.npz", thing)
        assert [one.code for one in caught.value.diagnostics] == ["MIG511"]


class TestApply:
    def test_into_a_file(self, folder: Path) -> None:
        assert compiled(folder).apply(out=folder / "out.npz") is None
        with numpy.load(folder / "out.npz") as written:
            assert written["head/kernel"].tobytes() == OLD["dense/kernel"].tobytes()
            assert written["temperature"].tolist() == [1.0]

    def test_overwrite_and_format(self, folder: Path) -> None:
        from safetensors.numpy import load_file

        migration = compiled(folder)
        migration.apply(folder / "out", format="safetensors")
        with pytest.raises(migspec.SpecError) as caught:
            migration.apply(folder / "out", format="safetensors")
        assert [one.code for one in caught.value.diagnostics] == ["MIG506"]
        migration.apply(folder / "out", format="safetensors", overwrite=True)
        assert load_file(folder / "out")["head/bias"].tolist() == OLD["dense/bias"].tolist()

    def test_without_an_output_the_target_must_be_live(self, folder: Path) -> None:
        with pytest.raises(migspec.SpecError) as caught:
            compiled(folder).apply()
        assert [one.code for one in caught.value.diagnostics] == ["MIG508"]
        assert "apply(out=...)" in " ".join(caught.value.diagnostics[0].helps)

    @pytest.mark.parametrize("name", ["old.npz", "new.npz"])
    def test_never_onto_what_is_read(self, folder: Path, name: str) -> None:
        before = (folder / name).read_bytes()
        with pytest.raises(migspec.SpecError) as caught:
            compiled(folder).apply(folder / name, overwrite=True)
        assert [one.code for one in caught.value.diagnostics] == ["MIG507"]
        assert (folder / name).read_bytes() == before

    def test_an_executor_and_progress(self, folder: Path) -> None:
        written: list[int] = []
        migration = compiled(folder)
        with ThreadPoolExecutor(2) as executor:
            migration.apply(folder / "out.npz", executor=executor, progress=written.append)
        assert sum(written) == 68

    def test_an_error_in_the_callback_leaves_nothing(self, folder: Path) -> None:
        def stop(count: int) -> None:
            raise RuntimeError("enough")

        before = sorted(path.name for path in folder.iterdir())
        with pytest.raises(RuntimeError, match="enough"):
            compiled(folder).apply(folder / "out.npz", progress=stop)
        assert sorted(path.name for path in folder.iterdir()) == before


class TestOpen:
    def test_a_mapping(self, folder: Path) -> None:
        with migspec.open(folder / "old.npz") as weights:
            assert isinstance(weights, migspec.Weights) and isinstance(weights, Mapping)
            assert list(weights) == list(OLD) and len(weights) == 3
            assert "dense/bias" in weights and "nothing" not in weights
            for name, value in weights.items():
                assert (
                    value.dtype == OLD[name].dtype and value.shape == OLD[name].shape and value.tobytes() == OLD[name].tobytes()
                )
            assert weights.get("nothing") is None
            with pytest.raises(KeyError, match="nothing"):
                weights["nothing"]
            assert weights.variables["dense/kernel"].shape == (3, 4)
            assert repr(weights) == f"<weights of {folder / 'old.npz'}: 3 variables>"

    def test_names_are_found_as_in_a_spec(self, folder: Path) -> None:
        numpy.savez(
            folder / "dots.npz", **{"a.b": numpy.ones(2), "c/d": numpy.zeros(3), "e.f": numpy.ones(4), "e/f": numpy.ones(5)}
        )
        with migspec.open(folder / "dots.npz") as weights:
            assert [len(weights[name]) for name in ("a.b", "a/b", "c/d", "c.d", "e.f", "e/f")] == [2, 2, 3, 3, 4, 5]
            assert list(weights) == ["a.b", "c/d", "e.f", "e/f"] and "c.d" in weights
        (folder / "map.json").write_text(
            '{"variables": {"w": {"shape": [1], "dtype": "float32", "aliases": ["x/y", "z"]},'
            ' "v": {"shape": [1], "dtype": "float32", "aliases": ["z"]}}}'
        )
        weights = migspec.open(folder / "map.json")
        assert "x.y" in weights and "z" not in weights and 3 not in weights
        with pytest.raises(KeyError, match="`z` fits several variables: w, v"):
            weights["z"]

    def test_an_unknown_name_is_told_with_the_nearest(self, folder: Path) -> None:
        with (
            migspec.open(folder / "old.npz") as weights,
            pytest.raises(KeyError, match="called `dense/bais`; did you mean `dense/bias`"),
        ):
            weights["dense/bais"]

    def test_values_are_read_when_they_are_asked_for(self, folder: Path) -> None:
        """Damage in one variable does not hinder the others."""
        content = bytearray((folder / "old.npz").read_bytes())
        place = bytes(content).index(OLD["dense/kernel"].tobytes())
        content[place] ^= 1
        (folder / "old.npz").write_bytes(bytes(content))
        with migspec.open(folder / "old.npz") as weights:
            assert weights["dense/bias"].tolist() == OLD["dense/bias"].tolist()
            with pytest.raises(migspec.SpecError) as caught:
                weights["dense/kernel"]
            assert [one.code for one in caught.value.diagnostics] == ["MIG504"]

    def test_what_it_gives_is_the_callers_own(self, folder: Path) -> None:
        with migspec.open(folder / "old.npz") as weights:
            weights["dense/bias"][:] = 0
            assert weights["dense/bias"].tolist() == OLD["dense/bias"].tolist()

    def test_a_file_that_is_none(self, folder: Path) -> None:
        with pytest.raises(migspec.SpecError) as caught:
            migspec.open(folder / "spec.mig")
        assert [one.code for one in caught.value.diagnostics] == ["MIG502"]


HEAVY = [
    "numpy",
    "tensorflow",
    "keras",
    "torch",
    "jax",
    "h5py",
    "click",
    "rich",
    "jsonschema",
    "lark",
    "google.protobuf",
    "rapidfuzz",
    "ml_dtypes",
]


def loaded_after(statements: str) -> set[str]:
    program = f"{statements}\nimport sys\nprint(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(finished.stdout.split())


def test_importing_costs_nothing() -> None:
    assert loaded_after("import migspec; migspec.__version__; dir(migspec)") == set()


def test_checking_loads_no_framework(folder: Path) -> None:
    program = f"import migspec; migspec.compile({str(folder / 'spec.mig')!r}, {str(folder / 'old.npz')!r}, {str(folder / 'new.npz')!r})"
    assert loaded_after(program) <= {"numpy", "lark", "ml_dtypes", "rapidfuzz"}


@pytest.mark.parametrize(("op", "loaded"), [("", {"lark"}), ("  transpose", {"lark", "numpy"})])
def test_what_is_only_renamed_needs_no_numpy(folder: Path, op: str, loaded: set[str]) -> None:
    values = numpy.arange(12, dtype=numpy.float32).reshape(3, 4)
    header = b'{"a":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]}}'
    (folder / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + values.tobytes())
    shape = [4, 3] if op else [3, 4]
    (folder / "b.json").write_text(json.dumps({"variables": {"b": {"shape": shape, "dtype": "float32"}}}))
    (folder / "ab.mig").write_text(f"rename a -> b{op}\n")
    paths = [str(folder / name) for name in ("ab.mig", "a.safetensors", "b.json")]
    out = folder / "b.safetensors"
    assert loaded_after(f"import migspec; migspec.compile(*{paths!r}).apply({str(out)!r})") - {"ml_dtypes"} == loaded
    with migspec.open(out) as weights:
        assert numpy.array_equal(weights["b"], values.T if op else values)


def test_what_is_public() -> None:
    assert all(getattr(migspec, name) is not None for name in migspec.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        migspec.nothing  # noqa: B018
