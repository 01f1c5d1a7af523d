"""Seed c: TF1's fused LSTM cells into Keras. Each spec stands beside this file, and is judged by the outputs of real models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from migrations import HERE, difference, edited, keras, layers, migrate, refusal, tf1_lstm, values_of

import migspec


class TestOneLstm:
    """c. `lstm/basic_lstm_cell` (inputs 20, units 100) into one Keras LSTM."""

    @staticmethod
    def model(units: int = 100) -> Any:
        return keras.Sequential([keras.Input((6, 20)), layers.LSTM(units, return_sequences=True, name="lstm")])

    @pytest.mark.parametrize("spec", ["one_lstm.mig", "one_lstm_mounted.mig"])
    def test_outputs_are_those_of_the_graph(self, tmp_path: Path, spec: str) -> None:
        recording, model = tf1_lstm.lstm(tmp_path), self.model()
        assert recording.outputs.shape == (3, 6, 100)
        migrate(spec, recording.prefix, model)
        assert difference(model, recording) <= 1e-5

    @pytest.mark.parametrize(
        ("spec", "change"),
        [
            ("one_lstm.mig", ("add 1.0 to f", "add 0.3 to f")),
            ("one_lstm_mounted.mig", ("lstm_cell\n", "lstm_cell with forget_bias = 0.3\n")),
        ],
    )
    def test_a_cell_with_a_forget_bias_of_its_own(self, tmp_path: Path, spec: str, change: tuple[str, str]) -> None:
        recording, model = tf1_lstm.lstm(tmp_path, forget_bias=0.3), self.model()
        migrate(edited(tmp_path, spec, change), recording.prefix, model)
        assert difference(model, recording) <= 1e-5
        migrate(spec, recording.prefix, model)
        assert difference(model, recording) > 0.05

    def test_the_trainers_state_must_be_left_behind_by_name(self, tmp_path: Path) -> None:
        recording, model = tf1_lstm.lstm(tmp_path, adam=True), self.model()
        errors = refusal("one_lstm.mig", recording.prefix, model)
        assert {code for code, _ in errors} == {"MIG201"}
        spec = edited(tmp_path, "one_lstm.mig", ("mig 1\n", "mig 1\ndrop **/Adam*, beta*_power, global_step\n"))
        migrate(spec, recording.prefix, model)
        assert difference(model, recording) <= 1e-5

    @pytest.mark.parametrize(
        ("spec", "code", "message"),
        [
            ("gate_blocks.mig", "MIG301", "shapes differ after `gates icfo -> ifco`"),
            ("four_gate_blocks.mig", "MIG303", "the rule ends in 4 tensors for 2 targets"),
        ],
    )
    def test_a_kernel_split_by_gate_blocks_is_refused(self, tmp_path: Path, spec: str, code: str, message: str) -> None:
        recording, model = tf1_lstm.lstm(tmp_path), self.model()
        before = values_of(model)
        ((found, text),) = refusal(spec, recording.prefix, model)
        assert found == code and text.startswith(message)
        assert "`split rows` cuts it into exactly these targets: 120 rows are 20 + 100" in text
        after = values_of(model)
        assert all(before[name].tobytes() == after[name].tobytes() for name in before)

    def test_the_refusal_of_gate_blocks_shows_the_shapes_and_the_way_out(self, tmp_path: Path) -> None:
        from migspec.diagnostics.render import render

        recording, model = tf1_lstm.lstm(tmp_path), self.model()
        with pytest.raises(migspec.SpecError) as caught:
            migspec.compile(HERE / "gate_blocks.mig", recording.prefix, model)
        shown = render(caught.value.diagnostics, "full")
        for fact in (
            "[120, 400]",
            "[120, 100]",
            "[20, 400]",
            "lstm/basic_lstm_cell/kernel",
            "lstm/lstm_cell/kernel",
            "model.ckpt",
        ):
            assert fact in shown

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ([("kernel split gates ifco", "kernel split gates ifc")], "MIG404"),
            ([("kernel split gates ifco", "kernel, lstm/recurrent_kernel split rows")], "MIG403"),
            ([("kernel split gates ifco", "kernel, lstm/recurrent_kernel split rows gates icfo -> zrho")], "MIG404"),
            ([("bias gates icfo -> ifco add 1.0 to f", "bias add 1.0 to f")], "MIG408"),
            ([("add 1.0 to f", "add 1.0 to i")], "MIG405"),
            ([(" add 1.0 to f", "")], "MIG405"),
            ([("add 1.0 to f", "add 1.0 to z")], "MIG408"),
        ],
    )
    def test_gates_and_forget_bias_left_unsaid_or_said_wrong_are_refused(
        self, tmp_path: Path, changes: list[tuple[str, str]], code: str
    ) -> None:
        recording = tf1_lstm.lstm(tmp_path)
        errors = refusal(edited(tmp_path, "one_lstm.mig", *changes), recording.prefix, self.model())
        assert [one for one, _ in errors] == [code]

    @pytest.mark.parametrize(
        ("changes", "least"),
        [
            ([("kernel split gates ifco", "kernel, lstm/recurrent_kernel split rows gates ifco -> ifco")], 0.5),
            ([("bias gates icfo -> ifco", "bias gates ifco -> ifco")], 0.1),
            ([("add 1.0 to f", "add 0.0 to f")], 0.1),
        ],
    )
    def test_a_wrong_order_that_is_spelt_out_shows_in_the_outputs(
        self, tmp_path: Path, changes: list[tuple[str, str]], least: float
    ) -> None:
        recording, model = tf1_lstm.lstm(tmp_path), self.model()
        migrate(edited(tmp_path, "one_lstm.mig", *changes), recording.prefix, model)
        assert difference(model, recording) > least

    @pytest.mark.parametrize(
        ("spec", "codes", "said"),
        [
            ("one_lstm.mig", ["MIG302", "MIG301"], "`lstm/lstm_cell/recurrent_kernel` is float32 [99, 396]"),
            ("one_lstm_mounted.mig", ["MIG307"], "`units` is 100, by axis 1 of `lstm/basic_lstm_cell/kernel`"),
        ],
    )
    def test_a_layer_of_another_size_is_refused(self, tmp_path: Path, spec: str, codes: list[str], said: str) -> None:
        recording = tf1_lstm.lstm(tmp_path)
        errors = refusal(spec, recording.prefix, self.model(units=99))
        assert [code for code, _ in errors] == codes  # one for the kernel's rule and one for the bias'; one for the whole spec
        assert said in errors[0][1]


class TestTwoLstms:
    """c. `lstm_0` (100 units) and `lstm_1` (150 units), one on the other, and a dense layer."""

    @staticmethod
    def model() -> Any:
        return keras.Sequential(
            [
                keras.Input((5, 20)),
                layers.LSTM(100, return_sequences=True, name="lstm_0"),
                layers.LSTM(150, name="lstm_1"),
                layers.Dense(7, name="dense"),
            ]
        )

    @pytest.mark.parametrize("spec", ["two_lstms.mig", "two_lstms_mounted.mig"])
    def test_outputs_are_those_of_the_graph(self, tmp_path: Path, spec: str) -> None:
        recording, model = tf1_lstm.stacked_lstm(tmp_path), self.model()
        migrate(spec, recording.prefix, model)
        assert difference(model, recording) <= 1e-5

    @pytest.mark.parametrize("cell", ["lstm_cell", "lstm_block_cell"])
    def test_other_classes_of_the_cell(self, tmp_path: Path, cell: str) -> None:
        recording, model = tf1_lstm.stacked_lstm(tmp_path, cell=cell, seed=8), self.model()
        for spec in ("two_lstms.mig", "two_lstms_mounted.mig"):
            migrate(edited(tmp_path, spec, ("basic_lstm_cell", cell)), recording.prefix, model)
            assert difference(model, recording) <= 1e-5

    def test_layers_in_the_wrong_order_are_refused(self, tmp_path: Path) -> None:
        recording = tf1_lstm.stacked_lstm(tmp_path)
        spec = edited(
            tmp_path,
            "two_lstms.mig",
            (
                "rename lstm_{i}/basic_lstm_cell/kernel -> lstm_{i}/kernel",
                "rename lstm_{0..1}/basic_lstm_cell/kernel -> lstm_1/kernel",
            ),
        )
        assert refusal(spec, recording.prefix, self.model())


class TestHeadersAlone:
    """Everything that can be known is known without the data file, and without any framework."""

    PROGRAM = """
