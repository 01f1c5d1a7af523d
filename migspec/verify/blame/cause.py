"""The cause of a difference, as diagnostics: what is to blame, or that the graphs differ."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migspec.compiler import compile_spec, read_spec
from migspec.diagnostics import Diagnostic, Label, Severity, SpecError, file_error
from migspec.fold import fold_texts
from migspec.formats.base import Reader
from migspec.formats.registry import open_reader
from migspec.models.load import is_live_reference
from migspec.verify.blame.correction import Correction
from migspec.verify.blame.corrections import corrections
from migspec.verify.blame.experiment import Experiment, Scale, Score
from migspec.verify.blame.layer_by_layer import parting
from migspec.verify.blame.prescribed import WORDS, as_prescribed, prescribed
from migspec.verify.blame.relations import related
from migspec.verify.blame.search import Found, search
from migspec.verify.blame.suspects import Suspect, suspects_of
from migspec.verify.blame.traps import Trap, other_traps, usual_traps
from migspec.verify.feeding import Fed
from migspec.verify.running import Run
from migspec.verify.side import KerasBacked, Settable, Side
from migspec.verify.sides.recorded import RecordedSide

if TYPE_CHECKING:
    from migspec.models.base import LiveModel
    from migspec.verify.request import Request

MOST = 0.9
"""The share of the difference that what is blamed must explain."""


def causes(old: object, sides: tuple[Side, Side], fed: Fed, run: Run, wanted: Request) -> tuple[Diagnostic, ...]:
    """What is found of the cause of a difference, as notes.

    First what costs a few runs: whether a side gives the same twice, whether one output is a simple function of the other, settings of
    layers that no checkpoint holds. Then, with a spec, whether the new model has what the spec makes of the old weights, whether
    another way to move them makes the difference vanish, and settings of single layers. If nothing does, the graphs differ.
    """
    unsteady = _unsteady(sides, fed, run)
    if unsteady is not None:
        return (unsteady,)
    relation = related(run)
    if relation is not None:
        return (_graphs_differ(sides, f"the graphs themselves differ: {relation}"),)
    scale = Scale(run)
    sprung = _sprung(sides, fed, run, scale, usual_traps)
    if sprung is not None:
        return (_trap_found(sides, sprung),)
    if wanted.spec is None:
        return ()
    with ExitStack() as stack:
        live = _live(sides[1])
        source = _source(old, sides[0], wanted.old_weights, stack)
        compilation = compile_spec(
            read_spec(wanted.spec), source.variables, live.variables, given=wanted.given, allow=wanted.allow
        )
        if compilation.plan is None:
            raise SpecError(compilation.diagnostics)
        suspects = suspects_of(compilation, live.variables)
        experiment = Experiment(sides[1], fed.new, live, [one.name for one in suspects], scale, run)
        stack.callback(experiment.restore)
        strangers, values = prescribed(suspects, source, live, experiment.values)
        if strangers:
            found = search(experiment, as_prescribed(strangers, values), wanted.tries)
            if found.steps and _explains(found.score):
                return tuple(_not_prescribed(sides[1], found))
            experiment.restore()
        found = search(experiment, corrections(suspects), wanted.tries)
        experiment.restore()
        if found.steps and _explains(found.score):
            return tuple(_wrongly_moved(found))
        sprung = _sprung(sides, fed, run, scale, other_traps)
        if sprung is not None:
            return (_trap_found(sides, sprung),)
        return (_nothing_found(sides, fed, found, strangers, len(suspects)),)


def _unsteady(sides: tuple[Side, Side], fed: Fed, run: Run) -> Diagnostic | None:
    """MIG608 if a side, run once more, gives something else by itself."""
    again_old = sides[0].run(fed.old, [pair.old.name for pair in run.pairs])
    again_new = sides[1].run(fed.new, [pair.new.name for pair in run.pairs])
    pairs = tuple(replace(pair, new=pair.old) for pair in run.pairs)
    if not _is_same(replace(run, pairs=pairs, new=again_old)):
        return _unsteady_side(sides[0], "old")
    pairs = tuple(replace(pair, old=pair.new) for pair in run.pairs)
    if not _is_same(replace(run, pairs=pairs, old=run.new, new=again_new)):
        return _unsteady_side(sides[1], "new")
    return None


def _is_same(twice: Run) -> bool:
    """Whether two runs of one side gave the same, NaN and infinities in the same places too."""
    shapes = [(twice.old[pair.old.name].shape, twice.new[pair.new.name].shape) for pair in twice.pairs]
    return all(one == other for one, other in shapes) and not any(one.differs for one in twice.compared())


def _unsteady_side(side: Side, which: str) -> Diagnostic:
    return Diagnostic(
        "MIG608",
        f"the {which} model gives other outputs when it is run again on the same inputs",
        file=side.label,
        helps=("switch off dropout and other noise, and begin each call in the same state",),
        severity=Severity.NOTE,
    )


def _live(side: Side) -> LiveModel:
    live = side.live() if isinstance(side, Settable) else None
    if live is None:
        raise file_error(
            "MIG603",
            side.label,
            "the cause cannot be looked for: the variables of the new model cannot be changed",
            notes=(f"a {side.kind} has no variables that can be set",),
            helps=(
                "name the model as a Keras file, a SavedModel, a checkpoint with its `.meta`, or a function, or leave out `--spec`",
            ),
        )
    return live


def _source(old: object, side: Side, weights: str | None, stack: ExitStack) -> Reader:
    """The old model's variables."""
    live = side.live() if isinstance(side, Settable) else None
    if live is not None:
        return live
    named = os.fspath(old) if isinstance(old, str | os.PathLike) else None
    computes_only = named is None or is_live_reference(named) or isinstance(side, RecordedSide)
    path = weights or (None if computes_only else named)
    if path is None:
        notes = (f"the spec needs the old weights, and a {side.kind} shows no variables",)
        helps = ("name the checkpoint with the weights that it computes with: `--old-weights FILE`",)
        message = "the cause cannot be looked for: the old model shows no variables"
        raise file_error("MIG603", side.label, message, notes, helps)
    reader = open_reader(path)
    stack.callback(reader.close)
    return reader


