#!/usr/bin/env bash
#SBATCH --job-name=adapt-docs
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --mem=256G
#SBATCH --gpus-per-node=4
#SBATCH --time=24:00:00
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
# A job that is preempted, or whose node is lost, is queued again and goes on after what was committed.
#SBATCH --requeue
# Five minutes before the time is over, synthmill commits what is written and the job queues itself again.
#SBATCH --signal=B:USR1@300
#
# A Ray on the nodes of this job alone: the head, with the driver, on the first; a worker on each other one.
set -euo pipefail
requeues=$PWD/adapt-docs-$SLURM_JOB_ID.requeues # beside the log, a line for each; Slurm also counts preemptions and lost nodes
((${SLURM_RESTART_COUNT:-0})) || rm -f "$requeues" # of an earlier job that had this number
export PATH=/shared/synthmill/.venv/bin:$PATH

# Other users of these nodes reach the ports of Ray; without this token they could run code as this one.
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
# Set HEAD_ADDRESS where the nodes do not reach each other at the first address of the first node.
host=${HEAD_ADDRESS:-$(hostname -I | awk '{print $1}')}
address=$host:$((20000 + SLURM_JOB_ID % 10000))
have=(--num-cpus=32 --num-gpus=4 --disable-usage-stats)
have+=(--min-worker-port=0 --max-worker-port=0) # free ones: another job may be on these nodes

trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
ray start --head --block --node-ip-address="$host" --port="${address##*:}" --include-dashboard=false \
    --ray-client-server-port=$((10000 + SLURM_JOB_ID % 10000)) \
    --temp-dir="/tmp/ray-$SLURM_JOB_ID" "${have[@]}" &
for _ in {1..60}; do
    ray health-check --address="$address" 2>/dev/null && break
    sleep 1
done
if ((${#nodes[@]} > 1)); then
    # A step does not inherit the cores per task of its job (Slurm 22.05 on): it would have one core on each node.
    srun --overlap --nodes=$((${#nodes[@]} - 1)) --ntasks=$((${#nodes[@]} - 1)) --exclude="${nodes[0]}" \
        --cpus-per-task=32 ray start --block --address="$address" "${have[@]}" &
fi
python3=$(dirname "$(command -v ray)")/python3
RAY_ADDRESS=$address "$python3" - "${#nodes[@]}" <<'END'
import sys, time
import ray
ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
deadline = time.monotonic() + 600
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[1]):
    if time.monotonic() > deadline:
        sys.exit("not all nodes of the job have joined Ray in ten minutes")
    time.sleep(1)
END

stopped=
RAY_ADDRESS=$address /shared/synthmill/.venv/bin/synthmill cluster=slurm experiment=adapt collection=/shared/docs runs_dir=/shared/runs &
driver=$!
trap 'stopped=yes; kill -TERM "$driver"' USR1
trap 'kill -TERM "$driver"' TERM # scancel means it; a job that is preempted Slurm queues again by itself
while kill -0 "$driver" 2>/dev/null; do # a signal ends `wait`, not the driver, which commits what is written
    wait "$driver" || true
done
status=0
wait "$driver" || status=$? # bash remembers it
# 3: the run used up samples.max_seconds.
if [[ $status != 0 && (-n $stopped || $status == 3) ]]; then
    touch "$requeues"
    if (($(wc -l < "$requeues") < 3)); then
        date >> "$requeues"
        scontrol requeue "$SLURM_JOB_ID"
    fi
fi
exit "$status"
