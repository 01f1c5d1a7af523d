"""The cases in Markdown beside this file: what a user wrote, held against two variable maps, and what migspec says to it.

A case is a `##` section: a title, a sentence or two, and fenced blocks.

    ```mig               the spec, as `spec.mig`; a block ```mig NAME.mig is another spec that lies beside it
    ```tokens NAME       a vocabulary that lies beside the spec
    ```source            the variables of `model.ckpt`, one a line: `name [shape] dtype also alias, alias`
    ```target            those of `model.keras`; ```target without values for a bare variable map
    ```options           what would stand on the command line: `--set NAME=VALUE`, `--allow CODE`
    ```text              everything that is found, rendered in full, to the letter; ```text 2 if that is two findings
    ```plan              the plan, as `migspec plan` prints it

Without `source` and `target` the spec is checked on its own. One cause gives one finding, so a plain ```text holds exactly one. A
case has a plan exactly if nothing that is found is an error.

`MIGSPEC_UPDATE=1 pytest tests/cases` writes the `text` and `plan` blocks anew. Read them as the user would.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from notation import BLOCK, TOKENS, variables_of

from migspec.compiler import check_spec, compile_spec
from migspec.diagnostics import Diagnostic, Severity, SpecError
from migspec.diagnostics.registry import codes
from migspec.diagnostics.render_full import render
from migspec.plan_text import plan_text
from migspec.resources import library_path
from migspec.text import Text

FOLDER = Path(__file__).parent
UPDATE = bool(os.environ.get("MIGSPEC_UPDATE"))
SPEC, SOURCE, TARGET = "spec.mig", "model.ckpt", "model.keras"

_SECTION = re.compile(r"^## .*\n(?:(?!## ).*\n?)*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Case:
    """One section of a file: its title and its blocks by what stands behind the fence."""

    file: str
    title: str
    prose: str
    blocks: dict[str, str]

    @property
    def expected_findings(self) -> int:
        """How many findings the case says that there are."""
        return next((int(info.partition(" ")[2] or 1) for info in self.blocks if info.split()[0] == "text"), 0)

    @property
    def text(self) -> str | None:
        return next((content for info, content in self.blocks.items() if info.split()[0] == "text"), None)

    @property
    def plan(self) -> str | None:
        return self.blocks.get("plan")

    @property
    def specs(self) -> dict[str, str]:
        """Every spec of the case by its file name."""
        found = {info: content for info, content in self.blocks.items() if info.split()[0] == "mig"}
        return {info.partition(" ")[2] or SPEC: content for info, content in found.items()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What migspec made of a case."""

    diagnostics: tuple[Diagnostic, ...]
    plan: str | None

    @property
    def text(self) -> str | None:
        """The findings in full; the library's folder, which is another one on each machine, is called `specs`."""
        return render(self.diagnostics).replace(str(library_path()), "specs") + "\n" if self.diagnostics else None


def cases_in(file: Path) -> Iterator[Case]:
    for section in _SECTION.findall(file.read_text(encoding="utf-8")):
        title = section.partition("\n")[0].removeprefix("## ")
        found = BLOCK.findall(section)
        assert len({info for info, _ in found}) == len(found), f"{file.name}, {title}: two blocks of one kind"
        prose = BLOCK.sub("", section).partition("\n")[2].strip()
        yield Case(file.name, title, prose, dict(found))


FILES = sorted(FOLDER.glob("*.md"))
CASES = [case for file in FILES for case in cases_in(file)]


