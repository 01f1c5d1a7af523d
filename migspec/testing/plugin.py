"""The pytest plugin: `.mig` files as tests, each property of a reusable spec a test of its own.

A spec is collected if it is named on the command line (`pytest specs/dense.mig`). With `--migspec`, or with `migspec_specs = true` in
pytest's configuration, every spec with an interface is that lies where pytest looks for tests. Without these the plugin does
nothing and imports nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from migspec.testing.properties import Property
    from migspec.testing.subject import Subject

_EXAMPLES = 25


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, all of which begin with `--migspec`, and the settings."""
    group = parser.getgroup("migspec", "reusable specs of migspec")
    group.addoption("--migspec", action="store_true", default=False, help="collect .mig files with an interface")
    group.addoption(
        "--migspec-examples", type=int, default=None, metavar="N", help="in how many cases a property is tried (25)"
    )
    group.addoption("--migspec-seed", type=int, default=0, metavar="N", help="what the cases follow from (0)")
    parser.addini("migspec_specs", "collect .mig files with an interface, as --migspec does", type="bool", default=False)
    parser.addini("migspec_examples", "in how many cases a property is tried", default=str(_EXAMPLES))


def pytest_configure(config: pytest.Config) -> None:
    """Numbers that are none are refused before any test runs."""
    if _examples(config) < 1:
        raise pytest.UsageError("migspec_examples and --migspec-examples are whole numbers, 1 or more")


def _examples(config: pytest.Config) -> int:
    """In how many cases a property is tried; 0 for what is no number."""
    given = config.getoption("migspec_examples")
    if given is not None:
        return int(given)
    written = str(config.getini("migspec_examples"))
    return int(written) if written.isdigit() else 0


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A spec, if it was asked for."""
    if file_path.suffix != ".mig":
        return None
    config = parent.config
    named = parent.session.isinitpath(file_path)
    if not (named or config.getoption("migspec") or config.getini("migspec_specs")):
        return None
    return SpecFile.from_parent(parent, path=file_path, named=named)


class SpecFile(pytest.File):
    """One spec. If it was not named itself and has no interface, it has no tests; if it cannot be read, that is an error.

    `unsound` is set once its interface was found not to hold: then the other properties are skipped, as they could only say the same.
    """

    def __init__(self, *, named: bool, **options: Any) -> None:
        super().__init__(**options)
        self._named = named
        self.unsound = False

    def collect(self) -> Iterator[SpecItem]:
        """A test for each property."""
        from migspec.diagnostics import SpecError
        from migspec.testing.properties import PROPERTIES
        from migspec.testing.subject import open_subject

        try:
            subject = open_subject(self.path)
        except SpecError as error:
            if not self._named and all(one.code == "MIG712" for one in error.diagnostics):
                return
            raise self.CollectError(_text(error.diagnostics)) from None
        for one in PROPERTIES:
            yield SpecItem.from_parent(self, name=one.name, subject=subject, tested=one)


class SpecItem(pytest.Item):
    """One property of a spec."""

    def __init__(self, *, subject: Subject, tested: Property, **options: Any) -> None:
        super().__init__(**options)
        self._subject, self._tested = subject, tested

    def runtest(self) -> None:
        """Skipped where the spec cannot have the property, with the reason."""
        from migspec.testing.failure import PropertyFailure
        from migspec.testing.properties import INTERFACE
        from migspec.testing.run import UNSOUND, run_property

        spec = self.getparent(SpecFile)
        assert spec is not None
        if spec.unsound:
            pytest.skip(UNSOUND)
        outcome = run_property(
            self._subject, self._tested, examples=_examples(self.config), seed=self.config.getoption("migspec_seed")
        )
        if outcome.status == "skipped":
            pytest.skip(outcome.reason or "")
        if outcome.diagnostics:
            spec.unsound = self._tested is INTERFACE
            raise PropertyFailure(outcome.diagnostics)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What `migspec test` prints, without a traceback; of anything else, the traceback."""
        from migspec.diagnostics import SpecError
        from migspec.testing.failure import PropertyFailure

        if isinstance(excinfo.value, PropertyFailure | SpecError):
            return _text(excinfo.value.diagnostics)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the test is from, and what it is called."""
        return self.path, None, f"{self.path.name}: {self._tested.title}"


def _text(diagnostics: Any) -> str:
    from migspec.diagnostics.render import render

    return render(diagnostics, "full", color=False)
