"""Every single fault of every spec of the library that has an oracle: is it caught?

    python tests/benchmarks/mutate_specs.py [--cases 12] [SPEC ...]

A fault is caught by the compiler (an error at one of the sizes that are tried) or by the outputs (the oracle's real layers differ). One
that moves the same values in every case is no fault, and counted apart. What is left is printed: it survived.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent / "specs"))

from spec_faults import faults

from migspec.diagnostics import SpecError
from migspec.interface.example import Choice, Impossible, counts, example, free_sizes, generations, optional_groups
from migspec.interface.held import held
from migspec.library import library_specs
from migspec.testing.oracle import OracleFailure, largest_difference, load_oracle, missing
from migspec.testing.settings import LARGEST, SMALLEST
from migspec.testing.subject import Subject, open_subject
from migspec.testing.trial import Trial

_MEMBERS = 4
_ORACLES = 6  # cases in which the layers are run before a fault has survived


def choices(subject: Subject, count: int, seed: int = 0) -> list[Choice]:
    """So many cases of a spec, of which the first has everything that is optional."""
    generator = random.Random(seed)
    program, settings = subject.program, subject.settings
    sizes = [name for name in program.sizes if name in settings.sizes or name in free_sizes(program)]
    found: list[Choice] = []
    for _ in range(1000 * count):
        if len(found) == count:
            break
        largest = {name: _MEMBERS if name in counts(program) else LARGEST for name in sizes}
        chosen = {name: generator.randint(*settings.sizes.get(name, (SMALLEST, largest[name]))) for name in sizes}
        groups = [group for group in optional_groups(program) if not found or generator.random() < 0.6]
        numbers = {name: generator.choice(values) for name, values in settings.numbers.items()}
        choice = Choice(chosen, generator.randrange(generations(program)), frozenset[int]().union(*groups), numbers)
        try:
            example(program, choice)
        except Impossible:
            continue
        found.append(choice)
    return found


def verdict(original: Subject, text: object, cases: list[Choice]) -> str:
    """`compiler`, `outputs`, `same values` or `survived`."""
    try:
        subject = open_subject(text)  # type: ignore[arg-type]
    except SpecError:
        return "compiler"
    oracle, settings = load_oracle(original.settings), original.settings
    differing: list[Trial] = []
    for seed, choice in enumerate(cases):
        try:
            trial = Trial(subject, held(subject.program, example(subject.program, choice)), seed)
        except Impossible:
            continue
        if trial.held.errors:
            return "compiler"
        right = Trial(original, held(original.program, example(original.program, choice)), seed)
        values = trial.target
        if any(value.tobytes() != values[name].tobytes() for name, value in right.target.items()):
            differing.append(trial)
    for trial in differing[:_ORACLES]:
        try:
            if largest_difference(settings, oracle, trial.case)[0] > settings.tolerance:
                return "outputs"
        except OracleFailure:
            return "outputs"
    return "survived" if differing else "same values"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("specs", nargs="*")
    parser.add_argument("--cases", type=int, default=12)
    arguments = parser.parse_args()
    total: Counter[str] = Counter()
    for name in arguments.specs or library_specs():
        try:
            subject = open_subject(str(library_specs()[name]))
        except SpecError as error:
            print(f"{name}: {error}")
            continue
        if subject.settings.oracle is None or missing(subject.settings):
            continue
        start = time.perf_counter()
        cases = choices(subject, arguments.cases)
        counts: Counter[str] = Counter()
        for words, text in faults(subject.text):
            outcome = verdict(subject, text, cases)
            counts[outcome] += 1
            if outcome == "survived":
                print(f"  {name}: {words}")
        total += counts
        print(f"{name}: {dict(counts)} in {time.perf_counter() - start:.0f} s", flush=True)
    caught = total["compiler"] + total["outputs"]
    print(f"caught {caught} of {caught + total['survived']}; {total['same values']} move the same values")


if __name__ == "__main__":
    main()