import sys
from migspec.cli.main import run_with
code = run_with(sys.argv[1:])
assert not {"tensorflow", "keras", "torch", "jax"} & set(sys.modules)
raise SystemExit(code)
"""

    @pytest.mark.parametrize(
        ("change", "code", "codes"),
        [
            (("mig 1", "mig 1"), 0, []),
            ((" add 1.0 to f\nsame dense/*", "\nsame dense/kernel"), 1, ["MIG405", "MIG201", "MIG202"]),
        ],
    )
    def test_check_gives_its_whole_verdict(self, tmp_path: Path, change: tuple[str, str], code: int, codes: list[str]) -> None:
        recording = tf1_lstm.stacked_lstm(tmp_path)
        (tmp_path / "model.ckpt.data-00000-of-00001").unlink()
        with migspec.open(TestTwoLstms.model()) as weights:
            variables = {
                one.name: {"shape": list(one.shape), "dtype": one.dtype, "aliases": list(one.aliases)}
                for one in weights.variables
            }
        (tmp_path / "target.json").write_text(json.dumps({"variables": variables}))
        spec = edited(tmp_path, "two_lstms.mig", change)
        sides = ["--source", recording.prefix, "--target", str(tmp_path / "target.json")]
        finished = subprocess.run(
            [sys.executable, "-c", self.PROGRAM, "check", str(spec), *sides, "--output-format", "json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert finished.stderr == ""
        assert finished.returncode == code
        assert [one["code"] for one in json.loads(finished.stdout)] == codes
