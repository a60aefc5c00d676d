"""What is left to do: the manifest less what the model's journals already hold, judged as sync judges it."""

import logging
from dataclasses import dataclass, replace

from evsctl.engine.model_folder import ModelFolder
from evsctl.errors import EngineError, InputError
from evsctl.journal.accept import acceptable
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.manifest import Manifest
from evsctl.journal.paths import ModelRuns
from evsctl.journal.reader import JournalLine, read_journal
from evsctl.journal.retractions import Retractions, read_retractions

log = logging.getLogger(__name__)

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


@dataclass(frozen=True)
class Past:
    """All that the model's journals hold and what was taken back of it."""

    lines: tuple[JournalLine, ...]
    retractions: Retractions

    def check_identity(self, identity: ModelIdentity) -> None:
        """Raise InputError where the model has results that were made with something else; rows of unknown origin say nothing."""
        for line in self.lines:
            theirs = line.header.identity
            if (
                theirs is None
                or line.result.failed is not None
                or not (parts := identity.differences(theirs))
                or self.retractions.cover(line)
            ):
                continue
            had = ", ".join(f"{part} {getattr(theirs, part)}" for part in parts)
            now = ", ".join(f"{part} {getattr(identity, part)}" for part in parts)
            raise InputError(
                f"Model '{identity.model_id}' has results with {had} (run {line.header.run_id}); this run has {now}.", OTHER_ID
            )

    def done(self, manifest: Manifest, identity: ModelIdentity) -> frozenset[PromptKey]:
        """The manifest's prompts that need no answer any more."""
        expected = manifest.expected
        return frozenset(line.result.key for line in self.lines if acceptable(line, identity, expected, self.retractions))


def read_past(runs: ModelRuns) -> Past:
    """Read every journal of the model; raises EngineError for one that cannot be read: what it holds would be done twice."""
    lines: list[JournalLine] = []
    try:
        for path in runs.journals():
            content = read_journal(path)
            lines.extend(content.lines)
            for problem in content.problems:
                log.warning("%s", problem)
        retractions = read_retractions(runs.retractions)
    except OSError as error:
        raise EngineError(f"The journals in {runs.folder} cannot be read: {error}.", "Check permissions there.") from error
    for problem in retractions.problems:
        log.warning("%s", problem)
    return Past(tuple(lines), retractions)
