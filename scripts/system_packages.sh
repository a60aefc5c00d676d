#!/bin/sh
# Installs what the tests need of the system, where that is possible: root on Debian. Never fails: what cannot be
# installed is said here, and its tests report themselves as skipped.
set -u

may_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

install() {
    echo "installing: $*"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

case "$1" in
venv)
    python3 -c 'import ensurepip, venv' 2>/dev/null && exit 0
    may_install && install python3-venv && exit 0
    echo "python3 has no venv module: install python3-venv."
    ;;
slurm)
    missing=""
    for program in slurmctld slurmd slurmdbd munged mariadbd sbatch sacct; do
        PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || missing="$missing $program"
    done
    [ -z "$missing" ] && exit 0
    if may_install; then
        install slurmctld slurmd slurmdbd slurm-client munge mariadb-server slurm-wlm-mysql-plugin && exit 0
    fi
    echo "not installed and not installable here:$missing. Tests on a real SLURM will be skipped."
    ;;
esac
exit 0
