"""The parser that grammar/mig.lark describes, built once and kept in the user's cache folder.

Building the LALR tables takes about 0.2 s, reading them back 10 ms: that is what the cache is for. It is never needed; where it
cannot be read or written the parser is built anew. Its file name depends on the grammar, on lark's and Python's versions and on
this module, so that a stale one is never read.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migspec.resources import grammar_path

if TYPE_CHECKING:
    from lark import Lark
    from lark.lexer import TerminalDef

_REVISION = 1  # count up when `build` changes
_WORD = re.compile(r"\w+")
_WORD_END = r"(?!\w)"
_RIVALS = frozenset(
    {"with", "if", "inverse", "int", "_"}
)  # where they may stand, a name or text that begins with them may as well
_RIVAL_END = r"(?![^\s,\"()\[\]{}])"  # costs more to compile, so only they have it
_ARROW_END = r"(?!\S)"


@cache
def parser() -> Lark:
    """The parser, with the start rules `statement` and `pattern`."""
    import lark

    grammar = grammar_path().read_text(encoding="utf-8")
    key = "\0".join([grammar, lark.__version__, sys.version, str(_REVISION)])
    file = _cache_folder() / f"grammar-{zlib.crc32(key.encode()):08x}.pickle"
    kept = _load(file)
    if kept is None:
        kept = build(grammar)
        _save(kept, file)
    return kept


def build(grammar: str, strict: bool = False) -> Lark:
    """A parser for the text of a grammar.

    `strict` makes lark refuse shift/reduce conflicts and terminals that overlap, for which it needs the package interegular:
    the tests do that, so that nobody else has to.
    """
    from lark import Lark

    return Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        start=["statement", "pattern"],
        strict=strict,
        maybe_placeholders=True,
        propagate_positions=True,
        edit_terminals=_whole_word,
    )


def spelling(terminal: str) -> str:
    """How the terminal of this name is written: `,` for COMMA, `rename` for RENAME; a regular expression if it is no fixed text."""
    value = parser().get_terminal(terminal).pattern.value
    return str(value.removesuffix(_WORD_END).removesuffix(_RIVAL_END).removesuffix(_ARROW_END))


def keyword(terminal: str) -> str | None:
    """The word that the terminal of this name stands for; None if it is no keyword."""
    word = None if terminal == "$END" else spelling(terminal)
    return word if word is not None and _WORD.fullmatch(word) else None


def _whole_word(terminal: TerminalDef) -> None:
    """Make a keyword match as a whole word only, and before a NAME or PATTERN of the same letters; and `->` before white space."""
    from lark.lexer import PatternRE, PatternStr

    if not isinstance(terminal.pattern, PatternStr):
        return
    if _WORD.fullmatch(terminal.pattern.value):
        terminal.pattern = PatternRE(terminal.pattern.value + (_RIVAL_END if terminal.pattern.value in _RIVALS else _WORD_END))
        terminal.priority = 1
    elif terminal.name == "ARROW":
        terminal.pattern = PatternRE(terminal.pattern.value + _ARROW_END)


def _cache_folder() -> Path:
    """Where this user's caches belong on this system: XDG_CACHE_HOME if set, else the system's own place."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    if chosen:
        return Path(chosen) / "migspec"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local") / "migspec" / "Cache"
    return Path("~/Library/Caches/migspec" if sys.platform == "darwin" else "~/.cache/migspec")


def _load(file: Path) -> Lark | None:
    """The parser in this file; None if there is none or it is damaged, whatever the damage is."""
    from lark import Lark

    try:
        with file.expanduser().open("rb") as stream:
            kept: Any = Lark.load(stream)
    except Exception:  # a damaged pickle may raise anything, and the answer is always to build anew
        return None
    return kept if isinstance(kept, Lark) else None


def _save(built: Lark, file: Path) -> None:
    """Keep a parser, all or nothing: a reader at the same time sees the whole file or none. A failure to write is no failure."""
    try:
        import tempfile

        folder = file.parent.expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    except (OSError, RuntimeError):  # RuntimeError: no home folder is known
        return
    try:
        with os.fdopen(handle, "wb") as stream:
            built.save(stream)
        Path(name).replace(folder / file.name)
    except (OSError, pickle.PicklingError):
        Path(name).unlink(missing_ok=True)
