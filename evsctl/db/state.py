"""Small facts of evsctl's own: fixed identities and when journals were last merged."""

import json
from dataclasses import replace

from sqlalchemy import Connection, delete, insert, select

from evsctl.db.schema import identities, study_state
from evsctl.db.tally import set_state
from evsctl.journal.identity import ModelIdentity

LAST_SYNC = "last_sync"


def read_identity(conn: Connection, model_id: str) -> ModelIdentity | None:
    """The identity that the model's first merged result fixed."""
    text = conn.execute(select(identities.c.identity).where(identities.c.model_id == model_id)).scalar_one_or_none()
    return None if text is None else ModelIdentity.from_json(json.loads(text))


def write_identity(conn: Connection, identity: ModelIdentity, run_id: str) -> None:
    """Fix the model's identity, or fill in what was not known of it."""
    forget_identity(conn, identity.model_id)
    text = json.dumps(identity.to_json(), sort_keys=True)
    conn.execute(insert(identities).values(model_id=identity.model_id, identity=text, run_id=run_id))


def forget_identity(conn: Connection, model_id: str) -> None:
    """Leave the model's identity open again: nothing that fixed it is left."""
    conn.execute(delete(identities).where(identities.c.model_id == model_id))


def refined(fixed: ModelIdentity | None, seen: ModelIdentity | None) -> ModelIdentity | None:
    """The fixed identity with what another run knows and it does not: else two unknowns would hide a difference."""
    if fixed is None or seen is None:
        return fixed or seen
    return replace(fixed, revision=fixed.revision or seen.revision, fingerprint=fixed.fingerprint or seen.fingerprint)


def read_last_sync(conn: Connection) -> float | None:
    """When journals were last merged, in seconds since the epoch."""
    text = conn.execute(select(study_state.c.value).where(study_state.c.key == LAST_SYNC)).scalar_one_or_none()
    return None if text is None else float(text)


def write_last_sync(conn: Connection, at: float) -> None:
    """Note that journals were merged at `at`."""
    set_state(conn, LAST_SYNC, repr(at))
