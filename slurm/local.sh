#!/usr/bin/env bash
# usage: bash slurm/local.sh [-n RANKS] JOB.toml [options of 'hnn-hpc fit']
#
# Runs a job under mpirun on this machine. RANKS: by default the cores, at most 4. The exit code is that of hnn-hpc fit:
# 0 done, 2 bad input, 3 not converged or not certified, 75 interrupted with a checkpoint, 1 anything else.
set -euo pipefail
here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)

misused() {
    echo "hnn_hpc: $1; bash slurm/local.sh -h shows the usage" >&2
    exit 2
}

ranks=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc) # nproc would answer OMP_NUM_THREADS where that is set
((ranks <= 4)) || ranks=4
while [[ ${1:-} == -* ]]; do
    case $1 in
        -n)
            (($# > 1)) || misused "-n needs a number of ranks"
            ranks=$2
            shift 2
            ;;
        -h | --help) sed -n '2,/^set/s/^#\( \|$\)//p' "${BASH_SOURCE[0]}" && exit 0 ;;
        *) misused "unknown option $1 (those of hnn-hpc fit go after the job file)" ;;
    esac
done
[[ $ranks =~ ^[1-9][0-9]{0,5}$ ]] || misused "-n $ranks: expected a number of ranks, 1 or more"
(($# > 0)) || misused "no job file given"

source "$here/environment.sh"
exec mpirun -n "$ranks" hnn-hpc fit "$@"
