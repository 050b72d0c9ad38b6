# shellcheck shell=bash
# What lets a batch job of SLURM outlive its time limit, preemption and failures. Source it first, then environment.sh, then
#
#   survive srun hnn-hpc fit JOB.toml
#
# runs that as a step of the job and ends the job with the step's exit code, or queues it again, to go on from its checkpoint: after exit
# code 75, with which a fit ends that was told to, and where a rank was killed, HNN_HPC_RESTARTS (5) times at most. A job is told by SIGTERM,
# or by SIGUSR1, which it asks for by  #SBATCH --signal=B:USR1@60  a minute before its time limit. Where a node fails, SLURM itself
# queues the job again (--requeue).

hnn_hpc_told='' hnn_hpc_step=''
trap 'hnn_hpc_told=1; [ -z "$hnn_hpc_step" ] || kill -USR1 "$hnn_hpc_step" 2> /dev/null || true' USR1 TERM # srun tells all ranks

export HNN_HPC_THREADS="${HNN_HPC_THREADS:-${SLURM_CPUS_PER_TASK:-1}}"
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}" # srun does not take it from the job since SLURM 22.05
export SLURM_WAIT="${SLURM_WAIT:-5}"                  # seconds from the end of the first rank to that of all
export SLURM_OPEN_MODE=append

survive() {
    local code=75 again restarts=${SLURM_RESTART_COUNT:-0} job=${SLURM_JOB_ID:?survive is for a job of SLURM}
    local told kills=0
    # The last task of an array has the number of the whole array.
    [ -z "${SLURM_ARRAY_JOB_ID:-}" ] || job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
    # Killed ranks leave shared memory behind that has the numbers of job and step, and an MPI of the same numbers stumbles over it. So
    # each start gives its ranks another step, after as many empty ones as there were starts.
    for ((again = 0; again < restarts; again++)); do
        srun --nodes=1 --ntasks=1 true
    done
    if [ -z "$hnn_hpc_told" ]; then
        "$@" &
        hnn_hpc_step=$!
        [ -z "$hnn_hpc_told" ] || kill -USR1 "$hnn_hpc_step" 2> /dev/null # told in between
        while # a signal ends the wait too
            wait "$hnn_hpc_step"
            code=$?
            kill -0 "$hnn_hpc_step" 2> /dev/null
        do :; done
    fi
    [ "$code" = 75 ] || ((code > 128)) || exit "$code"
    # A job that was cancelled, or that runs elsewhere by now, because this node was given up, is not ours any more.
    told=$(squeue --noheader --jobs="$job" --Format=State:20,RestartCnt:20,Comment:500)
    [[ $told =~ ^RUNNING\ +$restarts\ +(.*)$ ]] || exit "$code"
    if [ "$code" != 75 ]; then # the job's comment counts what its starts cannot tell each other
        told=${BASH_REMATCH[1]%"${BASH_REMATCH[1]##*[![:space:]]}"}
        [[ ! $told =~ (.*)' '?\(killed\ ([0-9]+)\)$ ]] || told=${BASH_REMATCH[1]} kills=${BASH_REMATCH[2]}
        if ((kills >= ${HNN_HPC_RESTARTS:-5})); then
            echo "hnn_hpc: a rank was killed, for the $((kills + 1)). time: the job is not queued again" >&2
            exit "$code"
        fi
        scontrol update jobid="$job" comment="${told% }${told:+ }(killed $((kills + 1)))" || exit "$code"
    fi
    scontrol requeue "$job" || {
        echo "hnn_hpc: SLURM does not queue this job again; sent again, with --resume, it goes on from its checkpoint" >&2
        exit "$code"
    }
    exit 75
}
