"""The renderings for editors and programs."""

from __future__ import annotations

import json

import jsonschema
import pytest

from migspec.diagnostics import Applicability, Diagnostic, Edit, Fix, Label, Severity, SpecError
from migspec.diagnostics.render import RENDERERS, render
from migspec.resources import schema_path
from migspec.text import Span, Text

SPEC = Text("head.mig", "mig 1\nrename 層 -> head\n    transpose\n")
USER = Text("main.mig", "use head a -> b\n")
FULL = Diagnostic(
    "MIG301",
    "shapes differ after `transpose`",
    Label(Span(SPEC, 18, 36), "float32 [2]"),
    (Label(Span(SPEC, 13, 14), "層"),),
    ("a fact",),
    ("a proposal",),
    (Fix("crop it", (Edit(Span(SPEC, 36, 36), "  crop"),), Applicability.SAFE),),
    Severity.WARNING,
    None,
    (Span(USER, 4, 8),),
)
FILE = Diagnostic("MIG501", "`a.index` cannot be read", file="a.index")
BARE = Diagnostic("MIG513", "the package `keras` is missing", severity=Severity.NOTE)


def test_concise_is_one_line_each() -> None:
    assert render([FULL, FILE, BARE], "concise").split("\n") == [
        "head.mig:2:13: warning[MIG301]: shapes differ after `transpose`",
        "a.index: error[MIG501]: `a.index` cannot be read",
        "migspec: note[MIG513]: the package `keras` is missing",
    ]


def test_concise_is_what_the_exception_says() -> None:
    assert str(SpecError([FULL, FILE])) == render([FULL, FILE], "concise")


def test_concise_keeps_a_message_on_its_line() -> None:
    assert render([Diagnostic("MIG501", "a\nb\x1b", file="c\nd")], "concise") == "c d: error[MIG501]: a b\u241b"


def test_concise_in_colour() -> None:
    assert (
        render([FILE], "concise", color=True)
        == "\x1b[1ma.index\x1b[0m: \x1b[1;31merror[MIG501]\x1b[0m: `a.index` cannot be read"
    )


def test_json_follows_its_schema() -> None:
    schema = json.loads(schema_path("diagnostics").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(json.loads(render([FULL, FILE, BARE], "json")))
    validator.validate(json.loads(render([], "json")))
    for broken in ([{}], {}, [json.loads(render([FULL], "json"))[0] | {"severity": "fatal"}]):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(broken)


def test_json_has_all_that_a_diagnostic_holds() -> None:
    target = {"start": {"line": 2, "column": 13}, "end": {"line": 3, "column": 14}}
    end = {"line": 3, "column": 14}
    assert json.loads(render([FULL], "json")) == [
        {
            "code": "MIG301",
            "severity": "warning",
            "message": "shapes differ after `transpose`",
            "file": "head.mig",
            "range": target,
            "labels": [
                {"file": "head.mig", "range": target, "text": "float32 [2]", "primary": True},
                {
                    "file": "head.mig",
                    "range": {"start": {"line": 2, "column": 8}, "end": {"line": 2, "column": 9}},
                    "text": "層",
                    "primary": False,
                },
            ],
            "notes": ["a fact"],
            "helps": ["a proposal"],
            "fixes": [
                {
                    "message": "crop it",
                    "applicability": "safe",
                    "edits": [{"file": "head.mig", "range": {"start": end, "end": end}, "replacement": "  crop"}],
                }
            ],
            "uses": [{"file": "main.mig", "range": {"start": {"line": 1, "column": 5}, "end": {"line": 1, "column": 9}}}],
        }
    ]


def test_json_of_a_file_has_no_range() -> None:
    (finding,) = json.loads(render([FILE], "json"))
    assert (finding["file"], finding["range"], finding["labels"]) == ("a.index", None, [])


def test_every_format_is_found_by_its_name() -> None:
    assert {"full", "concise", "json"} <= set(RENDERERS)
    assert render([FILE]) == render([FILE], "full")
    with pytest.raises(KeyError):
        render([FILE], "yaml")
