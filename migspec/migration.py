"""A compiled migration with both sides open: what runs a plan, and the Python API."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from migspec.application import Progress, Request, Step, steps_of
from migspec.compiler import compile_spec, read_spec
from migspec.diagnostics import SpecError
from migspec.formats.base import Reader
from migspec.formats.shard_size import size_in_bytes
from migspec.plan import Plan, check_fresh
from migspec.plan_text import plan_text
from migspec.sides import open_side

if TYPE_CHECKING:
    import os


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
        verify: bool = False,
        checksum: bool = False,
        shard_size: int | str | None = None,
        executor: Executor | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Run the plan: into the live target model, or into a file, or both.

        All or nothing, each for itself: a live model is filled completely or is as it was, a file is written completely or not at
        all. A live target is filled first, then saved to `out`; without `out` the target must be a live model. `format` overrides
        what the name of `out` says. Without `sync` a file is left to the operating system to bring to the disk.

        With `verify` the output, and the model that was filled, is read back and compared with the plan, bit for bit: MIG517 if it
        differs. It is in its place by then. With `checksum` the digests of its files are written to `OUT.sha256`, last of all.
        `progress` is called with a number of bytes that were just written, or read back. Raises SpecError.

        With `shard_size`, in bytes or as `"5GB"`, a safetensors output goes into several files if one would be larger; ValueError if
        that is no size.
        """
        path = None if out is None else str(out)
        size = None if shard_size is None else size_in_bytes(shard_size)
        for step in self.steps(Request(path, format, overwrite, sync, verify, checksum, size)):
            step.run(executor, progress)

    def steps(self, request: Request) -> tuple[Step, ...]:
        """What `apply` does, for a caller who shows how it gets on. Everything that can be refused early is refused here."""
        return steps_of(self.plan, self.source, self.target, request)

    def close(self) -> None:
        self.source.close()
        self.target.close()


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
