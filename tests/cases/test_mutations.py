"""Whatever is done to a spec or to its maps, only diagnostics come of it: the cases in Markdown, with random tokens out of place."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notation import variables_of
from test_cases import CASES, SOURCE, SPEC, TARGET, Case

from migspec.compiler import Compilation, compile_spec
from migspec.diagnostics.render import render
from migspec.plan_text import plan_text
from migspec.text import Text
from migspec.variables import Variable, VariableMap

MUTATIONS = 500
_TOKEN = re.compile(r"[A-Za-z0-9_]+|\s+|->|\*\*|.")


@dataclass(frozen=True, slots=True)
class Given:
    """A spec as tokens, with its maps."""

    case: Case
    tokens: tuple[str, ...]
    source: VariableMap
    target: VariableMap


def given_by(case: Case) -> Given:
    source = variables_of(SOURCE, case.blocks["source"])
    target = variables_of(TARGET, next(content for info, content in case.blocks.items() if info.split()[0] == "target"))
    return Given(case, tuple(_TOKEN.findall(case.specs[SPEC])), source, target)


GIVEN = [given_by(case) for case in CASES if "source" in case.blocks]
TOKENS = sorted(
    {token for one in GIVEN for token in one.tokens} | {"", "\x00", "0", "-", "(", "]", "@", "é", "{i:**}", "9" * 400}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the specs that the cases use lie, in a folder for each case."""
    root = tmp_path_factory.mktemp("specs")
    for number, one in enumerate(GIVEN):
        (root / str(number)).mkdir()
        for name, content in one.case.specs.items():
            (root / str(number) / name).write_text(content, encoding="utf-8")
    return root


@st.composite
def mutated_tokens(draw: st.DrawFn, tokens: tuple[str, ...]) -> str:
    """The tokens with one to three of them left out, written twice, replaced or exchanged."""
    found = list(tokens)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(found) - 1))
        match draw(st.sampled_from(("delete", "duplicate", "replace", "insert", "exchange"))):
            case "delete" if len(found) > 1:
                del found[place]
            case "duplicate":
                found.insert(place, found[place])
            case "replace":
                found[place] = draw(st.sampled_from(TOKENS))
            case "insert":
                found.insert(place, draw(st.sampled_from(TOKENS)))
            case _:
                other = draw(st.integers(0, len(found) - 1))
                found[place], found[other] = found[other], found[place]
    return "".join(found)


@st.composite
def mutated_map(draw: st.DrawFn, variables: VariableMap) -> VariableMap:
    """The map as it is, or with one variable of another name, shape or dtype, or gone."""
    if not len(variables):
        return variables
    place = draw(st.integers(0, len(variables) - 1))
    one = variables.variables[place]
    changed: tuple[Variable, ...] = draw(
        st.sampled_from(
            (
                (one,),
                (one,),
                (),
                (replace(one, shape=()),),
                (replace(one, shape=(*one.shape, 0)),),
                (replace(one, shape=tuple(length + 1 for length in one.shape)),),
                (replace(one, dtype="string"),),
                (replace(one, dtype="int8"),),
                (replace(one, name=one.name + "_1"),),
                (one, replace(one, name=one.name.replace("/", "."))) if "/" in one.name else (one,),
            )
        )
    )
    return VariableMap.of(variables.label, (*variables.variables[:place], *changed, *variables.variables[place + 1 :]))


@given(st.data())
@settings(max_examples=MUTATIONS, deadline=None, suppress_health_check=list(HealthCheck))
def test_only_diagnostics_come_of_it(folder: Path, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(GIVEN) - 1))
    one = GIVEN[number]
    content = data.draw(mutated_tokens(one.tokens))
    source, target = data.draw(mutated_map(one.source)), data.draw(mutated_map(one.target))
    compilation = compile_spec(Text(str(folder / str(number) / SPEC), content), source, target)
    assert isinstance(compilation, Compilation)
    assert (compilation.plan is None) == compilation.has_errors
    for style in ("full", "concise", "json"):
        assert render(compilation.diagnostics, style, color=False) or not compilation.diagnostics
    if compilation.plan is not None:
        assert plan_text(compilation.plan)
