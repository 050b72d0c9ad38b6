# shellcheck shell=bash
# What lets a batch job of SLURM outlive its time limit, preemption and failures. Source it first, then environment.sh, then
#
#   survive srun hnn-hpc fit JOB.toml
#
# runs that as a step of the job and ends the job with the step's exit code, or queues it again, to go on from its checkpoint: after exit
# code 75, with which a fit ends that was told to; and where a rank was killed, or MPI failed, HNN_HPC_RESTARTS (5) times at most. A job is
# told by SIGTERM, or by SIGUSR1, which it asks for by  #SBATCH --signal=B:USR1@60  a minute before its time limit (`hnn-hpc submit` says
# when that is too late). Where a node fails, SLURM itself queues the job again (--requeue).

hnn_hpc_told='' hnn_hpc_step=''
trap 'hnn_hpc_told=1; [ -z "$hnn_hpc_step" ] || kill -USR1 "$hnn_hpc_step" 2> /dev/null || true' USR1 TERM # srun tells all ranks

export HNN_HPC_THREADS="${HNN_HPC_THREADS:-${SLURM_CPUS_PER_TASK:-1}}"
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}" # srun does not take it from the job since SLURM 22.05
export SLURM_EXPORT_ENV=ALL                           # what environment.sh sets, under sbatch --export=NONE too
export SLURM_OPEN_MODE=append
# Seconds from the end of the first rank to that of all; not at once, for the others may be saving.
export SLURM_WAIT="${SLURM_WAIT:-5}" SLURM_KILL_BAD_EXIT=0

survive() {
    local code=75 state id array task empty kills=0 job=${SLURM_JOB_ID:-} most=${HNN_HPC_RESTARTS:-5}
    [ -n "$job" ] || hnn_hpc_refuse "this is for a job of SLURM: send it by sbatch"
    [[ $most =~ ^(0|[1-9][0-9]{0,5})$ ]] || hnn_hpc_refuse "HNN_HPC_RESTARTS is '$most'; expected a whole number"
    # The last task of an array has the number of the whole array. Variables may be those of the job that sent this one: SLURM is asked.
    state=$(hnn_hpc_ask "$job" JobID,ArrayJobID,ArrayTaskID) || exit
    while read -r id array task; do
        [ "$id" != "$SLURM_JOB_ID" ] || [[ ! $task =~ ^[0-9]+$ ]] || job=${array}_$task
    done <<< "$state"
    state=$(hnn_hpc_ask "$job" RestartCnt) || exit
    export SLURM_RESTART_COUNT=${state:-0} # that of the environment may be of the job that sent this one
    # Killed ranks leave shared memory behind that has the numbers of job and step, and an MPI of the same numbers stumbles over it. So
    # each start gives its ranks another step, after some empty ones.
    for ((empty = 0; empty < SLURM_RESTART_COUNT % 20; empty++)); do
        srun --nodes=1 --ntasks=1 true
    done
    if [ -z "$hnn_hpc_told" ]; then
        "$@" &
        hnn_hpc_step=$!
        [ -z "$hnn_hpc_told" ] || kill -USR1 "$hnn_hpc_step" 2> /dev/null # told in between
        wait "$hnn_hpc_step"
        while kill -0 "$hnn_hpc_step" 2> /dev/null; do wait "$hnn_hpc_step"; done # a signal ends the wait too
        wait "$hnn_hpc_step"
        code=$?
    fi
    case $code in
        0 | 1 | 2 | 3 | 126 | 127) exit "$code" ;; # an end of its own, or no program at all
        75) ;;
        *) [ -z "$hnn_hpc_told" ] || code=75 ;; # it was too slow
    esac
    state=$(hnn_hpc_ask "$job" State,RestartCnt) || exit "$code"
    # A job that was cancelled, or that runs elsewhere by now, because this node was given up, is not ours any more.
    [ "$state" = "RUNNING $SLURM_RESTART_COUNT" ] || exit "$code"
    if [ "$code" != 75 ]; then # the job's comment counts what its starts cannot tell each other
        state=$(hnn_hpc_ask "$job" Comment) || exit "$code"
        [[ ! $state =~ ^(.*)\(killed\ ([0-9]+)\)$ ]] || state=${BASH_REMATCH[1]% } kills=${BASH_REMATCH[2]}
        if ((kills >= most)); then
            echo "hnn_hpc: for the $((kills + 1)). time a rank was killed, or out of memory, or MPI failed: the job is not queued again" >&2
            exit "$code"
        fi
        hnn_hpc_try scontrol update jobid="$job" comment="$state${state:+ }(killed $((kills + 1)))" || exit "$code"
    fi
    hnn_hpc_try scontrol requeue "$job" || exit "$code"
    exit 75
}

hnn_hpc_refuse() {
    echo "hnn_hpc: $1" >&2
    exit 2
}

# Prints what squeue tells of a job, with single spaces between the words, one line a task.
hnn_hpc_ask() { # JOB FIELDS
    local told
    told=$(hnn_hpc_try squeue --noheader --jobs="$1" --Format="${2//,/:200,}:200") || return
    while read -ra told; do echo "${told[*]}"; done <<< "$told"
}

# Runs a command of SLURM, whose controller may be busy, three times if it must.
hnn_hpc_try() {
    "$@" || { sleep 5 && "$@"; } || { sleep 20 && "$@"; } || {
        echo "hnn_hpc: SLURM does not answer to '$*', so this job is not queued again; sent anew, with --resume, it goes on" >&2
        return 1
    }
}
