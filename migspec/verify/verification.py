"""The whole of `migspec verify`: open both sides, feed them, run them, compare, and look for the cause of a difference."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from migspec.diagnostics import Diagnostic, SpecError, file_error
from migspec.formats.registry import open_reader
from migspec.verify.comparison import OutputComparison
from migspec.verify.feeding import Fed, Feeding, feed
from migspec.verify.inputs import Wishes
from migspec.verify.opening import open_side_to_run
from migspec.verify.report import Ran, Report
from migspec.verify.running import Run, Tolerance, run_both
from migspec.verify.side import Side

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class Request:
    """What may be said of a verification beyond its two sides.

    - `inputs`: a path of an npz, or arrays by name; without it, inputs are made: `samples` along an open first axis, from `seed`,
      with `ranges` (low, high: for integers high is excluded) and `shapes` by input
    - `constants`: inputs of one side alone, each with `true`, `false` or a number
    - `input_pairs`, `output_pairs`: names of the old model to names of the new; if outputs are named, only those are compared
    - `atol`, `rtol`: an element passes if `|new - old| <= atol + rtol * |old|`; None for 1e-5 and 1e-4, or 1e-2 for half precision
    - `old_signature`, `new_signature`: of a SavedModel; `old_weights`, `new_weights`: a checkpoint for a `.meta` file, or one that is
      filled into a live model by name
    - `spec`: what the new model was migrated by, with `given` and `allow` as in `migspec.compile`; if the outputs differ, its cause is
      looked for in at most `tries` runs of the new model
    """

    inputs: str | Mapping[str, numpy.ndarray] | None = None
    samples: int = 4
    seed: int = 0
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    input_pairs: Mapping[str, str] = field(default_factory=dict)
    output_pairs: Mapping[str, str] = field(default_factory=dict)
    atol: float | None = None
    rtol: float | None = None
    old_signature: str | None = None
    new_signature: str | None = None
    old_weights: str | None = None
    new_weights: str | None = None
    spec: str | None = None
    given: Mapping[str, int | float] = field(default_factory=dict)
    allow: Collection[str] = ()
    tries: int = 1000


def verify(old: object, new: object, request: Request | None = None, **options: Any) -> Report:
    """Run two models on the same inputs and compare every output.

    `old` and `new` are each a path, a `package.module:function`, or a model or function itself. `options` are the fields of `Request`.
    Raises SpecError if there is nothing to compare: MIG5xx, MIG602 (what is paired with what is not clear), MIG603 (a side cannot be
    run), MIG604 (inputs cannot be made); TypeError for an option that there is not. A new model whose cause is looked for has its own
    values again in the end.
    """
    unknown = set(options) - {one.name for one in fields(Request)}
    if unknown:
        raise TypeError(f"verify() has no option {', '.join(sorted(unknown))}")
    wanted = request or Request(**options)
    with ExitStack() as stack:
        old_opened = open_side_to_run(old, wanted.old_signature, wanted.old_weights)
        stack.callback(old_opened.side.close)
        new_opened = open_side_to_run(new, wanted.new_signature, wanted.new_weights)
        stack.callback(new_opened.side.close)
        sides = old_opened.side, new_opened.side
        fed = feed(*sides, wanted.output_pairs, _feeding(wanted, *sides))
        run = run_both(*sides, fed, wanted.output_pairs, Tolerance(wanted.atol, wanted.rtol))
        outputs = run.compared()
        notes = (*old_opened.notes, *new_opened.notes, *fed.notes, *run.notes)
        found = () if all(one.passed for one in outputs) else _difference(old, sides, fed, run, outputs, wanted)
    return Report(_ran(sides[0]), _ran(sides[1]), fed.used, outputs, notes, found)


def _feeding(wanted: Request, old: Side, new: Side) -> Feeding:
    from migspec.verify.sides.recorded import RecordedSide

    recorded = [side for side in (old, new) if isinstance(side, RecordedSide)]
    if len(recorded) == 2:
        helps = ("to compare two files of arrays, use `migspec diff`",)
        raise file_error("MIG603", new.label, "both sides are recorded: there is nothing to run", helps=helps)
    wishes = Wishes(wanted.samples, wanted.seed, wanted.ranges, wanted.shapes)
    arrays: Mapping[str, numpy.ndarray] | None
    if recorded:
        if wanted.inputs is not None:
            note = "the recorded outputs are those of the recorded inputs"
            raise file_error("MIG604", recorded[0].label, "a recording runs on no other inputs", notes=(note,))
        arrays, label = recorded[0].values, recorded[0].label
    elif isinstance(wanted.inputs, str):
        reader = open_reader(wanted.inputs)
        try:
            arrays, label = {one.name: reader.read(one.name) for one in reader.variables}, wanted.inputs
        finally:
            reader.close()
    else:
        arrays, label = wanted.inputs, "the arrays given"
    return Feeding(wanted.input_pairs, wishes, wanted.constants, arrays, label, bool(recorded))


def _difference(
    old: object, sides: tuple[Side, Side], fed: Fed, run: Run, outputs: tuple[OutputComparison, ...], wanted: Request
) -> tuple[Diagnostic, ...]:
    from migspec.verify.blame.cause import causes

    failed = [one for one in outputs if not one.passed]
    sizes = [f"`{one.new_name}` by up to {one.absolute.size:.2e}" for one in failed if one.absolute is not None]
    message = f"{len(failed)} of {len(outputs)} outputs differ" if len(outputs) > 1 else "the outputs differ"
    helps = () if wanted.spec else ("`--spec SPEC`, the spec that the new model was migrated by, looks for the cause",)
    differ = Diagnostic("MIG601", message, file=sides[1].label, notes=tuple(sizes), helps=helps)
    return differ, *causes(old, sides, fed, run, wanted)


def _ran(side: Side) -> Ran:
    return Ran(side.label, side.kind)


__all__ = ["Request", "SpecError", "verify"]
