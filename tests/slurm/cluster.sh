#!/usr/bin/env bash
# usage: cluster.sh up FOLDER [NODES] [CPUS]     cluster.sh down FOLDER
#
# A SLURM cluster for tests: a controller and NODES (2) nodes of CPUS (8) processors each, all on this machine, all state in FOLDER. Its ports,
# its key and its munge socket are its own, so several can run side by side and the machine's own SLURM, if any, is left alone. The
# nodes claim processors and memory that the machine may not have. `up` ends once all nodes are idle; then export SLURM_CONF=FOLDER/slurm.conf.
# Needs slurmctld, slurmd, sbatch, sinfo and munged. `down` ends the daemons that `up` started, and what they started.
set -euo pipefail
action=${1:?up or down}
folder=$(realpath -m -- "${2:?a folder for all state}")
nodes=${3:-2} cpus=${4:-8}
PATH=$PATH:/usr/sbin:/sbin # of daemons
export SLURM_CONF=$folder/slurm.conf

# The numbers of our processes: daemons leave a file each; a task's slurmstepd stays in the folder of the logs, as slurmd did that started it.
ours() {
    local file process
    for file in "$folder"/run/*.pid; do
        [ ! -s "$file" ] || tr -d '\n' < "$file"
        echo
    done
    for process in /proc/[0-9]*; do
        [[ $(readlink "$process/cwd" 2> /dev/null) == "$folder/log" && $(cat "$process/comm" 2> /dev/null) == slurm* ]] || continue
        echo "${process#/proc/}"
    done
}

# Those of them that are still there. One that has ended but whose parent does not look has no folder any more.
alive() {
    local process
    for process in $(ours | sort -u); do
        [ -z "$(readlink "/proc/$process/cwd")" ] || echo "$process"
    done
}

tell() {
    local process
    for process in $(alive); do kill "-$1" "$process" 2> /dev/null || true; done
}

down() {
    local try
    tell TERM
    for ((try = 0; try < 50; try++)); do
        [ -n "$(alive)" ] || return 0
        ((try < 30)) || tell KILL
        sleep 0.1
    done
    echo "these processes of $folder do not end: $(alive | tr '\n' ' ')" >&2
    return 1
}

# As many free ports that follow each other as there are arguments to listen: controller first, then the nodes.
free_ports() {
    python3 - "$1" << 'PYTHON'
import random, socket, sys

count = int(sys.argv[1])
while True:
    first = random.randrange(20_000, 30_000)
    try:
        for port in range(first, first + count):
            with socket.socket() as one:
                one.bind(("127.0.0.1", port))
    except OSError:
        continue
    print(first)
    break
PYTHON
}

up() {
    local host user controller node try
    host=$(hostname -s)
    user=$(id -un)
    mkdir -p "$folder"/{run,log,state,munge}
    for ((node = 1; node <= nodes; node++)); do mkdir -p "$folder/spool/n$node" "$folder/tmp/n$node"; done
    controller=$(free_ports $((nodes + 1)))
    cat > "$SLURM_CONF" << CONF
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits until its old credential has expired, two minutes if nothing is said.
AuthInfo=socket=$folder/munge/socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
TmpFS=$folder/tmp/%n
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
# Nothing of the kernel's: containers seldom have control groups of one kind.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=pmi2
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=2
# A node that says nothing for so many seconds is down.
SlurmdTimeout=10
MinJobAge=600
# What killed ranks leave in /dev/shm has the number of their job, and that of an earlier cluster would be in the way.
FirstJobId=$((RANDOM * 1000 + RANDOM % 1000 + 1))
SlurmdParameters=config_overrides
NodeName=n[1-$nodes] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((controller + 1))-$((controller + nodes))] CPUs=$cpus RealMemory=65536 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    printf 'CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\n' > "$folder/cgroup.conf"
    head -c 128 /dev/urandom > "$folder/munge/key"
    chmod 400 "$folder/munge/key"
    chmod 711 "$folder/munge"
    munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/run/munged.pid" \
        --log-file="$folder/log/munged.log" --seed-file="$folder/munge/seed"
    cd "$folder/log" # where the daemons stay
    slurmctld -f "$SLURM_CONF"
    for ((node = 1; node <= nodes; node++)); do slurmd -f "$SLURM_CONF" -N "n$node"; done
    for ((try = 0; try < 150; try++)); do
        [ "$(sinfo --noheader --states=idle --format=%D 2> /dev/null)" != "$nodes" ] || return 0
        sleep 0.1
    done
    echo "the cluster did not come up; what its daemons say:" >&2
    tail -n 20 "$folder"/log/*.log >&2
    return 1
}

case $action in
    up)
        [ ! -e "$folder" ] || [ -z "$(ls -A "$folder")" ] || {
            echo "$folder is not empty" >&2
            exit 2
        }
        up || {
            down
            exit 1
        }
        ;;
    down) down ;;
    *)
        echo "expected up or down, not $action" >&2
        exit 2
        ;;
esac
