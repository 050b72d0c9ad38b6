# shellcheck shell=bash
# The environment of every script here. Source it:   source slurm/environment.sh
#
# Makes .venv at the project's root, or reuses it in some 20 ms, and puts it first on PATH (make_venv.sh does the making). Everything
# comes from wheels, MPICH and PETSc included, unless these are set:
#   HNN_HPC_SITE=1             a cluster: the site's Python, MPI and PETSc, and no wheel of either
#   HNN_HPC_MODULES="a b c"    modules to load first, for instance "python openmpi petsc"
# Prints nothing when all is there. Where no environment can be had: one sentence, and status 1. On a cluster source it once where the
# internet can be reached, before the first job is sent.

hnn_hpc_environment() {
    local root site nounset=off status=0
    root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P) || return 1
    case ${HNN_HPC_SITE:-0} in
        0) site='' ;;
        1) site=1 ;;
        *)
            echo "hnn_hpc: HNN_HPC_SITE is '$HNN_HPC_SITE'; expected 1 (the site's MPI and PETSc) or 0 (wheels)" >&2
            return 1
            ;;
    esac

    if [ -n "${HNN_HPC_MODULES:-}" ]; then
        type module > /dev/null 2>&1 || {
            echo "hnn_hpc: HNN_HPC_MODULES is set to '$HNN_HPC_MODULES', but this shell knows no command 'module'" >&2
            return 1
        }
        case $- in *u*) nounset=on ;; esac # the module commands of many sites read unset variables
        set +u
        # shellcheck disable=SC2086 # several modules in one variable
        module load $HNN_HPC_MODULES || status=1
        [ $nounset = off ] || set -u
        [ $status = 0 ] || {
            echo "hnn_hpc: 'module load $HNN_HPC_MODULES' failed" >&2
            return 1
        }
    fi

    export PYTHONNOUSERSITE=1 # what lies in ~/.local is no part of this environment
    HNN_HPC_SITE=$site HNN_HPC_MODULES=${HNN_HPC_MODULES:-} bash "$root/slurm/make_venv.sh" || return 1
    case $PATH in
        "$root/.venv/bin:"*) ;;
        *) export PATH="$root/.venv/bin:$PATH" ;;
    esac

    # The program runs one BLAS thread a rank and threads of its own: HNN_HPC_THREADS, or the cores divided by the ranks of the node.
    export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MKL_NUM_THREADS="${MKL_NUM_THREADS:-1}"

    # srun talks to the MPICH of the wheels in this way; the site's MPI may want another, such as pmix.
    [ -n "$site" ] || export SLURM_MPI_TYPE="${SLURM_MPI_TYPE:-pmi2}"

    # Open MPI 4 (OMPI_MCA_) and 5 (PRTE_MCA_): more ranks than cores are allowed and ranks are not bound, since their threads need all
    # the cores of the node. MPICH needs neither and ignores these.
    export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
    export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none
    if [ "$(id -u)" = 0 ]; then
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
}

if hnn_hpc_environment; then
    unset -f hnn_hpc_environment
else
    unset -f hnn_hpc_environment
    # shellcheck disable=SC2317 # run, not sourced: there is nothing to return from
    return 1 2> /dev/null || exit 1
fi
