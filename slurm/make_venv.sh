#!/usr/bin/env bash
# Makes .venv at the project's root, or finds it made: environment.sh runs this and tells what HNN_HPC_SITE and HNN_HPC_MODULES mean.
#
# .venv/stamp is written last and says what the environment was made for. No stamp, or another place, Python, site or set of modules: it
# is made anew. Another pyproject.toml: what is missing is added. The package itself is installed as editable (its command hnn-hpc
# is wanted on PATH, and a change of the code at once); that ties .venv to its place, which is why a copied or moved clone makes its own.
set -euo pipefail
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
contents=$(cat "$root/pyproject.toml" "$root/slurm/make_venv.sh" | cksum)

say() { echo "hnn_hpc: $*" >&2; }

fail() {
    say "$@"
    exit 1
}

purpose() { echo "$root, site '${HNN_HPC_SITE:-}', modules '${HNN_HPC_MODULES:-}', $("$venv/bin/python" -V 2>&1 || true)"; }

is_made() { [ "$(cat "$venv/stamp" 2> /dev/null)" = "$(purpose), $contents" ]; }

# The newest Python that everything has wheels for; on a site the one that its modules put on PATH.
find_python() {
    local minor candidate candidates
    for minor in 14 13 12 11; do
        candidates=(python3)
        [ -n "${HNN_HPC_SITE:-}" ] || candidates=("python3.$minor" python3 "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor".*/bin/python3)
        for candidate in "${candidates[@]}"; do
            if [[ "$("$candidate" -V 2> /dev/null)" == "Python 3.$minor."* ]] && "$candidate" -c 'import ensurepip' 2> /dev/null; then
                echo "$candidate"
                return
            fi
        done
    done
    fail "needs Python 3.11 to 3.14 with its venv module (Debian: python3-venv), but python3 on PATH is" \
        "$(python3 -V 2>&1 | head -n 1 || true)"
}

# Output is shown only where the command fails.
quietly() { "$@" > "$log" 2>&1 < /dev/null; }

# Not compiled, which saves half of the time: import_all compiles the modules that are used.
install() { quietly "$venv/bin/python" -m pip install --disable-pip-version-check --no-compile "$@"; }

install_failed() {
    tail -n 20 "$log" >&2
    fail "the installation into .venv failed; the lines above say why"
}

install_wheels() {
    install --editable "${root}[all]" && return
    # An older glibc has no wheel of PETSc.
    grep -q 'No matching distribution found for dolfinx-solver-real' "$log" || install_failed
    install --editable "${root}[mpi,dask,report,test]" || install_failed
}

# pip keeps the wheels that it builds: --no-cache-dir, or those of another MPI or PETSc would be taken.
install_beside_site() {
    if ! "$venv/bin/python" -c 'import mpi4py' 2> /dev/null; then
        command -v mpicc > /dev/null || fail "HNN_HPC_SITE is set, but there is no mpicc on PATH: load the site's MPI, with HNN_HPC_MODULES for instance"
        # Optimizing its one file of wrappers would take six minutes, and no call of a rank is short enough to notice.
        CFLAGS="${CFLAGS:-} -O0" install --no-cache-dir --no-binary=mpi4py 'mpi4py>=4' || install_failed
    fi
    if [ -n "${PETSC_DIR:-}" ] && ! "$venv/bin/python" -c 'import petsc4py' 2> /dev/null; then
        install --no-cache-dir --no-binary=petsc4py "petsc4py==$(petsc_version)" || install_failed
    fi
    install --editable "${root}[dask,report,test]" || install_failed
}

# The proof that it works, without starting MPI. Many machines set PYTHONDONTWRITEBYTECODE: each start would compile all of this again.
import_all() {
    quietly env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -c 'import mpi4py; mpi4py.rc.initialize = False
import dask.distributed, h5py, matplotlib.backends.backend_agg, matplotlib.figure, mpi4py.MPI, numpy, threadpoolctl
import scipy.integrate, scipy.linalg, scipy.sparse.linalg, scipy.special' &&
        quietly env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -m pytest --version
}

petsc_version() {
    awk '$2 ~ /^PETSC_VERSION_(MAJOR|MINOR|SUBMINOR)$/ { printf "%s%s", dot, $3; dot = "." }' "$PETSC_DIR/include/petscversion.h"
}

if is_made; then exit 0; fi
python=$(find_python)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Several shells, or tasks of one job, may come at once: one of them makes it, the others wait. The lock ends with the processes that hold
# file 9 open, so that none is left behind by an interruption.
{ exec 9>> "$root/.venv.lock"; } 2> /dev/null || fail "cannot write in $root, so there is no place for .venv"
lock() { "$python" -c "import fcntl; fcntl.flock(9, $1)" 2> /dev/null; }
lock 'fcntl.LOCK_EX | fcntl.LOCK_NB' || {
    say "another shell is making .venv: waiting for it"
    lock 'fcntl.LOCK_EX' || say "the file system of $root has no locks: let one shell make .venv before another starts"
}
if is_made; then exit 0; fi

if [[ "$(cat "$venv/stamp" 2> /dev/null)" == "$(purpose), "* ]]; then
    say "pyproject.toml has changed: bringing .venv up to date"
    rm -f "$venv/stamp"
else
    if [ -n "${HNN_HPC_SITE:-}" ]; then takes="a minute or two where mpi4py has to be built"; else takes="about half a minute"; fi
    say "making .venv with $("$python" -V), once ($takes)"
    rm -f "$venv/stamp"
    options=(--clear)
    [ -z "${HNN_HPC_SITE:-}" ] || options+=(--system-site-packages)
    quietly "$python" -m venv "${options[@]}" "$venv" || install_failed
fi
if [ -n "${HNN_HPC_SITE:-}" ]; then install_beside_site; else install_wheels; fi

import_all || install_failed
if ! "$venv/bin/python" -c 'import petsc4py' 2> /dev/null; then
    if [ -n "${HNN_HPC_SITE:-}" ]; then
        say "everything is there but petsc4py: the site's Python has none, and no PETSC_DIR names a PETSc to build it for"
    else
        say "everything is there but PETSc, whose wheel needs Python 3.12 or newer on Linux, x86-64, glibc 2.34" \
            "(this is $("$venv/bin/python" -V))"
    fi
fi
echo "$(purpose), $contents" > "$venv/stamp"
