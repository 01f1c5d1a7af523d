"""What a spec means before it is held against variables: rules with their ops, mounts of other specs, sizes, an interface."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from migspec.ops import Remap, Word
from migspec.syntax import tree
from migspec.text import Span, Text

if TYPE_CHECKING:
    from migspec.vocabulary import Vocabulary

WEIGHT = "weight"
"""What the patterns of `slots` call the variable that a slot belongs to."""

RuleKind: TypeAlias = Literal["rename", "copy", "same", "drop", "keep", "fill"]


@dataclass(frozen=True, slots=True)
class Operation:
    """An op and the place where it was written."""

    word: Word
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One statement that moves, drops, keeps or fills variables."""

    kind: RuleKind
    statement: tree.Statement
    sources: tree.PatternList | None = None
    targets: tree.PatternList | None = None
    operations: tuple[Operation, ...] = ()
    content: tree.Content | None = None
    because: str | None = None
    if_present: bool = False

    @property
    def span(self) -> Span:
        return self.statement.span

    @property
    def word(self) -> str:
        """The word that its statement begins with: `slots` makes rules of several kinds."""
        return "slots" if isinstance(self.statement.body, tree.Slots) else self.kind


@dataclass(frozen=True, slots=True, eq=False)
class Mount:
    """A `use` statement with the spec that it mounts."""

    use: tree.Use
    statement: tree.Statement
    program: Program


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """One spec, resolved. `sizes` and `numbers` map a name to its definition in the order written.

    `slots` are rules from the pattern of a source's slot to that of a target's, in which `{weight}` stands for a variable that is moved.
    """

    text: Text
    sizes: dict[str, tree.Definition]
    numbers: dict[str, tree.Definition]
    interface: tuple[tuple[tree.Interface, tree.Statement], ...]
    rules: tuple[Rule, ...]
    mounts: tuple[Mount, ...]
    cast_all: Span | None = None
    complete: bool = field(default=True)
    """False if a statement of it was in error and is missing here: then nothing can be said about coverage."""
    slots: tuple[Rule, ...] = ()

    def texts(self) -> Iterator[Text]:
        """The text of this spec and of every spec that it uses, outer before inner; a spec used twice comes twice."""
        yield self.text
        for mount in self.mounts:
            yield from mount.program.texts()

    def vocabularies(self) -> Iterator[Vocabulary]:
        """Every token file that was read for it; one that is named twice comes twice."""
        for rule in self.rules:
            for operation in rule.operations:
                if isinstance(operation.word, Remap):
                    yield operation.word.between.old
                    yield operation.word.between.new
        for mount in self.mounts:
            yield from mount.program.vocabularies()

    @property
    def reusable(self) -> bool:
        return bool(self.interface)
