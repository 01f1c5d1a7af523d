"""`package.module:function`: what is one, and what is said about one that does not work. No framework is needed."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from migspec.diagnostics import Diagnostic, SpecError
from migspec.models.load import is_live_reference, load_live
from migspec.models.recognition import open_model

fresh = (f"users_module_{i}" for i in itertools.count())  # a module is imported once a process


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """The name of a module, and the file in the current directory to write it to."""
    monkeypatch.chdir(tmp_path)
    name = next(fresh)
    path = list(sys.path)
    yield name, tmp_path / f"{name}.py"
    assert sys.path == path
    sys.modules.pop(name, None)


def refusal(reference: str) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        load_live(reference)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "MIG511"
    assert diagnostic.file == reference
    return diagnostic


@pytest.mark.parametrize("text", ["model:build", "my.package.models:build", "models:Factory.make", "modèle:créer"])
def test_live_references(text: str) -> None:
    assert is_live_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "model.keras",
        "weights/model-85340",
        "lstm/kernel:0",
        "C:/models/a",
        "C:\\models\\a",
        "my-package:build",
        ":build",
        "model:",
        "a:b:c",
        "",
    ],
)
def test_paths_are_no_live_references(text: str) -> None:
    assert not is_live_reference(text)


def test_a_file_that_exists_is_no_live_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model:build").touch()
    assert not is_live_reference("model:build")


def test_what_the_function_returns(module: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    name, file = module
    file.write_text(
        "print('importing')\nclass Factory:\n    @staticmethod\n    def make():\n        print('building')\n        return 42\n"
    )
    assert load_live(f"{name}:Factory.make") == 42
    printed = capsys.readouterr()
    assert printed.out == ""  # standard output is for results
    assert printed.err == "importing\nbuilding\n"


def test_no_such_module(module: tuple[str, Path]) -> None:
    found = refusal("no_such_package.models:build")
    assert found.message == "there is no module `no_such_package`"
    assert str(Path.cwd()) in found.notes[0]


def test_no_such_submodule(module: tuple[str, Path]) -> None:
    assert refusal("json.no_such_part:build").message == "there is no module `json.no_such_part`"


def test_a_module_that_is_no_package(module: tuple[str, Path]) -> None:
    name, file = module
    file.write_text("")
    assert refusal(f"{name}.models:build").message == f"there is no module `{name}.models`"


def test_a_module_that_the_users_module_needs(module: tuple[str, Path]) -> None:
    name, file = module
    file.write_text("import os\nimport no_such_dependency\n")
    found = refusal(f"{name}:build")
    assert found.message == f"`{name}` cannot be imported: it needs the module `no_such_dependency`"
    assert found.notes[1] == f"raised at {file}:2"
    assert found.helps == ("install `no_such_dependency`",)


def test_a_syntax_error(module: tuple[str, Path]) -> None:
    name, file = module
    file.write_text("x = 1\ndef build(:\n")
    assert refusal(f"{name}:build").notes[1] == f"raised at {file}:2"


def test_a_module_that_ends_the_program(module: tuple[str, Path]) -> None:
    name, file = module
    file.write_text("import argparse\nargparse.ArgumentParser().parse_args(['--no-such-option'])\n")
    found = refusal(f"{name}:build")
    assert found.notes == ("SystemExit: 2", f"raised at {file}:2")


def test_no_such_function(module: tuple[str, Path]) -> None:
    name, file = module
    file.write_text("from json import loads\ndef build(): ...\ndef other(): ...\n")
    found = refusal(f"{name}:biuld")
    assert found.message == f"`{name}` ({file}) has no `biuld`"
    assert found.notes == ("it defines `build`, `other`",)


def test_what_is_no_function(module: tuple[str, Path]) -> None:
    name, file = module
    file.write_text("model = 3\n")
    found = refusal(f"{name}:model")
    assert found.message == "`model` is no function"
    assert found.notes == ("it is an `int`",)


def test_a_function_that_needs_arguments(module: tuple[str, Path]) -> None:
    name, file = module
    file.write_text("def build(units): ...\n")
    found = refusal(f"{name}:build")
    assert found.notes == ("TypeError: build() missing 1 required positional argument: 'units'",)
    assert found.helps == ("migspec calls it without arguments: write a function that needs none",)


def test_a_function_that_raises_is_shown_where_it_does(module: tuple[str, Path]) -> None:
    name, file = module
    source = """
    import json

    def helper():
        return json.loads("{")  # raises deep in the standard library

    def build():
        return helper()
    """
    file.write_text(dedent(source).lstrip())
    found = refusal(f"{name}:build")
    assert found.message == "`build` raises JSONDecodeError"
    assert found.notes[1] == f"raised at {file}:4"
    assert "Traceback" not in "".join(found.notes)


def test_a_long_message_becomes_one_line(module: tuple[str, Path]) -> None:
    name, file = module
    file.write_text("def build():\n    raise ValueError('a\\n' * 1000)\n")
    note = refusal(f"{name}:build").notes[0]
    assert note.startswith("ValueError: a a a")
    assert len(note) == 500 and "\n" not in note


def test_ctrl_c_passes(module: tuple[str, Path]) -> None:
    name, file = module
    file.write_text("def build():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_live(f"{name}:build")


@pytest.mark.parametrize(
    ("model", "message", "help"),
    [
        (None, "there is no model: the function returned None", "end it with `return model`"),
        ((1, 2), "a `builtins.tuple` is no model that migspec can fill", "return the model alone"),
        (object(), "a `builtins.object` is no model that migspec can fill", "save it to a checkpoint, and name that instead"),
    ],
)
def test_what_is_no_model(model: object, message: str, help: str) -> None:
    with pytest.raises(SpecError) as caught:
        open_model(model, "models:build")
    (found,) = caught.value.diagnostics
    assert (found.code, found.message, found.helps) == ("MIG511", message, (help,))
