"""Damages files at random and opens them: run as a script, in a process of its own, because libhdf5 may take the process with it.

`python mutate_files.py COUNT PATH FILE...`: in each round one of the files is changed, then PATH is opened and everything is read.
Prints what came of it as JSON. Memory is limited, so that a file which claims terabytes cannot have them.
"""

from __future__ import annotations

import json
import random
import resource
import sys
from collections import Counter
from pathlib import Path

from migspec.diagnostics.model import SpecError
from migspec.formats.registry import open_reader

MEMORY = 3 << 30  # bytes of address space: much is reserved by libraries and never used
SECONDS_A_FILE = 20


def damage(content: bytes, seed: int) -> bytes:
    """The content with one to eight places overwritten, flipped, copied, or cut off."""
    choose = random.Random(seed)
    damaged = bytearray(content)
    kind = choose.randrange(5)
    for _ in range(choose.choice([1, 1, 2, 8])):
        place = choose.randrange(len(damaged))
        match kind:
            case 0:
                damaged[place] = choose.randrange(256)
            case 1:
                damaged[place] ^= 1 << choose.randrange(8)
            case 2:
                del damaged[place:]
                break
            case 3:
                extreme = [b"\xff" * 8, b"\0" * 8, (2**63 - 1).to_bytes(8, "little"), choose.randbytes(8)]
                damaged[place : place + 8] = choose.choice(extreme)
            case _:
                other, length = choose.randrange(len(damaged)), choose.randrange(64)
                damaged[place : place + length] = damaged[other : other + length]
        if not damaged:
            break
    return bytes(damaged)


def read_everything(path: str, outcomes: Counter[str]) -> None:
    """Open the path and read all that it offers; a `SpecError` is an outcome like a value."""
    try:
        reader = open_reader(path)
    except SpecError as error:
        outcomes[error.diagnostics[0].code] += 1
        return
    try:
        for variable in reader.variables:
            try:
                reader.extent(variable.name)
                value = reader.read(variable.name)
            except SpecError as error:
                outcomes[error.diagnostics[0].code] += 1
                continue
            assert value.shape == variable.shape, (variable, value.shape)
            outcomes["read"] += 1
    finally:
        reader.close()


def main(count: int, path: str, files: list[Path]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    originals = [file.read_bytes() for file in files]
    outcomes: Counter[str] = Counter()
    for seed in range(count):
        chosen = seed % len(files)
        resource.setrlimit(resource.RLIMIT_CPU, (int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + SECONDS_A_FILE, -1))
        files[chosen].write_bytes(damage(originals[chosen], seed))
        try:
            read_everything(path, outcomes)
        except Exception as error:
            raise AssertionError(f"seed {seed} of {files[chosen].name}: {type(error).__name__}") from error
        files[chosen].write_bytes(originals[chosen])
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], [Path(name) for name in sys.argv[3:]])
