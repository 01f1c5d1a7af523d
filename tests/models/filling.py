"""What the tests of all live models do with them: fill, look, and fail on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy
import pytest

from migspec.diagnostics import Diagnostic, SpecError
from migspec.models.base import LiveModel
from migspec.variables import VariableMap


def fill(live: LiveModel, values: Mapping[str, numpy.ndarray]) -> None:
    """Give these variables these values, and leave the others alone."""
    writer = live.writer(VariableMap.of("new", (live.variables[name] for name in values)))
    for name, value in values.items():
        if value.size:
            writer.write(name, 0, memoryview(numpy.ascontiguousarray(value).tobytes()))
    writer.commit()


def values_of(live: LiveModel) -> dict[str, Any]:
    return {variable.name: live.read(variable.name).tolist() for variable in live.variables}


def refusal(action: Callable[[], Any]) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        action()
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def restores_after_each_failure(
    live: LiveModel, monkeypatch: pytest.MonkeyPatch, owner: Any, method: str, error: BaseException
) -> None:
    """Fill every variable, with `owner.method`, by which the framework assigns one, failing at its first, second, ... call."""
    before = values_of(live)
    new = {name: 1 - numpy.asarray(live.read(name)) for name in before}
    real = getattr(owner, method)
    calls = 0

    def fails_at(place: int) -> Callable[..., Any]:
        def assign(self: Any, *arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == place + 1:
                raise error
            return real(self, *arguments, **options)

        return assign

    for place in range(len(new)):
        calls = 0
        with monkeypatch.context() as patched:
            patched.setattr(owner, method, fails_at(place))
            if isinstance(error, Exception):
                found = refusal(lambda: fill(live, new))
                assert found.code == "MIG516" and found.notes[1] == "every variable of the model has its old value"
            else:
                with pytest.raises(type(error)):
                    fill(live, new)
        assert calls > place, "the failure was never reached"
        assert values_of(live) == before
    fill(live, new)
    assert values_of(live) == {name: value.tolist() for name, value in new.items()}
