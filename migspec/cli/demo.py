"""`migspec demo`: a migration from beginning to end, with a real TensorFlow 1 checkpoint and a real Keras 3 model."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING

import click

from migspec.cli.report import uses_color

if TYPE_CHECKING:
    from migspec.demo.tf1_graph import Recording

LARGEST_DIFFERENCE = 1e-5
"""Up to this, the outputs of two float32 models are called equal."""

_OLD = "old/model.ckpt"
_SIDES = ("--source", _OLD, "--target", "new_model:build")


@click.command("demo")
@click.option("--keep", metavar="DIR", help="Work in this new folder and leave it there, to play on.")
def command(keep: str | None) -> int:
    """Migrate a TensorFlow 1 LSTM into Keras 3, step by step.

    Everything is real: TensorFlow builds, trains and saves the old model, migspec migrates it, Keras loads the result, and both
    models run on the same inputs. It takes some ten seconds, and needs TensorFlow: pip install 'migspec[tensorflow]', or from a
    checkout: pip install '.[tensorflow]'
    """
    from migspec.demo import frameworks
    from migspec.demo.workplace import workplace

    versions = frameworks.load()
    # What the commands say on standard error is as much a part of the demo as their results.
    with workplace(keep, "new_model"), redirect_stderr(sys.stdout):
        _say("A TensorFlow 1 LSTM becomes a Keras 3 model that gives the same answers", bold=True)
        _say(versions)
        recording = _old_model()
        _new_model()
        _spec()
        _slips()
        _migration()
        difference = _proof(recording)
    _say()
    if not difference <= LARGEST_DIFFERENCE:  # not `>`: NaN is a failure, too
        _say(f"The outputs differ by more than {LARGEST_DIFFERENCE:.5f}: the migration failed.", bold=True)
        return 1
    _say(f"The two models agree within {LARGEST_DIFFERENCE:.5f}.", bold=True)
    _way_on(keep)
    return 0


def _old_model() -> Recording:
    from migspec.demo import old_model
    from migspec.demo.workplace import writing

    _step(
        "1. The old model",
        "TensorFlow builds a TF1 graph of two BasicLSTMCells and a dense layer, trains it a little with Adam,",
        "runs it on 8 sequences, and saves it by tf.compat.v1.train.Saver.",
    )
    with writing(_OLD):
        Path(_OLD).parent.mkdir()
        recording = old_model.save(Path(_OLD).absolute())
    _run("inspect", _OLD)
    return recording


def _new_model() -> None:
    from migspec.demo.files import new_model_text

    _step("2. The new model", "The same layers in Keras 3, under names of their own, with random weights.")
    _write("new_model.py", new_model_text())
    _show("new_model.py", new_model_text())


def _spec() -> None:
    from migspec.demo.files import spec_text

    _step(
        "3. The spec",
        "It says what becomes of each variable. TF1 keeps one kernel for inputs and state, has its gates in the order",
        "i c f o, and adds 1.0 to the forget gate at run time. Keras has two kernels, i f c o, and adds nothing.",
    )
    _write("lstm.mig", spec_text())
    _show("lstm.mig", spec_text())
    _say()
    _run("check", "lstm.mig", *_SIDES)


def _slips() -> None:
    from migspec.demo.files import changes, spec_text, with_slips

    _step(
        "4. Slips are caught before a weight is read",
        "The same spec, but the forget bias is left unsaid, and the bias of the dense layer is forgotten:",
    )
    _write("slips.mig", with_slips())
    for line in changes(spec_text(), with_slips()):
        _say(f"  {line}", fg="red" if line.startswith("-") else "green")
    _say()
    _run("check", "slips.mig", *_SIDES, expected=1)


def _migration() -> None:
    _step("5. The migration", "The Keras model is filled and saved: all of it, or nothing.")
    _run("apply", "lstm.mig", *_SIDES, "--out", "new_model.keras")


def _proof(recording: Recording) -> float:
    """Print how far the models are apart; gives the number that must be small."""
    import numpy

    from migspec.demo.comparison import live_difference, loaded_difference
    from migspec.demo.files import with_wrong_forget_bias, with_wrong_gates
    from migspec.demo.workplace import writing

    _step("6. The proof", "Keras loads the file, without migspec, and answers the 8 sequences that the old model answered.")
    with writing("old/answers.npz"):
        numpy.savez("old/answers.npz", inputs=recording.inputs, outputs=recording.outputs)
    _say(">>> old = numpy.load('old/answers.npz')")
    _say(">>> new = keras.models.load_model('new_model.keras')")
    _say(">>> numpy.abs(new(old['inputs']) - old['outputs']).max()")
    _write("wrong_gates.mig", with_wrong_gates())
    _write("wrong_forget_bias.mig", with_wrong_forget_bias())
    loaded = loaded_difference("new_model.keras", recording)
    live = live_difference("lstm.mig", recording)
    gates = live_difference("wrong_gates.mig", recording)
    bias = live_difference("wrong_forget_bias.mig", recording)
    _say()
    _say(f"Largest difference of any output, where outputs reach {numpy.abs(recording.outputs).max():.1f}:")
    _say(f"  {loaded:8.2g}  the file, loaded by Keras alone", bold=True)
    _say(f"  {live:8.2g}  a model in memory, filled by migspec.compile(...).apply()")
    _say(f"  {gates:8.2g}  had the spec said `gates ifco -> ifco`, as if TF1 had Keras' order; `check` warns of it")
    _say(f"  {bias:8.2g}  had it said `add 0.0 to f`, as if the old cells added nothing")
    return max(loaded, live)


def _way_on(keep: str | None) -> None:
    if keep is None:
        _say("`migspec demo --keep DIR` leaves all these files in DIR, to play on.")
        return
    _say(f"All files are in {keep}, to play on:")
    _say()
    for line in (
        f"cd {keep}",
        f"migspec plan lstm.mig {' '.join(_SIDES)}",
        f"migspec why lstm_0/lstm_cell/recurrent_kernel lstm.mig {' '.join(_SIDES)}",
        "migspec explain MIG405",
    ):
        _say(f"$ {line}")


def _run(*arguments: str, expected: int = 0) -> None:
    """Run a command of migspec as if it were typed here; ends the demo if it does not end as expected."""
    from migspec.cli.main import run_with

    _say(f"$ migspec {' '.join(arguments)}", bold=True)
    code = run_with(list(arguments))
    if code != expected:
        raise click.exceptions.Exit(code or 1)


def _write(path: str, text: str) -> None:
    from migspec.demo.workplace import writing

    with writing(path):
        Path(path).write_text(text, encoding="utf-8")


def _show(path: str, text: str) -> None:
    _say(f"$ cat {path}", bold=True)
    _say(text.rstrip("\n"))


def _step(title: str, *lines: str) -> None:
    _say()
    _say(title, bold=True)
    for line in lines:
        _say(line)
    _say()


def _say(text: str = "", **style: object) -> None:
    print(click.style(text, **style) if style and uses_color("auto", sys.stdout) else text)  # type: ignore[arg-type]
