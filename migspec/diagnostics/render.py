"""The renderers by the names that `--output-format` takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from migspec.diagnostics import render_concise, render_full, render_json
from migspec.diagnostics.model import Diagnostic

Renderer: TypeAlias = Callable[[Iterable[Diagnostic], bool], str]
"""Diagnostics, and whether to use colour, to text without a line end after its last line."""

RENDERERS: dict[str, Renderer] = {
    "full": render_full.render,
    "concise": render_concise.render,
    "json": render_json.render,
}


def render(diagnostics: Iterable[Diagnostic], output_format: str = "full", color: bool = False) -> str:
    """The diagnostics in one of the formats of `RENDERERS`; KeyError for another name."""
    return RENDERERS[output_format](diagnostics, color)
