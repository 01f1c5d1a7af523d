"""migspec: a declarative compiler for moving neural-network weights.

    import migspec

    migration = migspec.compile("char_rnn.mig", source="model-85340", target=model)  # raises migspec.SpecError
    print(migration)
    migration.apply()                        # into the live model; or apply(out="model.weights.h5")
    weights = migspec.open("model-85340")    # a lazy Mapping[str, numpy.ndarray]

Importing it imports no framework, nor what only running a plan needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migspec.diagnostics import Diagnostic, SpecError
    from migspec.migration import Migration, compile
    from migspec.plan import Plan
    from migspec.weights import Weights
    from migspec.weights import open_weights as open

__version__ = "0.1.0"
__all__ = ["Diagnostic", "Migration", "Plan", "SpecError", "Weights", "compile", "open"]

_PLACES = {
    "Diagnostic": ("migspec.diagnostics", "Diagnostic"),
    "SpecError": ("migspec.diagnostics", "SpecError"),
    "Migration": ("migspec.migration", "Migration"),
    "Weights": ("migspec.weights", "Weights"),
    "compile": ("migspec.migration", "compile"),
    "open": ("migspec.weights", "open_weights"),
    "Plan": ("migspec.plan", "Plan"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'migspec' has no attribute '{name}'")
    from importlib import import_module

    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)