def outcome(case: Case) -> Outcome:
    """Compile a case in the working directory, where its other specs are written."""
    for name, content in case.specs.items():
        if name != SPEC:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(content, encoding="utf-8")
    for info, content in case.blocks.items():
        if info.startswith(TOKENS):
            Path(info.removeprefix(TOKENS)).write_text(content, encoding="utf-8")
    text = Text(SPEC, case.specs[SPEC])
    if "source" not in case.blocks:
        return Outcome(check_spec(text).diagnostics, None)
    given, allow = options(case.blocks.get("options", ""))
    source = variables_of(SOURCE, case.blocks["source"])
    bare = "target without values"
    target = variables_of(TARGET, case.blocks.get("target", case.blocks.get(bare, "")), has_values=bare not in case.blocks)
    try:
        compilation = compile_spec(text, source, target, given=given, allow=allow)
    except SpecError as error:
        return Outcome(error.diagnostics, None)
    return Outcome(
        compilation.diagnostics,
        None if compilation.plan is None else plan_text(compilation.plan).replace(str(library_path()), "specs") + "\n",
    )


def options(content: str) -> tuple[dict[str, int | float], list[str]]:
    """The values that `--set` gives, and the codes that `--allow` names."""
    given: dict[str, int | float] = {}
    allow: list[str] = []
    for line in content.splitlines():
        option, _, argument = line.partition(" ")
        assert option in ("--set", "--allow"), line
        if option == "--allow":
            allow.append(argument)
        else:
            name, _, value = argument.partition("=")
            given[name] = float(value) if "." in value else int(value)
    return given, allow


def rewritten(section: str, result: Outcome) -> str:
    """The section with its expected blocks as `result` has them."""
    kept = BLOCK.sub(lambda match: "" if match[1].split()[0] in ("text", "plan") else match[0], section).rstrip("\n") + "\n"
    kept = re.sub(r"\n{3,}", "\n\n", kept)
    count = len(result.diagnostics)
    if result.text is not None:
        kept += f"\n```text{f' {count}' if count > 1 else ''}\n{result.text}```\n"
    if result.plan is not None:
        kept += f"\n```plan\n{result.plan}```\n"
    return kept


@pytest.mark.skipif(not UPDATE, reason="MIGSPEC_UPDATE is not set: the snapshots are compared, not written")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_write_snapshots(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sections = iter(list(cases_in(file)))

    def updated(match: re.Match[str]) -> str:
        case = next(sections)
        folder = tmp_path / re.sub(r"\W+", "_", case.title)
        folder.mkdir()
        monkeypatch.chdir(folder)
        return rewritten(match[0], outcome(case)) + "\n"

    new = _SECTION.sub(updated, file.read_text(encoding="utf-8")).rstrip("\n") + "\n"
    file.write_text(new, encoding="utf-8")


@pytest.mark.skipif(UPDATE, reason="the snapshots were just written")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file.removesuffix('.md')}: {case.title}")
def test_case(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = outcome(case)
    assert result.text == case.text
    assert result.plan == case.plan
    assert len(result.diagnostics) == case.expected_findings, "one cause gives one finding"


@pytest.mark.skipif(UPDATE, reason="the snapshots were just written")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file.removesuffix('.md')}: {case.title}")
def test_what_is_found_is_told_well(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The promises of every diagnostic: a headline that can be read alone, a place, and a proposal with each error."""
    monkeypatch.chdir(tmp_path)
    for one in outcome(case).diagnostics:
        assert "\n" not in one.message and not one.message.endswith(".")
        assert one.message[0] == one.message[0].lower()
        assert one.primary is not None or one.file is not None
        assert len(one.helps) + len(one.fixes) <= 3
        if one.severity is Severity.ERROR:
            assert one.helps or one.fixes


def test_the_cases_are_told_apart_and_introduced() -> None:
    assert len({(case.file, case.title) for case in CASES}) == len(CASES)
    assert all(case.prose for case in CASES)


def test_every_code_of_a_spec_has_a_case() -> None:
    shown = {code for case in CASES for code in re.findall(r"\[(MIG\d\d\d)\]", case.text or "")}
    elsewhere = {"MIG116", "MIG218"}  # the one is told by the commands alone, the other shows when a plan runs
    assert {code for code in codes() if code < "MIG500"} - elsewhere <= shown


def test_there_are_cases_enough() -> None:
    assert sum("error[" in (case.text or "") for case in CASES) >= 45
    assert sum(case.plan is not None for case in CASES) >= 12
