"""The whole of `migspec verify`: open both sides, feed them, run them, compare, and look for the cause of a difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from migspec.compiler import read_spec
from migspec.diagnostics import Diagnostic, SpecError, file_error
from migspec.formats.registry import open_reader
from migspec.verify.blame.cause import causes
from migspec.verify.comparison import OutputComparison
from migspec.verify.feeding import Fed, Feeding, feed
from migspec.verify.inputs import Wishes
from migspec.verify.opening import open_side_to_run
from migspec.verify.report import Ran, Report
from migspec.verify.request import Request
from migspec.verify.running import Run, Tolerance, run_both
from migspec.verify.side import Settable, Side
from migspec.verify.sides.recorded import RecordedSide
from migspec.verify.sides.saved_model import SignatureSide

if TYPE_CHECKING:
    import numpy


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
    if wanted.spec is not None:
        read_spec(wanted.spec)  # a spec that is not there is told even if it is not needed
    with ExitStack() as stack:
        old_opened = open_side_to_run(old, wanted.old_signature, wanted.old_weights)
        stack.callback(old_opened.side.close)
        new_opened = open_side_to_run(new, wanted.new_signature, wanted.new_weights)
        stack.callback(new_opened.side.close)
        sides = old_opened.side, new_opened.side
        _check_options(*sides, wanted)
        fed = feed(*sides, wanted.output_pairs, _feeding(wanted, *sides))
        run = run_both(*sides, fed, wanted.output_pairs, Tolerance(wanted.atol, wanted.rtol))
        outputs = run.compared()
        notes = (*old_opened.notes, *new_opened.notes, *fed.notes, *run.notes)
        found = () if all(one.passed for one in outputs) else _difference(old, sides, fed, run, outputs, wanted)
    return Report(_ran(sides[0]), _ran(sides[1]), fed.used, outputs, notes, found)


def _check_options(old: Side, new: Side, wanted: Request) -> None:
    """MIG603 for an option that the side it is meant for can do nothing with."""
    for side, signature, weights, use in (
        (old, wanted.old_signature, wanted.old_weights, wanted.spec is not None),
        (new, wanted.new_signature, wanted.new_weights, False),
    ):
        if signature is not None and not isinstance(side, SignatureSide):
            raise file_error("MIG603", side.label, f"there is no signature `{signature}`: a {side.kind} has none")
        if weights is not None and not use and not (isinstance(side, Settable) and side.live()):
            notes = (f"a {side.kind} has no variables that can be set",)
            raise file_error("MIG603", side.label, f"the weights of {weights} cannot be put into it", notes=notes)


def _feeding(wanted: Request, old: Side, new: Side) -> Feeding:
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
    failed = [one for one in outputs if one.differs]
    unproven = [one.new_name for one in outputs if not one.passed and not one.differs]
    if not failed:
        return (_nothing_proven(sides[1].label, unproven, len(outputs)),)
    sizes = [f"`{one.new_name}` by up to {one.absolute.size:.2e}" for one in failed if one.absolute is not None]
    sizes += [f"`{name}` has no finite value on either side, which proves nothing" for name in unproven]
    message = f"{len(failed)} of {len(outputs)} outputs differ" if len(outputs) > 1 else "the outputs differ"
    try:
        found = causes(old, sides, fed, run, wanted)
    except SpecError as error:  # the spec has errors, or a side lacks what the search needs: the comparison stands all the same
        found = error.diagnostics
    helps = () if found else ("`--spec SPEC`, the spec that the new model was migrated by, looks for the cause",)
    return Diagnostic("MIG601", message, file=sides[1].label, notes=tuple(sizes), helps=helps), *found


def _nothing_proven(label: str, unproven: Sequence[str], count: int) -> Diagnostic:
    """MIG601 for outputs that are the same and hold nothing that could differ. There is no cause to look for."""
    which = f"{len(unproven)} of {count} outputs hold" if count > 1 else "the output holds"
    message = f"nothing is proven: {which} no finite value, on either side"
    notes = tuple(f"`{name}` is the same on both sides" for name in unproven)
    helps = (
        "run on inputs for which the models give finite values: `--inputs FILE.npz`, `--range NAME=LOW:HIGH` or `--shape`",
    )
    return Diagnostic("MIG601", message, file=label, notes=notes, helps=helps)


def _ran(side: Side) -> Ran:
    return Ran(side.label, side.kind)
