"""The token files that the rules of a spec name, each read once, each pair held against each other once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from migspec.diagnostics import Diagnostic, Label
from migspec.ops import OpError, Remap
from migspec.text import Span, Text

if TYPE_CHECKING:
    from migspec.vocabulary import Correspondence, Vocabulary

ReadVocabulary = Callable[[str, Text], "Vocabulary"]
"""Read the token file that an op in a text names; raises OpError."""


@dataclass(slots=True)
class TokenFiles:
    """What was read so far. A file in error is None, and is reported where it is named first."""

    read: ReadVocabulary
    diagnostics: list[Diagnostic]
    vocabularies: dict[tuple[str, str], Vocabulary | None] = field(default_factory=dict)
    correspondences: dict[tuple[Vocabulary, Vocabulary], Correspondence] = field(default_factory=dict)

    def given_to(self, remap: Remap, span: Span) -> Remap | None:
        """The op with what its files say; None if one of them is in error."""
        old, new = (self._vocabulary(name, span) for name in (remap.old_file, remap.new_file))
        if old is None or new is None:
            return None
        known = self.correspondences.get((old, new))
        if known is None:
            from migspec.vocabulary import correspondence

            known = self.correspondences[old, new] = correspondence(old, new)
        return replace(remap, correspondence=known)

    def _vocabulary(self, name: str, span: Span) -> Vocabulary | None:
        key = span.text.name, name
        if key not in self.vocabularies:
            try:
                self.vocabularies[key] = self.read(name, span.text)
            except OpError as error:
                self.vocabularies[key] = None
                self.diagnostics.append(
                    Diagnostic(error.code, error.message, Label(span), notes=error.notes, helps=error.helps)
                )
        return self.vocabularies[key]
