"""A spec that is to be tested: its text, what it means, and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from migspec.compiler import read_spec, sound_program
from migspec.diagnostics import Diagnostic, SpecError
from migspec.library import load
from migspec.resolve import NotFound
from migspec.rules import Program
from migspec.testing.settings import Settings, read_settings
from migspec.text import Text


@dataclass(frozen=True)
class Subject:
    """A reusable spec without errors of its own, and its settings."""

    text: Text
    program: Program
    settings: Settings

    @cached_property
    def inverse(self) -> Program | SpecError:
        """The inverse of the spec, or why it has none."""
        from migspec.invert import invert

        try:
            return sound_program(invert(self.text).text)
        except SpecError as error:
            return error


def open_subject(spec: str | Path | Text) -> Subject:
    """The spec of a file, or of the library (`tf1/dense`), ready to be tested.

    Raises `SpecError`: what is wrong with the spec or its settings (MIG710), MIG712 if it has no interface, MIG213 and MIG501 if there is
    no such spec.
    """
    text = spec if isinstance(spec, Text) else _found(str(spec))
    program = sound_program(text)
    if not program.reusable:
        raise SpecError(
            [
                Diagnostic(
                    "MIG712",
                    "the spec has no interface, so there is nothing to test it with",
                    file=text.name,
                    helps=(
                        "give it `source` and `target` lines with sizes; or test it on its two files, with `migspec check`",
                    ),
                )
            ]
        )
    return Subject(text, program, read_settings(program))


def _found(spec: str) -> Text:
    """The file of this name, or the spec of this name."""
    if spec.endswith(".mig") or Path(spec).is_file():
        return read_spec(spec)
    found = load(spec, Text("spec.mig", ""))
    if isinstance(found, NotFound):
        helps = tuple(f"did you mean `{name}`?" for name in found.nearest) or ("`migspec specs` lists the library",)
        notes = (f"looked in {', '.join(('this folder', *found.places[1:]))}",)
        raise SpecError([Diagnostic("MIG213", f"there is no spec `{spec}`", file=spec, notes=notes, helps=helps)])
    return found
