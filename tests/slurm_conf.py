"""Configuration files of the test cluster, with places to fill written `@NAME@`."""

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Node:
    """One pretended node; memory in MB as SLURM counts it."""

    name: str
    memory: int
    features: str
    gpus: str = ""


NODES = (
    Node("cpu-1", 256000, "cpu"),
    Node("a100-1", 512000, "a100,gpu", "a100:4"),
    Node("a100-2", 1024000, "a100,a100-80g,gpu", "a100:4"),
    Node("l40s-1", 512000, "l40s,gpu", "l40s:4"),
    Node("h100-1", 1024000, "h100,gpu", "h100:4"),
)


def write_configuration(folder: Path, nodes: Sequence[Node], base_port: int, *, accounting: bool, cgroup: bool, extra: str) -> None:
    """Write every file that the daemons read; `extra` is appended to slurm.conf's settings."""
    for name in ("etc", "run", "log", "tmp", "state/ctld", *(f"state/slurmd-{node.name}" for node in nodes)):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "run").chmod(0o777)
    etc = folder / "etc"

    def fill(template: str) -> str:
        ports = {"@DB_PORT@": base_port, "@CTLD_PORT@": base_port + 1, "@DBD_PORT@": base_port + 2}
        for name, value in {"@FOLDER@": folder, "@USER@": getpass.getuser(), **ports}.items():
            template = template.replace(name, str(value))
        return template

    memory = (
        ["TaskPlugin=task/cgroup", "JobAcctGatherParams=UsePss"]
        if cgroup
        else ["TaskPlugin=task/none", "JobAcctGatherParams=OverMemoryKill,UsePss"]
    )
    database = fill(ACCOUNTING) if accounting else "AccountingStorageType=accounting_storage/none"
    lines = [fill(SLURM_CONF), *memory, database, extra, *_node_lines(nodes, base_port), *_partition_lines(nodes)]
    (etc / "slurm.conf").write_text("\n".join(lines) + "\n")
    (etc / "gres.conf").write_text("\n".join(["AutoDetect=off", *(_gres_line(node) for node in nodes if node.gpus)]) + "\n")
    (etc / "cgroup.conf").write_text(CGROUP_CONF if cgroup else "ConstrainRAMSpace=no\n")
    (etc / "slurmdbd.conf").write_text(fill(SLURMDBD_CONF))
    (etc / "slurmdbd.conf").chmod(0o600)
    (etc / "my.cnf").write_text(fill(MY_CNF))
    (etc / "munge.key").write_bytes(os.urandom(128))
    (etc / "munge.key").chmod(0o400)


def _node_lines(nodes: Sequence[Node], base_port: int) -> list[str]:
    lines = ["NodeName=DEFAULT CPUs=64 Boards=1 SocketsPerBoard=2 CoresPerSocket=32 ThreadsPerCore=1 State=UNKNOWN"]
    for number, node in enumerate(nodes):
        gres = f" Gres=gpu:{node.gpus}" if node.gpus else ""
        place = f"NodeHostname=localhost NodeAddr=127.0.0.1 Port={base_port + 8 + number}"
        lines.append(f"NodeName={node.name} {place} RealMemory={node.memory} Feature={node.features}{gres}")
    return lines


def _partition_lines(nodes: Sequence[Node]) -> list[str]:
    every = ",".join(node.name for node in nodes)
    return [
        "PartitionName=DEFAULT State=UP OverSubscribe=NO DefaultTime=01:00:00",
        f"PartitionName=main Nodes={every} Default=YES MaxTime=2-00:00:00 PriorityTier=10",
        f"PartitionName=preempt Nodes={every} MaxTime=7-00:00:00 PriorityTier=1 PreemptMode=REQUEUE",
        f"PartitionName=high Nodes={every} MaxTime=1-00:00:00 PriorityTier=20 PreemptMode=OFF",
        f"PartitionName=short Nodes={every} MaxTime=00:30:00 PriorityTier=10",
    ]


def _gres_line(node: Node) -> str:
    kind, count = node.gpus.split(":")
    # Any character device will do as the file of a pretended card.
    return f"NodeName={node.name} Name=gpu Type={kind} File=/dev/tty[0-{int(count) - 1}]"


SLURM_CONF = """\
ClusterName=lab
SlurmctldHost=localhost
SlurmctldPort=@CTLD_PORT@
SlurmUser=@USER@
SlurmdUser=@USER@
AuthType=auth/munge
AuthInfo=socket=@FOLDER@/run/munge.sock
CredType=cred/munge
MpiDefault=none
ReturnToService=2
StateSaveLocation=@FOLDER@/state/ctld
SlurmdSpoolDir=@FOLDER@/state/slurmd-%n
SlurmctldPidFile=@FOLDER@/run/slurmctld.pid
SlurmdPidFile=@FOLDER@/run/slurmd-%n.pid
SlurmctldLogFile=@FOLDER@/log/slurmctld.log
SlurmdLogFile=@FOLDER@/log/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,sched_min_interval=0,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
EnforcePartLimits=ANY
KillWait=2
SlurmctldTimeout=5
SlurmdTimeout=10
MessageTimeout=10
GresTypes=gpu
"""

ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=@DBD_PORT@
AccountingStoragePass=@FOLDER@/run/munge.sock
AccountingStorageTRES=gres/gpu"""

SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket=@FOLDER@/run/munge.sock
DbdHost=localhost
DbdPort=@DBD_PORT@
SlurmUser=@USER@
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=@DB_PORT@
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
LogFile=@FOLDER@/log/slurmdbd.log
PidFile=@FOLDER@/run/slurmdbd.pid
"""

MY_CNF = """\
[mysqld]
user=@USER@
datadir=@FOLDER@/state/mysql
tmpdir=@FOLDER@/tmp
socket=@FOLDER@/run/mysqld.sock
pid-file=@FOLDER@/run/mysqld.pid
port=@DB_PORT@
bind-address=127.0.0.1
innodb_buffer_pool_size=32M
innodb_log_file_size=16M
innodb_lock_wait_timeout=900
innodb_flush_log_at_trx_commit=0
performance_schema=OFF
loose-innodb_snapshot_isolation=OFF
skip-name-resolve
max_connections=50
"""

CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
ConstrainCores=no
ConstrainDevices=no
"""
