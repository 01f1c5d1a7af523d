"""Anything that is called with arrays: a function of the user's own, a `tf.Module`, a PyTorch module."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from migspec.verify.ports import CHANNELS_HELP, Port
from migspec.verify.returned import check_returned
from migspec.verify.side import cannot_run, named_values, no_such_output

if TYPE_CHECKING:
    import numpy

    from migspec.models.base import LiveModel


class CalledSide:
    """A callable whose inputs are its parameters without defaults.

    `given` turns an array into what it takes, `during` is entered for each call; `channels_first` if its framework has the channels of
    images before their places, so that a failure may be due to that.
    """

    def __init__(
        self,
        label: str,
        kind: str,
        function: Callable[..., Any],
        live: LiveModel | None = None,
        *,
        parameters: Callable[..., Any] | None = None,
        given: Callable[[numpy.ndarray], Any] = lambda value: value,
        during: Callable[[], AbstractContextManager[Any]] = nullcontext,
        channels_first: bool = False,
    ) -> None:
        self._label = label
        self._kind = kind
        self._function = function
        self._live = live
        self._given = given
        self._during = during
        self._channels_first = channels_first
        self._names = _parameters(parameters or function)

    @property
    def label(self) -> str:
        return self._label

    @property
    def kind(self) -> str:
        return self._kind

    def live(self) -> LiveModel | None:
        return self._live

    def inputs(self, outputs: Collection[str], named: Collection[str]) -> tuple[Port, ...]:  # noqa: ARG002 - all are wanted
        return tuple(Port(name, optional=optional) for name, optional in self._names.items())

    def outputs(self, fed: Collection[str], wanted: Collection[str]) -> None:  # noqa: ARG002
        return None

    def run(self, feeds: Mapping[str, numpy.ndarray], outputs: Sequence[str]) -> dict[str, numpy.ndarray]:
        try:
            with self._during():
                result = self._function(**{name: self._given(value) for name, value in feeds.items()})
                values = {name: _array(value) for name, value in named_values(result)}
        except Exception as error:
            channelled = self._channels_first and any(value.ndim > 2 for value in feeds.values())
            raise cannot_run(self._label, error, *((CHANNELS_HELP,) if channelled else ())) from error
        check_returned(self._label, self._kind, result, values)
        missing = [name for name in outputs if name not in values]
        if missing:
            raise no_such_output(self._label, missing[0], list(values))
        return {name: values[name] for name in outputs or values}

    def close(self) -> None:
        """Nothing to close."""


def called(function: Callable[..., Any], label: str, live: LiveModel | None = None) -> CalledSide:
    """A function or an object with `__call__`."""
    return CalledSide(label, "function" if live is None else "module", function, live)


def torch_module(module: Any, label: str, live: LiveModel | None) -> CalledSide:
    """A PyTorch module, in evaluation mode from now on, called without gradients."""
    import torch

    module.eval()
    return CalledSide(
        label,
        "PyTorch module",
        module,
        live,
        parameters=module.forward,
        given=torch.from_numpy,
        during=torch.no_grad,
        channels_first=True,
    )


def _parameters(function: Callable[..., Any]) -> dict[str, bool]:
    """The parameters that can be given by name, and whether each has a value of its own."""
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin
        return {}
    return {
        name: parameter.default is not inspect.Parameter.empty
        for name, parameter in found.items()
        if parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    }


def _array(value: Any) -> numpy.ndarray:
    import numpy

    return numpy.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
