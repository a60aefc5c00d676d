"""Configuration files of the test cluster, with places to fill written `@NAME@`."""

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
