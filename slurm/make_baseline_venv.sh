#!/usr/bin/env bash
# usage: bash slurm/make_baseline_venv.sh     then:  .venv/baseline/bin/hnn-hpc compare JOB.toml
#
# Makes .venv/baseline, an environment with the extra `baseline`, which is PyTorch, or finds it made, and prints its directory. It is one of
# its own because PyTorch is large and has its build for the CPU, which suffices, for fewer Pythons than everything else: of those here,
# 3.11 is taken first. PETSc is not in it.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)

find_python() {
    local minor candidate
    for minor in 11 12 13 14; do
        for candidate in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor".*/bin/python3 python3; do
            if [[ "$("$candidate" -V 2> /dev/null)" == "Python 3.$minor."* ]] && "$candidate" -c 'import ensurepip' 2> /dev/null; then
                echo "$candidate"
                return
            fi
        done
    done
    echo "hnn_hpc: needs Python 3.11 to 3.14 with its venv module (Debian: python3-venv)" >&2
    return 1
}

python=$(find_python)
venv=$root/.venv/baseline
made_for="$root, $("$python" -V), $(cat "$root/pyproject.toml" "$root/slurm/make_baseline_venv.sh" | cksum)"
is_made() { [ "$(cat "$venv/stamp" 2> /dev/null)" = "$made_for" ]; }

mkdir -p "$root/.venv"
exec 9>> "$root/.venv.lock" # make_venv.sh's, which may clear .venv; a file system without locks does without
is_made || "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2> /dev/null || true
if ! is_made; then
    echo "hnn_hpc: making .venv/baseline with $("$python" -V), once (half a minute, or longer where pip finds no build for the CPU)" >&2
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    {
        "$python" -m venv --clear "$venv" &&
            "$venv/bin/python" -m pip install --disable-pip-version-check --no-compile --editable "${root}[baseline,mpi,report,test]"
    } > "$log" 2>&1 < /dev/null || {
        tail -n 20 "$log" >&2
        echo "hnn_hpc: the installation of the extra 'baseline' failed; the lines above say why" >&2
        exit 1
    }
    echo "$made_for" > "$venv/stamp"
fi
echo "$venv"
