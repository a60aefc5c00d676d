"""Small file habits shared by every room: atomic replacement, durable appends, nothing world-readable."""

import difflib
import getpass
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

PRIVATE_FOLDER_MODE = 0o750
PRIVATE_FILE_MODE = 0o640


def make_private_folder(folder: Path) -> Path:
    """Create `folder` and its parents, none of the new ones readable by the world."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    for path in reversed(missing):
        path.mkdir(mode=PRIVATE_FOLDER_MODE, exist_ok=True)
    return folder


def write_atomically(path: Path, text: str, mode: int = PRIVATE_FILE_MODE) -> None:
    """Replace `path` by `text` so that a reader sees the old file or the new one, never a part.

    The new bytes are on disk before the name points to them; a link stays a link. `mode` is less whatever the umask forbids.
    Raises OSError where the folder cannot be written; the old file is then untouched.
    """
    path = path.resolve() if path.is_symlink() else path
    make_private_folder(path.parent)
    draft = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.tmp")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new name in `folder` survive a power cut; file systems that refuse are left alone."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def current_user() -> str:
    """The user's name, or the number of a user id that has none (as in some containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def nearest_name(name: str, known: Iterable[str]) -> str:
    """`Did you mean 'X'?` for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, [each for each in known if each], n=1, cutoff=0.5)
    return f"Did you mean '{close[0]}'?" if close else ""
