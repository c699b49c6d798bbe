"""Makes of a run what a cluster takes: a Ray job, a KubeRay manifest, a Slurm script, commands for `ray up`."""
