"""What `apply` does, step by step: fill the model, write, read back, sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from migspec.diagnostics import Diagnostic, SpecError, file_error
from migspec.dtypes import kind
from migspec.engine.run import run
from migspec.engine.target import Target
from migspec.expression import Read, Side
from migspec.formats.base import Reader, Writer
from migspec.formats.checksum_file import files_of, refuse_checksums, remove_stale_checksums, write_checksums
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.writing import create_writer, format_of, read_places, refuse_output
from migspec.interrupts import interrupts_deferred
from migspec.models.base import LiveModel
from migspec.plan import Left, Plan
from migspec.sides import is_live
from migspec.variables import Variable, VariableMap

Progress: TypeAlias = Callable[[int], None]
"""Called with a number of bytes that were just written, or read back; by one thread at a time."""


@dataclass(frozen=True, slots=True)
class Request:
    """What `apply` is asked for; see `Migration.apply`. `reading` are files that are read besides those that the plan names."""

    out: str | None
    format: str | None = None
    overwrite: bool = False
    sync: bool = True
    verify: bool = False
    checksum: bool = False
    shard_size: int | None = None
    reading: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One pass over the bytes.

    `label` is a word for a person who waits. `nbytes`, called right before `run`, is how many bytes the progress will be told of,
    0 if nobody knows.
    """

    label: str
    nbytes: Callable[[], int]
    action: Callable[[Executor | None, Progress], None]

    def run(self, executor: Executor | None, progress: Progress | None) -> None:
        """Do it. Ctrl-C is heeded when bytes are reported, so never in the middle of putting an output in place."""
        with interrupts_deferred() as heed:

            def report(count: int) -> None:
                heed()
                if progress is not None:
                    progress(count)

            self.action(executor, report)


def steps_of(plan: Plan, source: Reader, target: Reader, request: Request) -> tuple[Step, ...]:
    """The steps, to be run in order. What can be known before anything is written or filled is known when this returns.

    Raises SpecError: MIG218, MIG506, MIG507, MIG508, MIG514. ValueError for a checksum without an output.
    """
    application = _Application(plan, source, target)
    destination = None
    if request.out is not None:
        chosen = format_of(request.out, request.format, target)
        texts = (one.label for one in (*plan.specs, *plan.vocabularies))
        reading = (*read_places(source), *read_places(target), *texts, *request.reading)
        destination = Destination(request.out, request.overwrite, request.sync, reading)
        refuse_output(destination, chosen, request.shard_size)
        refuse_checksums(destination, wanted=request.checksum)
    elif request.checksum:
        raise ValueError("`checksum` is of an output file, and there is none: name one as `out`")
    elif not is_live(target):
        raise _nowhere(target)
    steps: list[Step] = []
    if is_live(target):
        steps += application.filling(target, verify=request.verify)
    if destination is not None:
        if is_live(target) and chosen in target.saves:
            target.refuse_saving(destination, chosen)
            steps.append(application.saving(target, destination, chosen, request))
        else:
            if is_live(target):  # what is wrong with the output is known before the model is touched
                application.writer(destination, request).abort()
            steps.append(application.writing(destination, request))
        steps += application.after_writing(destination, request)
    return tuple(steps)


