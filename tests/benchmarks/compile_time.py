"""How long a compile takes, and how it grows: 200 pattern rules over 2,000 and 20,000 variables.

    python tests/benchmarks/compile_time.py

Prints the best of five compiles for each size (parse, bind, all checks and the plan), and their ratio: 10 is linear.
"""

from __future__ import annotations

import gc
import time

from migspec.compiler import compile_spec
from migspec.text import Text
from migspec.variables import Variable, VariableMap

RULES = 200


def sides(variables: int) -> tuple[VariableMap, VariableMap]:
    """Two maps of about `variables` variables: blocks of 200 weights, every fourth of them to be transposed."""
    layers = variables // RULES
    shapes = [(64, 32 + weight) for weight in range(RULES)]
    old = [Variable(f"model/block_{i}/part_{w % 10}/w{w}", shapes[w], "float32") for i in range(layers) for w in range(RULES)]
    new = [
        Variable(
            f"net/layers/{i}/part_{w % 10}/weight_{w}", shapes[w][:: -1 if w % 4 == 0 else 1], "float32", (f"net.{i}.{w}",)
        )
        for i in range(layers)
        for w in range(RULES)
    ]
    return VariableMap.of("old", old), VariableMap.of("new", new)


def spec() -> Text:
    """A rule for each weight of a block, with a capture for the block."""
    lines = [
        f"rename model/block_{{i}}/part_{w % 10}/w{w} -> net/layers/{{i}}/part_{w % 10}/weight_{w}{' transpose' if w % 4 == 0 else ''}"
        for w in range(RULES)
    ]
    return Text("bench.mig", "\n".join(lines) + "\n")


def seconds(variables: int) -> float:
    """The best of five compiles."""
    source, target = sides(variables)
    text = spec()
    best = float("inf")
    for _ in range(5):
        gc.collect()
        start = time.perf_counter()
        compilation = compile_spec(text, source, target)
        best = min(best, time.perf_counter() - start)
        assert compilation.plan is not None
        assert len(compilation.plan.moves) == variables
    return best


if __name__ == "__main__":
    small, large = seconds(2_000), seconds(20_000)
    print(f"{RULES} rules: 2,000 variables {small:.3f} s, 20,000 variables {large:.3f} s, ratio {large / small:.1f}")
