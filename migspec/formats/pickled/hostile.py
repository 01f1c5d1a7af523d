"""Names that no file of weights has a reason to hold: functions that run code, files or other programs.

This list protects nobody by itself, as migspec calls nothing that a pickle names. It tells the user what is in the file
before another program loads it.
"""

from __future__ import annotations

from migspec.diagnostics.model import SpecError
from migspec.formats.input import unsupported
from migspec.formats.pickled.stand_ins import Global

_PACKAGES = frozenset({
    "_posixsubprocess", "ctypes", "importlib", "nt", "os", "posix", "pty", "runpy", "shutil", "socket", "subprocess", "sys",
    "webbrowser",
})  # fmt: skip
"""Modules of which everything is refused."""

_FUNCTIONS = frozenset({
    "_io.FileIO", "_io.open", "_pickle.load", "_pickle.loads", "asyncio.subprocess.create_subprocess_shell", "bdb.Bdb",
    "bdb.Bdb.run", "builtins.__import__", "builtins.apply", "builtins.breakpoint", "builtins.compile", "builtins.eval",
    "builtins.exec", "builtins.execfile", "builtins.exit", "builtins.file", "builtins.globals", "builtins.input",
    "builtins.open", "builtins.quit", "cProfile.run", "cProfile.runctx", "cloudpickle.load", "cloudpickle.loads",
    "code.interact", "dill.load", "dill.loads", "imp.load_source", "io.FileIO", "io.open", "joblib.load",
    "marshal.load", "marshal.loads", "numpy.load", "numpy.testing._private.utils.runstring", "operator.methodcaller",
    "pdb.run", "pickle.load", "pickle.loads", "pip.main", "profile.run", "profile.runctx", "timeit.repeat",
    "timeit.timeit", "torch.hub.load", "torch.load", "torch.serialization.load", "trace.Trace", "trace.Trace.run",
    "types.CodeType", "types.FunctionType", "urllib.request.urlopen",
})  # fmt: skip


def refuse_hostile(path: str, named: Global) -> None:
    """MIG505 if what the pickle names runs code when the pickle is loaded."""
    first = named.path.split(".", 1)[0]
    by_way_of = named.name.split(".")[:-1]  # `torch` `os.system`: since protocol 4 a name may go through attributes
    if first in _PACKAGES or named.path in _FUNCTIONS or not _PACKAGES.isdisjoint(by_way_of) or "builtins" in by_way_of:
        raise hostile(path, named)


def hostile(path: str, named: Global) -> SpecError:
    """The refusal (MIG505) of a pickle that names what runs code."""
    return unsupported(
        path,
        f"its pickle names `{shown(named)}`, which would run code when the file is loaded; nothing of it was run",
        "load this file in no other program either, unless you know who made it and why it does that",
    )


def shown(named: Global) -> str:
    """The name as a message shows it: on one line, and not without end."""
    clean = "".join(character if character.isprintable() else "?" for character in named.path)
    return clean if len(clean) <= 200 else f"{clean[:200]}..."