class _Application:
    def __init__(self, plan: Plan, source: Reader, target: Reader) -> None:
        self._plan = plan
        self._target = target
        self._sources: dict[Side, Reader] = {"source": source, "target": target}
        self._moves = {move.target: move.expression for move in plan.moves}

    def filling(self, model: LiveModel, *, verify: bool) -> list[Step]:
        """A live target gets its values."""
        variables = VariableMap.of(model.variables.label, self._moved())
        targets = [Target(variable.name, self._moves[variable.name]) for variable in variables]
        size = partial(_size, variables)
        if verify and model.shares_variables(self._sources["source"]):
            raise _read_and_filled(model)

        def fill(executor: Executor | None, progress: Progress) -> None:
            self._run(targets, model.writer(variables), executor, progress)

        def check(executor: Executor | None, progress: Progress) -> None:
            from migspec.engine.comparison import compare

            compare(targets, variables, self._sources, model, executor=executor, progress=progress)

        return [Step("filling", size, fill), *([Step("verifying", size, check)] if verify else [])]

    def saving(self, model: LiveModel, destination: Destination, format: str, request: Request) -> Step:
        """The framework of a live target writes the output. How many bytes it has written, nobody is told."""

        def save(executor: Executor | None, progress: Progress) -> None:  # noqa: ARG001
            model.save(destination, format)
            if request.checksum:
                remove_stale_checksums(destination)

        return Step("saving", lambda: 0, save)

    def writing(self, destination: Destination, request: Request) -> Step:
        """The output is written by the format's own writer."""
        variables = self._written()

        def write(executor: Executor | None, progress: Progress) -> None:
            self._run(self._targets(variables), self.writer(destination, request), executor, progress)
            if request.checksum:
                remove_stale_checksums(destination)

        return Step("writing", partial(_size, variables), write)

    def writer(self, destination: Destination, request: Request) -> Writer:
        """A writer of the format that was asked for, into a new output."""
        size = request.shard_size
        return create_writer(destination, self._written(), format=request.format, template=self._target, shard_size=size)

    def after_writing(self, destination: Destination, request: Request) -> Iterator[Step]:
        """The output is read back, as far as that is asked for."""
        variables = self._written()
        path = destination.path

        def verify(executor: Executor | None, progress: Progress) -> None:
            from migspec.engine.comparison import compare

            with closing(open_reader(path)) as output:
                compare(self._targets(variables), variables, self._sources, output, executor=executor, progress=progress)

        def files() -> tuple[str, ...]:
            with closing(open_reader(path)) as output:
                return files_of(path, output.files)

        def sum_up(executor: Executor | None, progress: Progress) -> None:  # noqa: ARG001
            write_checksums(destination, files(), progress)

        if request.verify:
            yield Step("verifying", partial(_size, variables), verify)
        if request.checksum:
            yield Step("summing", lambda: sum(Path(file).stat().st_size for file in files()), sum_up)

    def _run(self, targets: list[Target], writer: Writer, executor: Executor | None, progress: Progress) -> None:
        try:
            run(targets, self._sources, writer, executor=executor, progress=progress)
            progress(0)  # the last moment at which Ctrl-C leaves the old output
            writer.commit()
        except BaseException:
            writer.abort()
            raise

    def _targets(self, variables: VariableMap) -> list[Target]:
        """What each variable of an output is: what the plan makes of the source, or what a target that is kept has.

        A live target has been filled by then, and the output holds what it holds. What migspec can list and not read is left out:
        a writer that takes such a variable has it from its template.
        """
        return [
            Target(
                variable.name,
                Read(variable.name, variable.shape, variable.dtype, "target")
                if is_live(self._target) or variable.name not in self._moves
                else self._moves[variable.name],
            )
            for variable in variables
            if variable.name in self._moves or kind(variable.dtype) != "opaque"
        ]

    def _moved(self) -> Iterator[Variable]:
        return (variable for variable in self._target.variables if variable.name in self._moves)

    def _written(self) -> VariableMap:
        """What an output holds: every target variable but those that are kept unasked. Random state a Keras file takes from its
        template; its names are counted through the process (`seed_generator_7/...`), so no other file could give it back. An
        optimizer that the spec does not speak of is that of a live model, and stays there."""
        variables = self._target.variables
        named = {left.variable for left in self._plan.kept if left.cause is not None}
        if named and not variables.has_values:
            raise SpecError([_no_values([left for left in self._plan.kept if left.cause is not None], variables)])
        left_out = {left.variable for left in self._plan.kept if left.unasked is not None}
        written = variables if variables.has_values else self._moved()
        return VariableMap.of(variables.label, (variable for variable in written if variable.name not in left_out))


def _size(variables: VariableMap) -> int:
    return sum(variable.nbytes for variable in variables)


def _nowhere(target: Reader) -> SpecError:
    return file_error(
        "MIG508",
        target.path,
        "there is nothing to write to: the target is no live model, and no output is named",
        helps=["name one: `--out FILE`, or `apply(out=...)`"],
    )


def _read_and_filled(model: LiveModel) -> SpecError:
    return file_error(
        "MIG507",
        model.path,
        "the model that is filled is the source too, so it cannot be verified",
        notes=["once it is filled, what it was filled from is gone"],
        helps=["save the old weights first and name that file as source, or fill the model unverified"],
    )


def _no_values(named: list[Left], target: VariableMap) -> Diagnostic:
    from migspec.fold import fold_texts

    return Diagnostic(
        "MIG218",
        f"{fold_texts(left.variable for left in named)} cannot be kept: the target has no values",
        file=target.label,
        notes=("a variable map says what variables look like, and holds no values",),
        helps=("name a model or a checkpoint as target, or `fill` the variable",),
    )
