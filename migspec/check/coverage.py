"""Nothing silent: every source variable is used or dropped, every target variable filled or kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from migspec.bind.problems import described
from migspec.bind.side import span_of
from migspec.bind.types import Binding, Instance
from migspec.bind.variants import fits_number, numbered_from_nothing, without_number
from migspec.check.mounted import interface_notes
from migspec.diagnostics import Diagnostic, Label
from migspec.fold import fold
from migspec.names import normal_name
from migspec.patterns import Matcher, text_of
from migspec.rules import Program, Rule
from migspec.syntax.tree import Pattern
from migspec.variables import Variable, VariableMap

_LISTED = 8  # so many lines of names are shown
_NEAR = 48  # so many variables may have been meant by one pattern that fits none
_PROPOSED = 3  # so many names stand in a proposed list


def check_coverage(binding: Binding) -> Iterator[Diagnostic]:
    """One error for each side that has variables left over, unless a statement was in error and is missing from the program."""
    if not _complete(binding.program):
        return
    unused = [variable for variable in binding.source if variable.name not in binding.used]
    unused = _without_nearest(unused, binding.missing_sources)
    unfilled = [variable for variable in binding.target if variable.name not in binding.covered]
    unfilled = _without_nearest(unfilled, binding.missing_targets)
    if unused:
        yield _uncovered(
            "MIG201",
            unused,
            binding.source,
            binding.program.text.name,
            "source",
            "neither used nor dropped",
            binding.withdrawn,
            (*_numbering_notes(unused, binding.program, "source"), *interface_notes(unused, binding, "source")),
            _source_helps(unused, set(map(_likeness, unfilled))),
        )
    if unfilled:
        yield _uncovered(
            "MIG202",
            unfilled,
            binding.target,
            binding.program.text.name,
            "target",
            "neither filled nor kept",
            binding.withdrawn,
            (*_numbering_notes(unfilled, binding.program, "target"), *interface_notes(unfilled, binding, "target")),
            _target_helps(unfilled, set(map(_likeness, unused)), binding.target.has_values),
        )


def _complete(program: Program) -> bool:
    return program.complete and all(_complete(mounted.program) for mounted in program.mounts)


_Likeness = tuple[str, tuple[int, ...]]
"""What two variables that `same` moves have in common."""


def _likeness(variable: Variable) -> _Likeness:
    return normal_name(variable.name), variable.shape


def _without_nearest(left_over: list[Variable], missing: Sequence[str]) -> list[Variable]:
    """Without the variables nearest to each name or pattern that a rule gave and that fits none: that is one cause, reported there."""
    if not missing or not left_over:
        return left_over
    from migspec.diagnostics.suggest import nearest

    remaining = {name: variable for variable in left_over for name in (variable.name, *variable.aliases)}
    taken: set[str] = set()
    for name in missing[:500]:
        limit = _NEAR if any(character in name for character in "*{") else 1
        near = nearest(name, [known for known, variable in remaining.items() if variable.name not in taken], limit)
        taken.update(remaining[known].name for known in near)
    return [variable for variable in left_over if variable.name not in taken]


def _uncovered(
    code: str,
    left_over: Sequence[Variable],
    variables: VariableMap,
    spec: str,
    side: str,
    what: str,
    withdrawn: Iterable[Instance],
    notes: Sequence[str],
    helps: Sequence[str],
) -> Diagnostic:
    by_name = {variable.name: variable for variable in left_over}
    if len(left_over) == 1:
        message = f"the {side} variable `{left_over[0].name}` is {what}"
    else:
        message = f"{len(left_over)} {side} variables are {what}"
    folded = fold(by_name)
    lines = []
    for one in folded[:_LISTED]:
        shapes = list(dict.fromkeys(described(by_name[name]) for name in one.names))
        lines.append(f"`{one.text}` {shapes[0]}" + (" and other shapes" if len(shapes) > 1 else "") + f" in {variables.label}")
    if len(folded) > _LISTED:
        lines.append(f"and {sum(len(one.names) for one in folded[_LISTED:])} more")
    labels: list[Label] = []
    for instance in withdrawn:
        elements = instance.sources if side == "source" else instance.targets
        element = next((element for element in elements if element.variable.name in by_name), None)
        if instance.beaten is not None and element is not None:
            for label in (
                Label(span_of(element.pattern), "this rule would account for it, and is withdrawn there"),
                Label(instance.beaten.span, f"because this takes `{instance.beaten.variable}`"),
            ):
                if label not in labels:
                    labels.append(label)
    primary, secondary = (labels[0], tuple(labels[1:6])) if labels else (None, ())
    return Diagnostic(code, message, primary, secondary, (*lines, *notes), tuple(helps), file=None if primary else spec)


def _source_helps(unused: Sequence[Variable], unfilled: set[_Likeness]) -> tuple[str, ...]:
    state = [variable for variable in unused if _is_training_state(variable.name)]
    helps = []
    if state and len(state) == len(unused):
        patterns = ", ".join(dict.fromkeys(_state_pattern(variable.name) for variable in state))
        helps.append(f'if the optimizer\'s state may stay behind: `drop {patterns} because "training state"`')
    else:
        it = "it" if len(unused) == 1 else "them"
        if all(_likeness(variable) in unfilled for variable in unused):
            helps.append(f"the target has {it} under the same name, and nothing fills {it} there: `same **`")
        helps.append(f"move {it} with a `rename`, or leave {it} behind on purpose: `drop {_listed(unused)}`")
    return tuple(helps)


def _target_helps(unfilled: Sequence[Variable], unused: set[_Likeness], has_values: bool) -> tuple[str, ...]:
    helps = []
    it, value = ("it", "the value that it has") if len(unfilled) == 1 else ("them", "the values that they have")
    if all(_likeness(variable) in unused for variable in unfilled):
        helps.append(f"the source has {it} under the same name: `same **` moves what is named alike")
    helps.append(f"fill {it} with a `rename`, or make {it} anew: `fill {_listed(unfilled)} with zeros`")
    if has_values:
        helps.append(f"to let {it} keep {value}: `keep {_listed(unfilled)}`")
    return tuple(helps)


def _listed(variables: Sequence[Variable]) -> str:
    """The variables as a list in a spec: the first of them, folded, each name in quotes where it needs them."""
    folded = fold(variable.name for variable in variables)
    more = ", ..." if len(folded) > _PROPOSED else ""
    return ", ".join(one.text for one in folded[:_PROPOSED]) + more


_STATE_ENDINGS = (
    "Adam",
    "Adam_1",
    "Momentum",
    "RMSProp",
    "RMSProp_1",
    "Adagrad",
    "Adadelta",
    "Adadelta_1",
    "Ftrl",
    "Ftrl_1",
    "ExponentialMovingAverage",
)
_STATE_NAMES = ("beta1_power", "beta2_power", "global_step", "save_counter")
# what Keras calls its optimizers, and with them the first segment of their variables (keras/src/optimizers of Keras 3)
_KERAS_OPTIMIZERS = (
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ftrl",
    "lamb",
    "lion",
    "loss_scale_optimizer",
    "muon",
    "nadam",
    "rmsprop",
    "sgd",
)


def _is_training_state(name: str) -> bool:
    segments = normal_name(name).split("/")
    return segments[-1] in _STATE_ENDINGS or segments[-1] in _STATE_NAMES or _is_of_keras_optimizer(segments)


def _is_of_keras_optimizer(segments: Sequence[str]) -> bool:
    return len(segments) > 1 and segments[0] in _KERAS_OPTIMIZERS


def _state_pattern(name: str) -> str:
    segments = normal_name(name).split("/")
    if _is_of_keras_optimizer(segments):
        return f"{segments[0]}/**"
    return f"**/{segments[-1]}" if segments[-1] in _STATE_ENDINGS else name


def _numbering_notes(left_over: Sequence[Variable], program: Program, side: str) -> list[str]:
    """For each rule whose `dense_{i}` misses Keras' first `dense`: say so."""
    notes: dict[str, None] = {}
    for rule in _rules(program):
        listed = rule.sources if side == "source" else rule.targets
        for pattern in listed.patterns if listed is not None else ():
            note = _numbering_note(pattern, left_over)
            if note is not None:
                notes[note] = None
    return list(notes)


def _numbering_note(pattern: Pattern, left_over: Sequence[Variable]) -> str | None:
    bare, numbered = without_number(pattern), numbered_from_nothing(pattern)
    matcher = None if bare is None else Matcher(bare)
    for variable in left_over:
        name = normal_name(variable.name)
        if matcher is not None and numbered is not None and matcher.fits(name):
            return (
                f"`{text_of(pattern)}` misses the first layer, `{variable.name}`, which has no number: "
                f"`{text_of(numbered)}` takes it along"
            )
        if fits_number(pattern, name):
            return f"the range in `{text_of(pattern)}` leaves `{variable.name}` out"
    return None


def _rules(program: Program) -> Iterator[Rule]:
    yield from program.rules
    for mounted in program.mounts:
        yield from _rules(mounted.program)
