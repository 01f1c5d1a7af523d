"""From a syntax tree to rules: ops are read, names of sizes checked, used specs loaded and resolved in turn.

Pure but for `load`, which finds the text of a used spec.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from migspec.definitions import Names, defined_in, interface_problem
from migspec.diagnostics import Diagnostic, Label, Severity
from migspec.ops import WORDS, OpError, Remap, Word
from migspec.pattern_parts import is_number
from migspec.patterns import (
    capture_names,
    conflicting_constraints,
    constraints_of,
    numeric_captures,
    unnamed_count,
    unnamed_ranges,
)
from migspec.rules import Mount, Operation, Program, Rule
from migspec.syntax import tree
from migspec.syntax.parse import parse
from migspec.text import Span, Text

if TYPE_CHECKING:
    from migspec.token_files import ReadVocabulary, TokenFiles


@dataclass(frozen=True, slots=True)
class NotFound:
    """No spec of that name: where it was looked for, and what names are near."""

    places: tuple[str, ...]
    nearest: tuple[str, ...]


Load = Callable[[str, Text], Text | NotFound]
"""Find the spec that a `use` in a text names."""


def resolve(text: Text, load: Load, read_vocabulary: ReadVocabulary) -> tuple[Program, tuple[Diagnostic, ...]]:
    """The program of a spec, and everything that is wrong with it and the specs that it uses; what is in error is left out."""
    resolver = _Resolver(load, read_vocabulary)
    program = resolver.program(text, ())
    return program, tuple(resolver.diagnostics)


@dataclass(slots=True)
class _Resolver:
    """One resolution in progress: what was found wrong so far, and the specs that were resolved already."""

    load: Load
    read_vocabulary: ReadVocabulary
    diagnostics: list[Diagnostic] = field(default_factory=list)
    token_files: TokenFiles | None = None
    programs: dict[str, Program] = field(default_factory=dict)

    def program(self, text: Text, open_specs: tuple[str, ...]) -> Program:
        spec, problems = parse(text)
        self.diagnostics.extend(problems)
        before = len(self.diagnostics)
        names = Names(self.diagnostics)
        names.broken.update(name for problem in problems for name in defined_in(problem))
        for statement in spec.statements:
            names.define(statement.body)
        interface: list[tuple[tree.Interface, tree.Statement]] = []
        rules: list[Rule] = []
        mounts: list[Mount] = []
        slots: list[Rule] = []
        cast_all: Span | None = None
        for statement in spec.statements:
            match statement.body:
                case tree.Version() | tree.Sizes() | tree.Numbers():
                    pass
                case tree.Interface() as line:
                    dims = line.dims if line.family is None else (*line.dims, line.family[1])
                    if names.check(dims) and names.computable(dims, statement.span) and self._declares(line):
                        interface.append((line, statement))
                case tree.Use() as use:
                    mount = self._mount(use, statement, names, text, open_specs)
                    if mount is not None:
                        mounts.append(mount)
                case tree.CastAll():
                    cast_all = statement.span
                case tree.Slots() as body:
                    slots_rule = self._slots(body, statement, names)
                    if slots_rule is not None:
                        slots.append(slots_rule)
                case body:
                    rule = self._rule(body, statement, names)
                    if rule is not None:
                        rules.append(rule)
        if open_specs and slots:
            from migspec.slot_rules import used_slots_problem

            self.diagnostics.extend(map(used_slots_problem, slots))
        complete = not problems and len(self.diagnostics) == before
        return Program(
            text,
            names.sizes,
            names.numbers,
            tuple(interface),
            tuple(rules),
            tuple(mounts),
            cast_all,
            complete,
            () if open_specs else tuple(slots),
        )

    def _slots(self, body: tree.Slots, statement: tree.Statement, names: Names) -> Rule | None:
        from migspec.slot_rules import slots_problem  # most specs have no slots, and no token files either

        problem = slots_problem(body)
        if problem is not None:
            self.diagnostics.append(problem)
            return None
        operations = self._operations(body.ops, names)
        if operations is None:
            return None
        source, target = (tree.PatternList((pattern,), span=pattern.span) for pattern in (body.source, body.target))
        return Rule("rename", statement, source, target, operations, if_present=body.if_present)

    def _rule(
        self, body: tree.Move | tree.Same | tree.Drop | tree.Keep | tree.FillWith, statement: tree.Statement, names: Names
    ) -> Rule | None:
        match body:
            case tree.Move(word=word, sources=sources, targets=targets, ops=ops, if_present=if_present):
                patterns = (*sources.patterns, *targets.patterns)
                sound = (
                    self._counts_agree(patterns)
                    and self._constraints_agree(patterns)
                    and self._ranges_hold(sources, targets)
                    and self._numbers_agree(sources, targets)
                    and self._unstacked_by_name(ops, sources, targets)
                )
                operations = self._operations(ops, names)
                if operations is None or not sound:
                    return None
                return Rule(word, statement, sources, targets, operations, if_present=if_present)
            case tree.Same(names=listed, ops=ops, if_present=if_present):
                operations = self._operations(ops, names)
                return None if operations is None else Rule("same", statement, listed, None, operations, if_present=if_present)
            case tree.Drop(names=listed, because=because, if_present=if_present):
                return Rule("drop", statement, listed, None, because=because, if_present=if_present)
            case tree.Keep(names=listed, because=because, if_present=if_present):
                return Rule("keep", statement, None, listed, because=because, if_present=if_present)
            case tree.FillWith(names=listed, content=content, if_present=if_present):
                if not names.check_content(content):
                    return None
                return Rule("fill", statement, None, listed, content=content, if_present=if_present)

    def _constraints_agree(self, patterns: Sequence[tree.Pattern]) -> bool:
        """A capture is one text on both sides: two different constraints on it would leave one of them without effect."""
        conflict = conflicting_constraints(patterns)
        if conflict is None:
            return True
        first, one, second, other = conflict
        assert first.span is not None
        assert second.span is not None
        place = Label(second.span, f"here it is {_constraint(other)}")
        name = f"wildcard {one.name[1:]}" if one.name.startswith("*") else f"capture `{one.name}`"
        helps = [f"write the same for the {name} in both places, or `*` in one of them"]
        if not one.name.startswith("*"):
            helps = [f"write the constraint once: it holds wherever `{one.name}` stands"]
        if one.kind == other.kind == "choice" and len(one.choices) == len(other.choices):
            pairs = ", ".join(f"{old} to {new}" for old, new in zip(one.choices, other.choices, strict=True))
            helps.append(
                f"to pair them in order, {pairs}, give the second another name: `{{{one.name}_new:{'|'.join(other.choices)}}}`"
            )
        self.diagnostics.append(
            Diagnostic(
                "MIG106",
                f"the {name} is constrained in two ways",
                place,
                (Label(first.span, f"here it is {_constraint(one)}"),),
                notes=("it stands for one text on both sides",),
                helps=tuple(helps),
            )
        )
        return False

    def _ranges_hold(self, sources: tree.PatternList, targets: tree.PatternList) -> bool:
        """An unnamed range on the right says nothing unless the wildcard that it is paired with says the same."""
        said = {name for pattern in sources.patterns for name in unnamed_ranges(pattern)}
        for pattern in targets.patterns:
            for name, capture in unnamed_ranges(pattern).items():
                if name in said:
                    continue
                assert pattern.span is not None
                self._report(
                    "MIG106",
                    f"the range `{{{capture.low}..{capture.high}}}` on the right narrows nothing",
                    pattern.span,
                    notes=("an unnamed wildcard takes its text from the left",),
                    helps=("write the range on the left, and `*` or the same range here",),
                )
                return False
        return True

    def _counts_agree(self, patterns: Sequence[tree.Pattern]) -> bool:
        counts = [unnamed_count(pattern) for pattern in patterns]
        if len(set(counts)) == 1:
            return True
        place = next(index for index, count in enumerate(counts) if count != counts[0])
        first, other = patterns[0].span, patterns[place].span
        assert first is not None
        assert other is not None
        self.diagnostics.append(
            Diagnostic(
                "MIG110",
                "the patterns of one rule have different counts of unnamed wildcards",
                Label(other, _wildcards(counts[place])),
                (Label(first, _wildcards(counts[0])),),
                notes=("unnamed wildcards are paired from left to right",),
                helps=(
                    "write as many on each side",
                    "or give a name to what stands on one side only, `{i}`: it gathers its matches into a bundle, for `stack` or `concat`",
                ),
            )
        )
        return False

    def _numbers_agree(self, sources: tree.PatternList, targets: tree.PatternList) -> bool:
        """Whether a capture that stands in arithmetic is chosen among numbers, where it is chosen."""
        patterns = [*sources.patterns, *targets.patterns]
        numeric = numeric_captures(*patterns)
        for capture in constraints_of(*patterns).values():
            odd = [choice for choice in capture.choices if not is_number(choice)]
            if capture.name in numeric and odd:
                place = next(pattern.span for pattern in patterns if capture.name in numeric_captures(pattern))
                assert place is not None
                self._report(
                    "MIG106",
                    f"`{capture.name}` stands in arithmetic here, and `{odd[0]}`, one of its choices, is no number",
                    place,
                    helps=("write one rule for each choice",),
                )
                return False
        return True

    def _unstacked_by_name(self, ops: tuple[tree.Op, ...], sources: tree.PatternList, targets: tree.PatternList) -> bool:
        """Several `unstack`s for several captures say which is of which."""
        old, new = (dict.fromkeys(name for one in side.patterns for name in capture_names(one)) for side in (sources, targets))
        own = [name for name in new if name not in old]
        unnamed = [op for op in ops if op.word == "unstack" and op.argument("capture") is None]
        if len(unnamed) > 1 and len(own) > 1:
            message = f"which of {' and '.join(f'`{{{name}}}`' for name in own)} each `unstack` is of is left unsaid"
            named = "  ".join(f"unstack {{{name}}} {op.argument('axis')}" for name, op in zip(own, unnamed, strict=False))
            helps = (f"name them: `{named}`, if the first axis is that of the first capture",)
            self._report("MIG111", message, unnamed[0].span, (), helps)
            return False
        return True

    def _operations(self, ops: tuple[tree.Op, ...], names: Names) -> tuple[Operation, ...] | None:
        operations: list[Operation] = []
        sound = True
        for op in ops:
            sound = names.check_op(op) and sound
            try:
                word: Word | None = WORDS[op.word].read(op)
            except OpError as error:
                self._report(error.code, error.message, op.span, error.notes, error.helps)
                word = None
            if isinstance(word, Remap):
                if self.token_files is None:
                    from migspec.token_files import TokenFiles

                    self.token_files = TokenFiles(self.read_vocabulary, self.diagnostics)
                word = self.token_files.given_to(word, op.span)
            if word is None:
                sound = False
            else:
                operations.append(Operation(word, op.span))
        return tuple(operations) if sound else None

    def _declares(self, line: tree.Interface) -> bool:
        problem = interface_problem(line)
        if problem is not None:
            self.diagnostics.append(problem)
        return problem is None

    def _mount(
        self, use: tree.Use, statement: tree.Statement, names: Names, text: Text, open_specs: tuple[str, ...]
    ) -> Mount | None:
        place = use.spec_span or statement.span
        found = self.load(use.spec, text)
        if isinstance(found, NotFound):
            self._report(
                "MIG213",
                f"there is no spec `{use.spec}`",
                place,
                notes=("looked in " + ", ".join(found.places),),
                helps=tuple(f"did you mean `{name}`?" for name in found.nearest) or ("`migspec specs` lists the library",),
            )
            return None
        if found.name in (text.name, *open_specs):
            chain = (*open_specs, text.name, found.name)
            self._report(
                "MIG214",
                "specs use each other in a cycle",
                place,
                notes=(" -> ".join(chain[chain.index(found.name) :]),),
                helps=("take one of these uses out: a spec cannot be part of itself",),
            )
            return None
        program = self.programs.get(found.name)
        if program is None:
            before = len(self.diagnostics)
            program = self.programs[found.name] = self.program(found, (*open_specs, text.name))
            # Each error in it shows the uses that led there: the chain grows as the resolver comes back to the outermost spec.
            self.diagnostics[before:] = [replace(one, uses=(statement.span, *one.uses)) for one in self.diagnostics[before:]]
        if not program.reusable:
            if program.complete:  # else its interface may be what is wrong
                self._report(
                    "MIG216",
                    f"the spec `{use.spec}` has no interface",
                    place,
                    helps=("give it `source` and `target` lines that say what it moves",),
                )
            return None
        if use.inverse:
            turned = self._turned_around(program, statement, (*open_specs, text.name))
            if turned is None:
                return None
            program = turned
        sound = True
        if use.source is not None and use.target is not None:
            sound = self._counts_agree((use.source, use.target)) and sound
        given: dict[str, tree.Definition] = {}
        for binding in use.bindings:
            first = given.setdefault(binding.name, binding)
            if first is not binding and first.span is not None:
                twice = Label(binding.span or place)
                self.diagnostics.append(
                    Diagnostic(
                        "MIG113",
                        f"`{binding.name}` is given twice",
                        twice,
                        (Label(first.span, "the first time"),),
                        helps=("take one of them out",),
                    )
                )
                sound = False
            sound = names.check((binding.value,) if binding.value is not None else ()) and sound
            if binding.name not in program.sizes and binding.name not in program.numbers:
                known = ", ".join(f"`{name}`" for name in (*program.sizes, *program.numbers)) or "none"
                if program.complete:  # else its definition may be what could not be read
                    self._report(
                        "MIG215",
                        f"`{use.spec}` has no parameter `{binding.name}`",
                        binding.span or place,
                        notes=(f"its parameters: {known}",),
                        helps=self._parameter_helps(binding.name, program),
                    )
                sound = False
        return Mount(use, statement, program) if sound else None

    def _turned_around(self, program: Program, statement: tree.Statement, open_specs: tuple[str, ...]) -> Program | None:
        """The inverse of a used spec; None if it has none, which is reported with the chain of uses."""
        from migspec.inverse.statements import MARK, in_a_use, inverse_of  # most specs turn no other around

        if not program.complete:
            return None
        name = program.text.name + MARK
        if name not in self.programs:
            inverse = inverse_of(program)
            if not inverse.exists:
                errors = (one for one in inverse.diagnostics if one.severity is Severity.ERROR)
                self.diagnostics.extend(in_a_use(one, statement.span) for one in errors)
                return None
            self.programs[name] = self.program(inverse.text(name), open_specs)
        return self.programs[name]

    def _parameter_helps(self, name: str, program: Program) -> tuple[str, ...]:
        from migspec.diagnostics.suggest import nearest

        near = nearest(name, (*program.sizes, *program.numbers))
        return tuple(f"did you mean `{one}`?" for one in near) or ("take it out",)

    def _report(self, code: str, message: str, span: Span, notes: tuple[str, ...] = (), helps: tuple[str, ...] = ()) -> None:
        self.diagnostics.append(Diagnostic(code, message, Label(span), notes=notes, helps=helps))


def _wildcards(count: int) -> str:
    return f"{count} unnamed wildcard{'' if count == 1 else 's'}"


def _constraint(capture: tree.Capture) -> str:
    match capture.kind:
        case "range":
            return f"a number from {capture.low} to {capture.high}"
        case "choice":
            return "one of " + ", ".join(f"`{choice}`" for choice in capture.choices)
        case _:
            return "any number"