def _sprung(
    sides: tuple[Side, Side], fed: Fed, run: Run, scale: Scale, traps: Callable[[Any, str], Iterator[Trap]]
) -> Trap | None:
    """The setting of a layer, on either side, that makes the difference vanish."""
    names_old, names_new = [pair.old.name for pair in run.pairs], [pair.new.name for pair in run.pairs]
    for which, side in (("new", sides[1]), ("old", sides[0])):
        if not isinstance(side, KerasBacked):
            continue
        for trap in traps(side.model, which):
            with trap.sprung():
                try:
                    if which == "new":
                        score = scale.score(side.run(fed.new, names_new))
                    else:
                        score = scale.score(run.new, side.run(fed.old, names_old))
                except SpecError:
                    continue
            if score.passed:
                return trap
    return None


def _explains(score: Score) -> bool:
    return score.passed or score.explained >= MOST


def _wrongly_moved(found: Found) -> Iterator[Diagnostic]:
    """MIG605, one for each correction that was needed, at the statements that moved the variables."""
    for place, step in enumerate(found.steps):
        yield _blamed("MIG605", step, f"{_names(step)}: {step.words}", _effect(found, place))


def _not_prescribed(side: Side, found: Found) -> Iterator[Diagnostic]:
    """MIG607, likewise."""
    for place, step in enumerate(found.steps):
        one = _blamed("MIG607", step, f"{_names(step)}: {WORDS}", _effect(found, place))
        yield replace(one, helps=(f"migrate again, or name the spec that {side.label} was migrated by",))


def _blamed(code: str, step: Correction, message: str, effect: str) -> Diagnostic:
    statements = list(dict.fromkeys(one.statement for one in step.suspects))
    return Diagnostic(
        code,
        message,
        primary=Label(statements[0], "moved here"),
        secondary=tuple(Label(span, "and here") for span in statements[1:4]),
        notes=(effect,),
        severity=Severity.NOTE,
    )


def _effect(found: Found, place: int) -> str:
    if place < len(found.steps) - 1:
        return "this is one of several mistakes that come together"
    together = "with all of these corrected" if len(found.steps) > 1 else "with that corrected"
    tried = f"{found.tried} {'trial' if found.tried == 1 else 'trials'}"
    if found.score.passed:
        return f"{together}, all outputs agree ({tried})"
    return f"{together}, {100 * found.score.explained:.0f} % of the difference is gone, and some is left ({tried})"


def _names(step: Correction) -> str:
    return fold_texts(one.name for one in step.suspects)


def _trap_found(sides: tuple[Side, Side], trap: Trap) -> Diagnostic:
    shown = ", ".join(f"`{name}`" for name in trap.layers[:5]) + (
        f" and {len(trap.layers) - 5} more" if len(trap.layers) > 5 else ""
    )
    note = f"set so in {shown}, all outputs agree: the weights are right"
    return _graphs_differ(sides, f"the graphs themselves differ: {trap.words}", note)


def _graphs_differ(sides: tuple[Side, Side], message: str, *notes: str) -> Diagnostic:
    return Diagnostic("MIG606", message, file=sides[1].label, notes=notes, severity=Severity.NOTE)


def _nothing_found(sides: tuple[Side, Side], fed: Fed, found: Found, strangers: list[Suspect], count: int) -> Diagnostic:
    """MIG606: no correction explains the difference, or none of those that there were tries for."""
    notes = [
        f"{found.tried} corrections of the {count} moved variables were tried: gate orders, forget biases, transposes, exchanges and "
        "others; none explains most of the difference"
    ]
    if not strangers:
        notes.append("the new model has exactly what the spec makes of the old weights")
    where = parting(*sides, fed.old, fed.new)
    if where is not None:
        upto = f"up to layer `{where.agreeing}` both compute the same; " if where.agreeing else ""
        notes.append(f"{upto}`{where.differing}` is the first layer that the old model has no equal of")
    compare = "compare what no checkpoint holds: activations, epsilons, strides and padding, how inputs are scaled"
    if found.stopped:
        tries = "1 try" if found.tried == 1 else f"{found.tried} tries"
        message = f"the search for variables that were moved wrongly stopped before it was done, after {tries}"
        more = f"more tries may name the variables: `--tries {max(1000, 10 * found.tried)}`"
        return replace(_graphs_differ(sides, message, *notes), helps=(more, f"if they name none, the graphs differ: {compare}"))
    return replace(_graphs_differ(sides, "the graphs themselves differ, as far as can be told", *notes), helps=(compare,))
