"""A process in which everything is imported, and which forks a child for each trial: what dies is a real process, and costs a few
milliseconds instead of the start of an interpreter.

    with ForkServer() as server:
        ended = server.run("apply", [["apply", "move.mig", ...]], signal=9, after=0.01)

The children run functions of `trials.py`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).resolve().parent

NOT_BEGUN = 121
"""The exit code of a trial that Ctrl-C stopped before the command began."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a trial ended: the exit code (negative: the number of the signal that killed it), its seconds and what it said."""

    code: int
    seconds: float
    out: str
    err: str


class ForkServer:
    """The client's end."""

    def __enter__(self) -> ForkServer:
        paths = [str(HERE), str(HERE.parent), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
        self._server = subprocess.Popen(
            [sys.executable, str(HERE / "fork_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.communicate()

    def warm_up(self, arguments: Sequence[str]) -> None:
        """Run the command in the server itself, so that its children find everything loaded that it needs."""
        ended = self._ask({"here": list(arguments)})
        assert ended.code == 0, ended.err

    def run(self, function: str, arguments: Sequence[object], *, signal: int = 0, after: float = 0.0) -> Ended:
        """Call a function of `trials.py` in a child of its own, and send it a signal `after` so many seconds."""
        return self._ask({"function": function, "arguments": arguments, "signal": signal, "after": after})

    def _ask(self, request: dict[str, object]) -> Ended:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return Ended(**json.loads(self._server.stdout.readline()))


def _serve() -> None:
    import trials

    for line in sys.stdin:
        request = json.loads(line)
        answer = _run_here(request["here"]) if "here" in request else _try(trials, request)
        print(json.dumps(answer), flush=True)


def _run_here(arguments: list[str]) -> dict[str, object]:
    from migspec.cli.main import run_with

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = run_with(arguments)
    return {"code": code, "seconds": 0.0, "out": "", "err": said.getvalue()}


def _try(trials: Any, request: dict[str, Any]) -> dict[str, object]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the child is ready for it
        child = os.fork()
        if child == 0:
            _be_the_child(getattr(trials, request["function"]), request["arguments"], out.fileno(), err.fileno())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if request["signal"]:
            time.sleep(max(0.0, start + request["after"] - time.perf_counter()))
            os.kill(child, request["signal"])
        _, status = os.waitpid(child, 0)
        seconds = time.perf_counter() - start
        said = [_content(stream) for stream in (out, err)]
    return {"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "out": said[0], "err": said[1]}


def _be_the_child(function: Any, arguments: list[object], out: int, err: int) -> None:
    """Never returns."""
    code = 120
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        code = function(*arguments)
    except SystemExit as error:
        code = int(error.code or 0)
    except KeyboardInterrupt:  # before the command began
        code = NOT_BEGUN
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _content(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read().decode(errors="replace"))


if __name__ == "__main__":
    _serve()
