"""A real SLURM cluster on this machine for the tests: munge, MariaDB, slurmdbd, slurmctld and a slurmd per node.

Everything lives in one private folder with its own ports, and is stopped by process. Nothing of the system's own
SLURM, munge or MariaDB is read or touched. Written for SLURM 22.05 and later.
"""

import contextlib
import ctypes
import getpass
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.slurm_conf import NODES, Node, write_configuration
from tests.slurm_machine import SEARCH_PATH, free_ports, memory_cgroup_works, port_open


def _die_with_parent() -> None:
    """A killed test run must not leave daemons behind."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM, 0, 0, 0)  # 1 is PR_SET_PDEATHSIG


class SlurmCluster:
    """Start with `start()`, end with `stop()`; `run("squeue", …)` talks to it."""

    def __init__(self, folder: Path, nodes: tuple[Node, ...] = NODES, accounting: bool = True, extra: str = "") -> None:
        self.folder = folder
        self.accounting = accounting
        self.extra = extra
        self.cgroup = memory_cgroup_works()
        self.base_port = free_ports(8 + len(nodes))
        # Memory cgroups are named after the node: two clusters on one machine must not share them.
        self.nodes = tuple(Node(f"{n.name}-p{self.base_port}", n.memory, n.features, n.gpus) for n in nodes)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_"))}
        self.environment |= {"SLURM_CONF": str(folder / "etc/slurm.conf"), "LC_ALL": "C.UTF-8", "PATH": SEARCH_PATH}

    def node(self, start: str) -> str:
        """The full name of the node whose name begins with `start`."""
        return next(n.name for n in self.nodes if n.name.startswith(start))

    # -- talking to it -------------------------------------------------

    def run(self, *argv: str, check: bool = True) -> str:
        """Run a SLURM command against this cluster and return what it printed."""
        done = subprocess.run(argv, env=self.environment, text=True, capture_output=True, check=False, timeout=60)
        if check and done.returncode != 0:
            raise RuntimeError(f"{argv}: {done.stderr}")
        return done.stdout

    def works(self, *argv: str) -> bool:
        """Whether a command ends well."""
        return subprocess.run(argv, env=self.environment, capture_output=True, check=False, timeout=60).returncode == 0

    def job_state(self, job_id: str) -> str:
        """The controller's word for a job, e.g. `RUNNING`; empty where it knows none."""
        lines = self.run("squeue", "-h", "-t", "all", "-j", job_id, "-o", "%T", check=False).split()
        return lines[0] if lines else ""

    def wait_for_state(self, job_id: str, *states: str, timeout: float = 60) -> str:
        """Wait until a job is in one of the states."""
        self.wait_until(lambda: self.job_state(job_id) in states, f"job {job_id} to be {' or '.join(states)}", timeout)
        return self.job_state(job_id)

    def wait_for_record(self, job_id: str, timeout: float = 30) -> None:
        """Wait until accounting knows the job's end."""

        def ended() -> bool:
            lines = self.run("sacct", "-n", "-X", "-P", "-j", job_id, "-o", "End", check=False).split()
            return bool(lines) and lines[-1] != "Unknown"

        self.wait_until(ended, f"the end of job {job_id} in accounting", timeout)

    def wait_until(self, test: Callable[[], bool], what: str, timeout: float = 30) -> None:
        """Wait for something, at most `timeout` seconds, watching that no daemon has died meanwhile."""
        end = time.monotonic() + timeout
        while not test():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {timeout:g} s for {what}")
            time.sleep(0.1)

    def let_go(self, job_id: str) -> None:
        """Let a requeued job start now instead of after SLURM's two minutes."""
        # slurmd remembers the end of a job to the second, and refuses one that comes back within it.
        time.sleep(2)
        self.run("scontrol", "update", f"jobid={job_id}", "StartTime=now")

    def cancel_all(self) -> None:
        """End every job and wait until the queue is empty."""
        jobs = sorted(set(self.run("squeue", "-h", "-o", "%A", check=False).split()))
        if jobs:
            self.run("scancel", "-f", *jobs, check=False)
            self.wait_until(lambda: not self.run("squeue", "-h", check=False).strip(), "the queue to empty", 20)

    # -- life ----------------------------------------------------------

    def start(self) -> "SlurmCluster":
        """Start every daemon and wait until all nodes are idle; on failure whatever was started is stopped."""
        try:
            write_configuration(self.folder, self.nodes, self.base_port, accounting=self.accounting, cgroup=self.cgroup, extra=self.extra)
            self._start_munge()
            if self.accounting:
                self._start_database()
            self.start_controller()
            for node in self.nodes:
                self._spawn(f"slurmd-{node.name}", "slurmd", "-D", "-N", node.name)
            self.wait_until(self._all_nodes_up, "all nodes to be up", 60)
        except BaseException:
            self.stop()
            raise
        return self

    def start_controller(self) -> None:
        """Start slurmctld, and wait until it answers."""
        self._spawn("slurmctld", "slurmctld", "-D")
        self._await("slurmctld", lambda: "is UP" in self.run("scontrol", "ping", check=False))

    def stop_controller(self) -> None:
        """Stop slurmctld alone; jobs go on."""
        self._end("slurmctld")

    def stop(self) -> None:
        """Stop all that was started, in reverse, and remove the folder."""
        if "slurmctld" in self.processes and self.processes["slurmctld"].poll() is None:
            with contextlib.suppress(TimeoutError, subprocess.TimeoutExpired):
                self.cancel_all()
        for name in reversed(list(self.processes)):
            self._end(name)
        self._end_leftover_steps()
        for node in self.nodes:
            self._remove_cgroups(node)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _all_nodes_up(self) -> bool:
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended: {self._log_tail(name)}")
        states = self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%t", check=False).split()
        return len(states) == len(self.nodes) and set(states) <= {"idle", "mix", "alloc"}

    def _start_munge(self) -> None:
        run, etc = self.folder / "run", self.folder / "etc"
        files = {
            "socket": run / "munge.sock",
            "pid-file": run / "munged.pid",
            "log-file": self.folder / "log/munged.log",
            "seed-file": run / "munged.seed",
        }
        options = [f"--{name}={path}" for name, path in files.items()]
        self._spawn("munged", "munged", "--foreground", "--force", f"--key-file={etc / 'munge.key'}", *options)
        self._await("munged", lambda: self.works("munge", "-n", "-S", str(files["socket"])))

    def _start_database(self) -> None:
        data, sock = self.folder / "state/mysql", str(self.folder / "run/mysqld.sock")
        client = ("--no-defaults", "-u", "root", "-S", sock)
        user = getpass.getuser()
        data.mkdir()
        install = ("--no-defaults", f"--user={user}", f"--datadir={data}", "--skip-test-db", "--auth-root-authentication-method=normal")
        # A temporary folder of its own: servers on one machine have met in /tmp.
        self.run("mariadb-install-db", *install, f"--tmpdir={self.folder / 'tmp'}", "--innodb-log-file-size=16M")
        self._spawn("mariadbd", "mariadbd", f"--defaults-file={self.folder / 'etc/my.cnf'}")
        self._await("mariadbd", lambda: self.works("mariadb-admin", *client, "ping"))
        grant = "grant all on slurm_acct_db.* to slurm@'127.0.0.1'"
        self.run("mariadb", *client, "-e", f"create database slurm_acct_db; create user slurm@'127.0.0.1' identified by 'slurm'; {grant}")
        self._spawn("slurmdbd", "slurmdbd", "-D")
        self._await("slurmdbd", lambda: port_open(self.base_port + 2))
        # slurmctld refuses to start before its cluster is known there.
        self.run("sacctmgr", "-i", "add", "cluster", "lab")

    # -- processes -----------------------------------------------------

    def _spawn(self, name: str, *argv: str) -> None:
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                argv,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                preexec_fn=_die_with_parent,
            )

    def _await(self, name: str, test: Callable[[], bool]) -> None:
        def ready() -> bool:
            if self.processes[name].poll() is not None:
                raise RuntimeError(f"{name} ended: {self._log_tail(name)}")
            return test()

        self.wait_until(ready, f"{name} to answer", 60)

    def _end(self, name: str) -> None:
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _log_tail(self, name: str) -> str:
        return (self.folder / "log" / f"{name}.out").read_text(errors="replace")[-1500:]

    def _end_leftover_steps(self) -> None:
        """Job steps outlive their slurmd: end those of this cluster, known by their environment."""
        ours = f"SLURM_CONF={self.folder}/".encode()
        for process in Path("/proc").iterdir():
            try:
                if (
                    process.name.isdigit()
                    and (process / "comm").read_text().strip() == "slurmstepd"
                    and ours in (process / "environ").read_bytes()
                ):
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue

    def _remove_cgroups(self, node: Node) -> None:
        for root in Path("/sys/fs/cgroup").glob(f"*/slurm*{node.name}"):
            for folder, _, _ in os.walk(root, topdown=False):
                try:
                    Path(folder).rmdir()
                except OSError:
                    continue
