#!/usr/bin/env bash
# usage: bash tests/run.sh [arguments of pytest; paths are relative to the project's root]
#
# Every test: ruff, the serial tests (tests/slurm on a SLURM of their own), and those of tests/mpi on 1, 2, 3 and 4 ranks. The last line is
# 'N passed, N failed', over all of it.
# HNN_HPC_TEST_SECONDS: the longest that one run of pytest may take (1800). HNN_HPC_TEST_RANKS: other numbers of ranks ("1 2 3 4").
set -uo pipefail
cd -- "$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)/.." || exit 1
source slurm/environment.sh || exit 1
seconds=${HNN_HPC_TEST_SECONDS:-1800}
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
failed_besides=0 # what failed without being a test: ruff, a missing tool, a crash, a hang

failed() {
    printf '\nFAILED %s\n' "$*"
    failed_besides=$((failed_besides + 1))
}

# Rank 0 prints for all of them; the others into files.
# shellcheck disable=SC2016 # expanded on each rank
as_rank='rank=${PMI_RANK:-${OMPI_COMM_WORLD_RANK:?expected an MPICH or Open MPI mpirun}}
    [ "$rank" = 0 ] || { unset HNN_HPC_TEST_COUNTS; exec > "$0.rank-$rank" 2>&1; }
    exec "$@"'

# run_pytest RANKS ARGUMENTS. conftest.py leaves the counts in the file that HNN_HPC_TEST_COUNTS names.
run_pytest() {
    local ranks=$1 status=0 file
    shift
    local report=$reports/$((++runs))-on-$ranks command=(timeout --foreground --kill-after=10 "$seconds")
    ((ranks == 1)) || command+=(mpirun -n "$ranks" bash -c "$as_rank" "$report")
    HNN_HPC_TEST_COUNTS=$report.counts "${command[@]}" python -m pytest "$@" < /dev/null || status=$?
    case $status in
        0 | 5) return ;; # 5: pytest selected no test
        124 | 137) failed "pytest on $ranks ranks: not done after $seconds seconds, so it was ended" ;;
        *)
            grep -qs ' failed=[1-9]' "$report.counts" && return # counted, and printed by rank 0
            failed "pytest on $ranks ranks ended with status $status"
            ;;
    esac
    for file in "$report".rank-*; do
        [ ! -e "$file" ] || { echo "--- the last lines of rank ${file##*-}" && tail -n 60 "$file"; }
    done
}

# The cluster of tests/slurm is a real one. Debian's SLURM takes some ten seconds.
slurm_is_there() {
    local program
    for program in slurmctld slurmd sbatch munged; do
        PATH=$PATH:/usr/sbin command -v $program > /dev/null || return 1
    done
}
install_slurm() {
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || return 1
    echo "=== installing SLURM, which tests/slurm needs"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install -o DPkg::Lock::Timeout=60 -y --no-install-recommends slurmctld slurmd slurm-client munge; } \
        > "$reports/apt" 2>&1 < /dev/null || { tail -n 20 "$reports/apt" && return 1; }
}

runs=0
[ ! -d tests/slurm ] || slurm_is_there || install_slurm ||
    failed "slurmctld, slurmd, sbatch or munged is missing, so tests/slurm cannot pass: install SLURM (as root, on Debian, this script does)"
for tool in ruff pytest mpirun timeout; do
    command -v $tool > /dev/null || failed "$tool is not on PATH, so what needs it cannot pass"
done
echo "=== ruff"
ruff check . || failed "ruff check"
ruff format --check . || failed "ruff format --check ('ruff format .' mends it)"
echo "=== serial tests"
run_pytest 1 -m "not mpi and not baseline" "$@"
if [ -d tests/baselines ]; then
    echo "=== tests of the baseline, with PyTorch"
    if baseline=$(bash slurm/make_baseline_venv.sh); then
        PATH=$baseline/bin:$PATH run_pytest 1 -m baseline "$@"
    else
        failed "there is no environment with PyTorch, so the tests of the baseline cannot pass"
    fi
fi
(($# > 0)) || set -- tests/mpi
for ranks in ${HNN_HPC_TEST_RANKS:-1 2 3 4}; do
    echo "=== tests/mpi, ranks: $ranks"
    run_pytest "$ranks" -m mpi "$@"
done

read -r passed failed skipped < <(cat "$reports"/*.counts 2> /dev/null |
    awk -F '[ =]' '{ p += $2; f += $4; s += $6 } END { print p + 0, f + 0, s + 0 }')
failed=$((failed + failed_besides))
((passed + failed > 0)) || echo "no test ran"
echo
echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
((passed > 0 && failed == 0))
