"""The process `migspec`, also as `python -m migspec`: what is set before anything else is imported, and the exit code."""

import gc
import os
import signal
import sys


def _unraisable(what: "sys.UnraisableHookArgs") -> None:
    """A second Ctrl-C, while what the first one ended is cleared away, is no news."""
    if not issubclass(what.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(what)


def run() -> None:
    """The entry point: runs the command line of the process and exits with its code."""
    # A command makes many objects, keeps most of them to its end, and makes little garbage in cycles. Looking for that every 700
    # objects, and once more at the end of the process, would take a fifth of the time of `migspec check`.
    gc.set_threshold(200_000)
    # A live model imports TensorFlow, whose start-up log would drown what the command says; whoever wants it sets the variable.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.unraisablehook = _unraisable
    code = 130
    try:
        try:
            from migspec.cli.main import run_with

            code = run_with(sys.argv[1:])
        except KeyboardInterrupt:  # while the modules were loaded
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            print("migspec: interrupted", file=sys.stderr)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done: the end of the process must not become a traceback
    except KeyboardInterrupt:  # a second one, right behind the first
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    run()
