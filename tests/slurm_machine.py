"""What this machine offers to a SLURM cluster for tests."""

import os
import random
import shutil
import socket
from pathlib import Path

PROGRAMS = "munged munge mariadbd mariadb mariadb-install-db mariadb-admin slurmdbd slurmctld slurmd sbatch sacctmgr".split()
SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin"


def missing_programs() -> list[str]:
    """What is not installed of all that a cluster needs."""
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCH_PATH) is None]


def memory_cgroup_works() -> bool:
    """Whether slurmd can limit a job's memory here: root, and a writable cgroup v1 memory hierarchy."""
    probe = Path(f"/sys/fs/cgroup/memory/evsctl-probe-{os.getpid()}")
    try:
        probe.mkdir()
        found = (probe / "memory.limit_in_bytes").exists()
        probe.rmdir()
    except OSError:
        return False
    return found and os.geteuid() == 0


def free_ports(count: int) -> int:
    """The first of `count` neighbouring free TCP ports."""
    for _ in range(200):
        base = random.SystemRandom().randrange(20000, 30000)
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise RuntimeError("no free ports found")


def port_open(port: int) -> bool:
    """Whether someone listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
