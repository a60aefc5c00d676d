"""One shallow tree of errors and the exit codes they end a command with."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status says; the command line's only source of numbers."""

    GOOD = 0
    NEEDS_ATTENTION = 1
    BAD_INPUT = 2
    OUT_OF_REACH = 3
    WANTS_TO_GO_ON = 75


class EvsctlError(Exception):
    """A failure that ends a command with one clear sentence and, where there is one, the fix.

    `message` names the thing, the file or the key; `fix` says what to do about it.
    """

    exit_code: ExitCode = ExitCode.NEEDS_ATTENTION

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".rstrip()


class InputError(EvsctlError):
    """Bad usage or bad input: the user's file, key, name or value is wrong."""

    exit_code = ExitCode.BAD_INPUT


class DatabaseError(EvsctlError):
    """The database is out of reach for a command that needs it: locked, read-only, or the server is gone."""

    exit_code = ExitCode.OUT_OF_REACH


class SlurmError(EvsctlError):
    """SLURM is out of reach for a command that needs it: not installed, or its controller does not answer."""

    exit_code = ExitCode.OUT_OF_REACH


class SubmissionRefusedError(EvsctlError):
    """SLURM answered, and refused the request; `message` carries its own words."""

    exit_code = ExitCode.BAD_INPUT


class ClaimedError(EvsctlError):
    """Another run holds this model: two writers for one model are never allowed."""

    exit_code = ExitCode.NEEDS_ATTENTION


class EngineError(EvsctlError):
    """The engine cannot go on: numbers not finite, weights missing, or memory gone."""

    exit_code = ExitCode.NEEDS_ATTENTION
