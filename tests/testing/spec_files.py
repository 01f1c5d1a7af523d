"""Small reusable specs as files, with settings and oracles that need no framework."""

from __future__ import annotations

from pathlib import Path

DENSE = """mig 1
size inputs, units
number more = 1.0
source w or kernel [inputs, units]
source b [units] if present
target kernel [units, inputs]
target bias [units] if present
rename w -> kernel  transpose
rename b -> bias  add more
"""

DENSE_ORACLE = '''
import numpy

def dense(case):
    """The old layer adds `more` when it runs, the new one holds it in its bias."""
    inputs = case.random.normal(size=(3, case.sizes["inputs"]))
    old = inputs @ case.source["w"]
    new = inputs @ case.target["kernel"].T
    if "b" in case.source:
        old = old + case.source["b"] + case.numbers["more"]
        new = new + case.target["bias"]
    return {"output": old, "shape": [numpy.array(old.shape)]}, {"output": new, "shape": [numpy.array(new.shape)]}
'''

DENSE_SETTINGS = 'oracle = "oracles.py:dense"\n[numbers]\nmore = [0.5, 2.0]\n'

GATES = """mig 1
size units
source b [4 * units]
target bias [4 * units]
rename b -> bias  gates icfo -> ifco
"""

GATES_ORACLE = '''
import numpy

def gates(case):
    """Both layers by gate: the old one has them in the order i c f o, the new one i f c o."""
    i, c, f, o = numpy.split(case.source["b"], 4)
    return [i, f, c, o], list(numpy.split(case.target["bias"], 4))
'''


def written(folder: Path, spec: str, settings: str | None = None, oracle: str | None = None, name: str = "layer") -> Path:
    """A spec with its settings and `oracles.py` beside it."""
    path = folder / f"{name}.mig"
    path.write_text(spec)
    if settings is not None:
        (folder / f"{name}.test.toml").write_text(settings)
    if oracle is not None:
        (folder / "oracles.py").write_text(oracle)
    return path
