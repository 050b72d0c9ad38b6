#!/usr/bin/env bash
# usage: bash slurm/pipeline.sh [options of sbatch, such as --account=...]     from the project's root
#
# Sends five jobs that wait for one another: generate samples, others to test on, fit, evaluate, report. Sent again, they do it anew. Edit:
system=henon-heiles samples=20000 job=jobs/pipeline.toml folder=results/pipeline # the job file names the folder too
# export HNN_HPC_SITE=1 HNN_HPC_MODULES="python openmpi petsc"
set -euo pipefail
[ -f slurm/survive.sh ] || { echo "hnn_hpc: run this from the project's root" >&2 && exit 2; }
mkdir -p "$folder"
options=(--parsable --kill-on-invalid-dep=yes --cpus-per-task=1 --mem-per-cpu=4G --time=01:00:00 "$@")
send() { # [AFTER] RANKS ARGUMENTS: a job that runs hnn-hpc with these arguments once the jobs AFTER have ended well; prints its number
    sbatch "${options[@]}" ${1:+"--dependency=afterok:$1"} --ntasks="$2" --job-name="hnn-hpc-$3" --output="$folder/slurm-%j.out" << JOB
#!/usr/bin/env bash
#SBATCH --requeue --open-mode=append --signal=B:USR1@60
source slurm/survive.sh
source slurm/environment.sh || exit
survive srun hnn-hpc $(printf '%q ' "${@:3}")
JOB
}
train=$(send '' 1 generate "$system" --samples "$samples" --seed 1 --force --output "$folder/samples.h5")
test=$(send '' 1 generate "$system" --samples "$samples" --seed 2 --force --output "$folder/others.h5")
fit=$(send "$train:$test" 2 fit "$job" --force)
evaluate=$(send "$fit" 1 evaluate "$folder/model.h5" "$folder/others.h5")
report=$(send "$fit" 1 report "$folder" --force)
echo "sent $train, $test, $fit, $evaluate and $report; see $folder/slurm-*.out"
