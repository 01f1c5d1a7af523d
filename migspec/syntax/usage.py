"""How each statement and op is written, in one line: what an error shows where a word is not the one expected."""

from __future__ import annotations

_STATEMENTS = {
    "mig": "mig 1",
    "size": "size NAME, NAME = 12",
    "number": "number NAME = 1.0",
    "source": "source NAME or NAME [SIZES] DTYPE",
    "target": "target NAME or NAME [SIZES] DTYPE",
    "use": "use SPEC SOURCE -> TARGET with NAME = VALUE, ...",
    "rename": "rename SOURCE, ... -> TARGET, ... OPS",
    "copy": "copy SOURCE, ... -> TARGET, ... OPS",
    "same": "same NAME, ... OPS",
    "drop": 'drop NAME, ... because "REASON"',
    "keep": 'keep NAME, ... because "REASON"',
    "fill": "fill NAME, ... with zeros (or `ones`, a number, `normal 0.02 seed 7`, `uniform -0.1 0.1 seed 7`)",
    "slots": "slots {weight}/Adam -> adam/{weight:_}_momentum",
    "cast": "cast",
}

_OPS = {
    "transpose": "transpose (or `transpose 2 3 1 0`)",
    "permute": "permute OIHW -> HWIO",
    "rearrange": 'rearrange "(heads dim) m -> m heads dim"',
    "reshape": "reshape [SIZE, -1, 64] (or `reshape from [SIZE, -1, 64]`)",
    "squeeze": "squeeze AXIS",
    "expand": "expand AXIS",
    "flip": "flip AXIS",
    "gates": "gates icfo -> ifco (then `on AXIS`, unless it is the columns)",
    "rope": "rope interleaved -> half on AXIS heads 32",
    "split": "split AXIS (or `split AXIS [SIZES]`, `split AXIS in 4`, `split gates ifco`)",
    "concat": "concat AXIS (or `concat AXIS [SIZES]`, `concat AXIS in 4`, `concat gates ifco`)",
    "stack": "stack AXIS (or `stack {e} AXIS`)",
    "unstack": "unstack AXIS (or `unstack {e} AXIS`)",
    "slice": "slice AXIS [a:b]",
    "crop": "crop (or `crop to [SIZES]`)",
    "pad": "pad zeros (or `ones`, a number, `normal 0.02 seed 7`; then `to [SIZES]`)",
    "repeat": "repeat AXIS TIMES",
    "remap": 'remap AXIS from "old.txt" to "new.txt" else zeros (with `oov 2` behind a file whose axis has places for tokens out of it)',
    "add": "add 1.0 (or `add 1.0 to f`)",
    "scale": "scale 0.5",
    "as": "as is",
}


def usage(word: str, *, is_op: bool) -> str | None:
    """How the statement or op with this word is written, as a help; None for a word that needs nothing behind it."""
    written = (_OPS if is_op else _STATEMENTS).get(word)
    if written is None:
        return None
    first, bracket, rest = written.partition(" (")
    return f"it is written `{first}`{bracket}{rest}"
