"""The command `migspec`: its subcommands, loaded when they are called, and the exit codes.

0 clean, 1 findings, 2 usage or input and output, 130 on Ctrl-C, 101 for an internal error, which is a bug.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from importlib import import_module
from typing import Any

import click

from migspec import __version__
from migspec.cli.report import discard_stdout

_COMMANDS = {
    "inspect": "list the variables of a checkpoint or model",
    "check": "check specs, alone or against both sides",
    "plan": "show or save what a migration would do",
    "apply": "migrate the weights",
    "diff": "compare two checkpoints, or one with what a spec makes of the other",
    "why": "say where one variable's value comes from",
    "verify": "run the old model and the new on the same inputs",
    "specs": "list the specs that there are to use, or show one",
    "invert": "write the inverse of a spec",
    "compose": "write two specs, one after the other, as one",
    "test": "try reusable specs at many sizes",
    "explain": "explain the code of a diagnostic",
    "fmt": "format specs",
    "demo": "migrate a TensorFlow 1 LSTM into Keras, before your eyes",
}


class _ReaderGone(Exception):
    """Whoever read the output has gone, as in `migspec inspect X | head`."""


class _Commands(click.Group):
    """Subcommands whose modules are imported only when they run: `check` must not pay for what `apply` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"migspec.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand and flush what it said, while a reader that has gone can still be told apart from other errors."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:  # click would make an exit code of its own of it
            raise _ReaderGone from error
        return result

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from migspec.diagnostics.suggest import nearest

            near = nearest(args[0], _COMMANDS, limit=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"No such command '{args[0]}'.{hint}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="migspec", message="%(prog)s %(version)s")
def main() -> None:
    """Move neural-network weights between checkpoints and models by a spec.

    `migspec demo` shows it on an example; the documentation of each command is `migspec COMMAND --help`.
    """


def run_with(arguments: list[str]) -> int:
    """Run the command line; returns its exit code."""
    try:
        result = main.main(arguments, prog_name="migspec", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        with contextlib.suppress(ValueError):  # in another thread than the first, which nobody interrupts
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # said once, however often it is pressed
        print("migspec: interrupted", file=sys.stderr)
        return 130
    except _ReaderGone:
        discard_stdout()
        return 0
    except Exception as error:
        return _report_exception(error)
    return result if isinstance(result, int) else 0


def _report_exception(error: Exception) -> int:
    """A SpecError that a command left to us, or a bug."""
    from migspec.cli.report import exit_code, show
    from migspec.diagnostics import SpecError

    if isinstance(error, SpecError):
        show(error.diagnostics)
        return exit_code(error.diagnostics)
    import traceback

    traceback.print_exc()
    print(
        "\nmigspec: this is a bug in migspec, not in your spec or your files. Please report it with the lines above.",
        file=sys.stderr,
    )
    return 101
