"""Small journals, manifests and claims to test with."""

from pathlib import Path

from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.manifest import Manifest, ManifestPrompt
from evsctl.journal.records import JournalFooter, JournalHeader, PromptResult
from evsctl.journal.writer import JournalWriter

IDENTITY = ModelIdentity("tiny", "org/tiny", "main", "bf16", False, "0123456789abcdef")


def a_header(run_id: str = "11-r0", identity: ModelIdentity | None = IDENTITY) -> JournalHeader:
    """The header of run `run_id`."""
    return JournalHeader(run_id, "tiny", "f" * 16, identity, "plan", "resident", "0.1", "node1", "a100", "11", 0, 1000.5)


def a_prompt(number: int = 0, text: str = "How are you?\n1. Well\n2. Badly\nAnswer: ", config: str = "legacy") -> ManifestPrompt:
    """The prompt of question `v<number>`."""
    key = PromptKey(f"v{number}", "eng", config, 0, None)
    return ManifestPrompt(key, "categorical", number, text, ("1", "2"), {"1": "1", "2": "2"}, False)


def a_result(number: int = 0, failed: str | None = None) -> PromptResult:
    """The answer to `a_prompt(number)`."""
    prompt = a_prompt(number)
    if failed is not None:
        return PromptResult(prompt.key, prompt.hash, None, None, failed)
    return PromptResult(prompt.key, prompt.hash, 0.9, {"1": 0.25, "2": 0.75})


def a_manifest(n_prompts: int = 3, identity: ModelIdentity = IDENTITY) -> Manifest:
    """A manifest of questions v0, v1, …"""
    return Manifest(identity, ("legacy",), 10, tuple(a_prompt(number) for number in range(n_prompts)))


def write_journal(path: Path, n_results: int, *, footer: bool = False) -> list[PromptResult]:
    """Write a whole journal of `n_results` answers, one commit each; returns them."""
    results = [a_result(number) for number in range(n_results)]
    writer = JournalWriter(path, a_header(path.stem))
    for result in results:
        writer.commit([result])
    writer.close(JournalFooter(n_results, 0, "finished", 2000.0) if footer else None)
    return results
