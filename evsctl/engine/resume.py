"""What is left to do: the manifest less what the model's journals already hold, judged as sync judges it."""

from collections.abc import Iterator
from dataclasses import replace

from evsctl.engine.model_folder import ModelFolder
from evsctl.errors import InputError
from evsctl.journal.accept import acceptable
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.manifest import Manifest
from evsctl.journal.paths import ModelRuns
from evsctl.journal.reader import JournalLine, read_journal
from evsctl.journal.retractions import read_retractions

OTHER_ID = "Answer under another id: `--as NEW_ID`."


def complete_identity(identity: ModelIdentity, folder: ModelFolder) -> ModelIdentity:
    """The identity with what the folder adds to it; raises InputError where the folder is not the one meant."""
    if identity.fingerprint is not None and identity.fingerprint != folder.fingerprint:
        raise InputError(
            f"The files in {folder.path} are not those that the manifest of '{identity.model_id}' was written for "
            f"(fingerprint {folder.fingerprint}, not {identity.fingerprint}).",
            OTHER_ID,
        )
    return replace(identity, fingerprint=folder.fingerprint, revision=identity.revision or folder.commit)


def check_identity(runs: ModelRuns, identity: ModelIdentity) -> None:
    """Raise InputError where the model has results that were made with something else; rows of unknown origin say nothing."""
    retractions = read_retractions(runs.retractions)
    for line in _journal_lines(runs):
        theirs = line.header.identity
        if theirs is None or line.result.failed is not None or not (parts := identity.differences(theirs)) or retractions.cover(line):
            continue
        had = ", ".join(f"{part} {getattr(theirs, part)}" for part in parts)
        now = ", ".join(f"{part} {getattr(identity, part)}" for part in parts)
        raise InputError(f"Model '{identity.model_id}' has results with {had} (run {line.header.run_id}); this run has {now}.", OTHER_ID)


def read_done(runs: ModelRuns, manifest: Manifest, identity: ModelIdentity) -> set[PromptKey]:
    """The manifest's prompts that need no answer any more."""
    retractions = read_retractions(runs.retractions)
    return {line.result.key for line in _journal_lines(runs) if acceptable(line, identity, manifest.expected, retractions)}


def _journal_lines(runs: ModelRuns) -> Iterator[JournalLine]:
    for path in runs.journals():
        yield from read_journal(path).lines
