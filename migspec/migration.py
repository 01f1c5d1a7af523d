"""A compiled migration with both sides open: what runs a plan, and the Python API."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from migspec.compiler import compile_spec, read_spec
from migspec.diagnostics import Diagnostic, SpecError
from migspec.engine.run import Target, run
from migspec.expression import Read
from migspec.formats.base import Reader, Writer
from migspec.formats.output import Destination
from migspec.formats.writing import create_writer, format_of
from migspec.plan import Left, Plan, check_fresh
from migspec.plan_text import plan_text
from migspec.sides import is_live, open_side
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import os


Progress = Callable[[int], None]
"""Called with a number of bytes that were just written."""


class Migration:
    """A plan with the source that it reads and the target that it fills."""

    def __init__(self, plan: Plan, source: Reader, target: Reader) -> None:
        self.plan = plan
        self.source = source
        self.target = target

    def __str__(self) -> str:
        return plan_text(self.plan)

    def apply(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        format: str | None = None,
        overwrite: bool = False,
        sync: bool = True,
        executor: Executor | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Run the plan: into the live target model, or into a file, or both.

        All or nothing, each for itself: a live model is filled completely or is as it was, a file is written completely or not at
        all. A live target is filled first, then saved to `out`; without `out` the target must be a live model. `format` overrides
        what the name of `out` says. Without `sync` a file is left to the operating system to bring to the disk. Raises SpecError.
        """
        path = None if out is None else str(out)
        if path is None and not is_live(self.target):
            raise SpecError(
                [
                    Diagnostic(
                        "MIG508",
                        "there is nothing to write to: the target is no live model, and no output is named",
                        file=self.target.path,
                        helps=("name one: `--out FILE`, or `apply(out=...)`",),
                    )
                ]
            )
        destination = Destination(path or "", overwrite, sync, (*self.source.files, *self.target.files))
        if is_live(self.target):
            saved_by_framework = path is not None and format_of(path, format) in ("keras", "weights.h5")
            if path is not None:  # what can be known of the output is known before the model is touched
                destination.refuse()
            moved = VariableMap.of(self.target.variables.label, self._moved())
            self._run(self.target.writer(moved), moved, executor, progress, kept=False)
            if path is None:
                return
            if saved_by_framework:
                self.target.save(path, format_of(path, format))
                return
        written = VariableMap.of(self.target.variables.label, self._written())
        writer = create_writer(destination, written, format=format, template=self.target)
        self._run(writer, written, executor, progress, kept=True)

    def output_bytes(self, *, kept: bool) -> int:
        """How many bytes will be written, for a progress bar."""
        return sum(variable.nbytes for variable in (self._written() if kept else self._moved()))

    def close(self) -> None:
        self.source.close()
        self.target.close()

    def _run(
        self, writer: Writer, variables: VariableMap, executor: Executor | None, progress: Progress | None, *, kept: bool
    ) -> None:
        try:
            run(
                self._targets(variables, kept=kept),
                {"source": self.source, "target": self.target},
                writer,
                executor=executor,
                progress=progress,
            )
            writer.commit()
        except BaseException:
            writer.abort()
            raise

    def _targets(self, variables: VariableMap, *, kept: bool) -> list[Target]:
        moves = {move.target: move.expression for move in self.plan.moves}
        targets: list[Target] = []
        for variable in variables:
            if variable.name in moves:
                targets.append(Target(variable.name, moves[variable.name]))
            elif kept:
                targets.append(Target(variable.name, Read(variable.name, variable.shape, variable.dtype, "target")))
        return targets

    def _moved(self) -> Iterator[Variable]:
        moved = {move.target for move in self.plan.moves}
        return (variable for variable in self.target.variables if variable.name in moved)

    def _written(self) -> Iterator[Variable]:
        """What an output holds: every target variable but random state, which a Keras file takes from its template. The names of
        that state are counted through the process (`seed_generator_7/...`), so no other file could give it back."""
        named = {left.variable for left in self.plan.kept if left.cause is not None}
        if named and not self.target.variables.has_values:
            raise SpecError([_no_values([left for left in self.plan.kept if left.cause is not None], self.target.variables)])
        left_out = {left.variable for left in self.plan.kept if left.cause is None and left.because is None}
        written = self.target.variables if self.target.variables.has_values else self._moved()
        return (variable for variable in written if variable.name not in left_out)


def compile(
    spec: str | os.PathLike[str],
    source: object,
    target: object,
    *,
    given: Mapping[str, int | float] | None = None,
    allow: Collection[str] = (),
) -> Migration:
    """Compile the spec in a file against two sides; raises SpecError with everything that is wrong.

    `source` and `target` are each a path (a checkpoint, a model file, a variable map in JSON), a `package.module:function`, or a live
    model. Reads headers, no weight.
    """
    text = read_spec(str(spec))
    with _both_open(source, target) as (old, new):
        compilation = compile_spec(text, old.variables, new.variables, given=given, allow=allow)
        if compilation.plan is None:
            raise SpecError(compilation.diagnostics)
        return Migration(compilation.plan, old, new)


def resume(plan: Plan, source: object, target: object) -> Migration:
    """A saved plan with its two sides opened; raises SpecError (MIG510) if it is stale."""
    with _both_open(source, target) as (old, new):
        check_fresh(plan, old.variables, new.variables)
        return Migration(plan, old, new)


@contextmanager
def _both_open(source: object, target: object) -> Iterator[tuple[Reader, Reader]]:
    """Both sides opened, and closed again if what follows fails."""
    with ExitStack() as opened:
        old = open_side(source)
        opened.callback(old.close)
        new = open_side(target)
        opened.callback(new.close)
        yield old, new
        opened.pop_all()


def _no_values(named: list[Left], target: VariableMap) -> Diagnostic:
    from migspec.fold import fold_texts

    return Diagnostic(
        "MIG218",
        f"{fold_texts(left.variable for left in named)} cannot be kept: the target has no values",
        file=target.label,
        notes=("a variable map says what variables look like, and holds no values",),
        helps=("name a model or a checkpoint as target, or `fill` the variable",),
    )
