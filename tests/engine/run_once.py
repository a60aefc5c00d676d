"""One run in a process of its own, for tests that kill it: `python run_once.py JSON`, with `delay` seconds before each pack."""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from evsctl.engine import signals

signals.install()
assert "torch" not in sys.modules, "the handlers must stand before torch is imported"
sys.stderr.write("handlers stand\n")
sys.stderr.flush()

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))


def main(given: dict[str, Any]) -> int:
    """Run and return the exit code of the outcome."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    from evsctl.engine import commits
    from evsctl.engine.resident import ResidentExecutor
    from evsctl.engine.run import run_model
    from evsctl.errors import EvsctlError
    from evsctl.journal.manifest import read_manifest
    from evsctl.journal.paths import ModelRuns

    commits.SHORTEST_SECONDS = given.get("shortest", commits.SHORTEST_SECONDS)
    forward, delay = ResidentExecutor._forward, float(given.get("delay", 0))

    def slowly(self: ResidentExecutor, pack: Any) -> Any:
        if pack.index >= 0:  # the self-check's own packs are not delayed
            time.sleep(delay)
        return forward(self, pack)

    ResidentExecutor._forward = slowly  # type: ignore[method-assign]
    manifest = Path(given["manifest"])
    identity = read_manifest(manifest).identity
    runs = ModelRuns(manifest.parent, identity.model_id)
    try:
        options = given.get("options", {})
        outcome = run_model(manifest_path=manifest, runs=runs, model_path=given["model"], identity=identity, threads=1, **options)
    except EvsctlError as error:
        logging.error("%s", error)
        return int(error.exit_code)
    return int(outcome.exit_code)


if __name__ == "__main__":
    signals.leave(main(json.loads(sys.argv[1])))
