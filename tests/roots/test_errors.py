"""Errors end a command with one sentence, the fix, and an exit code that scripts rely on."""

from evsctl import errors
from evsctl.errors import EvsctlError, ExitCode


def test_each_kind_of_error_has_its_exit_code() -> None:
    kinds = {name: int(kind.exit_code) for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, EvsctlError)}
    assert kinds == {
        "EvsctlError": 1,
        "InputError": 2,
        "DatabaseError": 3,
        "SlurmError": 3,
        "SubmissionRefusedError": 2,
        "ClaimedError": 1,
        "EngineError": 1,
    }


def test_exit_codes_are_those_of_the_manual() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "GOOD": 0,
        "NEEDS_ATTENTION": 1,
        "BAD_INPUT": 2,
        "OUT_OF_REACH": 3,
        "WANTS_TO_GO_ON": 75,
    }


def test_an_error_reads_as_what_is_wrong_and_what_to_do() -> None:
    error = EvsctlError("Journal x.jsonl cannot be written.", "Free space there.")
    assert (error.message, error.fix, str(error)) == (
        "Journal x.jsonl cannot be written.",
        "Free space there.",
        "Journal x.jsonl cannot be written. Free space there.",
    )
    assert str(EvsctlError("Stopped.")) == "Stopped."
