"""The command line: knows the names of all commands, imports one only when it is called."""

import errno
import importlib
import io
import os
import sys
from typing import NoReturn

import click

from evsctl import __version__
from evsctl.errors import EvsctlError, ExitCode

COMMANDS = {
    "demo": ("evsctl.cli.demo:demo", "A small survey, three tiny models, a run and its dashboard."),
    "survey": ("evsctl.cli.survey:survey", "Questions, prompts and human answers."),
    "models": ("evsctl.cli.models:models", "The registered models."),
    "status": ("evsctl.cli.status:status", "Progress of every model, with its job."),
    "dashboard": ("evsctl.cli.dashboard:dashboard", "The control panel."),
    "submit": ("evsctl.cli.submit:submit", "Submit what a model still has to answer."),
    "jobs": ("evsctl.cli.jobs:jobs", "The study's jobs, queued and past."),
    "logs": ("evsctl.cli.logs:logs", "The log of a model's newest job, or of a job."),
    "cancel": ("evsctl.cli.cancel:cancel", "Cancel the job of a model, or a job."),
    "engine": ("evsctl.cli.engine:engine", "Ask a model its prompts (what a job runs)."),
    "sync": ("evsctl.cli.sync:sync", "Merge what jobs have answered into the database."),
    "redo": ("evsctl.cli.redo:redo", "Take answers back so that they are asked again."),
    "figures": ("evsctl.cli.figures:figures", "Draw the figures."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that `--help` imports none of them."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what nobody reads any more (`evsctl status | head`) need not be written, and is no failure."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Python would complain once more when it closes the pipe.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(ExitCode.GOOD) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of a study."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; unknown names are click's to refuse."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table above: importing twelve rooms to print a line each would cost a second."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse an unknown command with the nearest name."""
        from evsctl.files import nearest_name

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"No such command '{args[0]}'. {nearest_name(args[0], COMMANDS)}".rstrip(), ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="evsctl")
def evsctl() -> None:
    """Run a values survey through language models on a SLURM cluster, watch it, and draw its figures.

    Begin with `evsctl demo`, or with `evsctl survey populate --questions questions.json` in a folder of its own.
    """


def main() -> NoReturn:
    """Run the command line and end the process with the exit code of what happened."""
    # Other people of the login node have no business in a study's files.
    os.umask(os.umask(0o077) | 0o007)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without these letters gets a mark, not a traceback
    try:
        code = evsctl.main(standalone_mode=False)
        sys.exit(int(code) if isinstance(code, int) else ExitCode.GOOD)
    except EvsctlError as error:
        click.echo(f"evsctl: {error}", err=True)
        sys.exit(int(error.exit_code))
    except click.ClickException as error:
        error.show()
        sys.exit(int(ExitCode.BAD_INPUT))
    except (click.Abort, KeyboardInterrupt):
        click.echo("evsctl: stopped; nothing was left half done.", err=True)
        sys.exit(130)
    except OSError as error:
        fix = "Free space there." if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Check that path and its permissions."
        click.echo(f"evsctl: {error.filename or 'a file or stream'}: {error.strerror or error}. {fix}", err=True)
        sys.exit(int(ExitCode.OUT_OF_REACH))
