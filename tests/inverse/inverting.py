"""A spec and its inverse run one after the other on numbered values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy

from migspec.bind.types import Binding
from migspec.compiler import compile_spec
from migspec.diagnostics import Severity
from migspec.dtypes import numpy_dtype
from migspec.evaluate import evaluate
from migspec.invert import invert
from migspec.text import Text
from migspec.variables import VariableMap

Values = dict[str, numpy.ndarray]


def inverted(spec: str) -> str:
    """The text of the inverse."""
    return invert(Text("spec.mig", spec)).text.content


def bound(spec: str, source: VariableMap, target: VariableMap) -> Binding:
    """A spec that must compile without an error."""
    compilation = compile_spec(Text("spec.mig", spec), source, target)
    errors = [(one.code, one.message, one.notes) for one in compilation.diagnostics if one.severity is Severity.ERROR]
    assert not errors, (spec, errors)
    assert compilation.binding is not None
    return compilation.binding


def filled(binding: Binding, values: Mapping[str, numpy.ndarray]) -> Values:
    """What a binding makes of the values of its source."""
    return {one.target.name: evaluate(one.expression, lambda read: values[read.variable]) for one in binding.bound}


def numbered(variables: VariableMap) -> Values:
    """A value for each variable, every element of all of them another small whole number."""
    values, start = {}, 1
    for variable in variables:
        numbers = numpy.arange(start, start + variable.size) % 2039  # float16 holds each of them
        values[variable.name] = numbers.reshape(variable.shape).astype(numpy_dtype(variable.dtype))
        start += variable.size
    return values


def there_and_back(spec: str, source: VariableMap, target: VariableMap) -> tuple[Values, Values]:
    """The source's values, and what of them comes back through the inverse."""
    forward = bound(spec, source, target)
    values = numbered(source)
    made = filled(forward, values)
    kept = {variable.name: numpy.zeros(variable.shape, numpy_dtype(variable.dtype)) for variable in target}
    backward = bound(inverted(spec), replace(target, label="new"), replace(source, label="old"))
    return values, filled(backward, {**kept, **made})
