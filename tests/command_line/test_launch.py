"""`synthmill launch`: what is refused before a node is paid for, what is printed, written and submitted."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from engine.command_line.launch import launch
from engine.command_line.main import main
from engine.errors import UserError

RUN = ["experiment=adapt", "collection=/shared/docs", "runs_dir=/shared/runs", "run_dir=/shared/runs/docs"]
ON_KUBERAY = ["cluster=kuberay", "launch.image=registry/synthmill:1", "launch.claim=shared", *RUN]

OUT = ("runs_dir=/shared/runs", "run_dir=/shared/runs/docs")
ADAPT = ("experiment=adapt", "collection=/shared/docs")
INPUTS = (
    ("collection", "experiment=adapt"),
    ("documents.path", "experiment=adapt"),
    ("prompts.path", "experiment=batch"),
    ("queries.path", *ADAPT),
    ("examples.path", "experiment=train"),
    ("demonstrations.path", *ADAPT),
    ("report.benchmark", *ADAPT),
    ("report.similarity", *ADAPT),
)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert launch(arguments) == 0
    return capsys.readouterr().out


def test_a_job_has_the_overrides_of_the_run_and_none_of_the_launch(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "cluster=ray", *RUN, "launch.address=http://head:8265", "seed=3")
    words = shlex.split(text)
    assert words[words.index("--") + 1 :] == ["synthmill", "cluster=ray", *RUN, "seed=3"]
    manifest = yaml.safe_load(printed(capsys, *ON_KUBERAY))
    assert manifest["metadata"]["name"] == "docs"
    told = ["synthmill", "cluster=kuberay", *RUN, "cluster.gpus_on_demand=1"]
    assert shlex.split(manifest["spec"]["entrypoint"]) == told


def test_a_run_counts_no_engine_that_would_lie_across_two_pods(capsys: pytest.CaptureFixture[str]) -> None:
    of_three = (*ON_KUBERAY, "launch.nodes=2", "launch.gpus_per_node=3")

    def counted(*arguments: str) -> str:
        words: list[str] = shlex.split(yaml.safe_load(printed(capsys, *arguments))["spec"]["entrypoint"])
        return words[-1]

    assert counted(*of_three) == "cluster.gpus_on_demand=6"
    assert counted(*of_three, "samples.gpus_per_engine=2") == "cluster.gpus_on_demand=5", "2 engines of 2, and not 3"
    assert counted("-m", *of_three, "samples.gpus_per_engine=1,2") == "cluster.gpus_on_demand=5"


def test_nor_one_that_would_lie_across_two_instances(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    on_aws = ("cluster=aws", "experiment=adapt", "collection=s3://b/docs", "runs_dir=s3://b/runs")
    assert "gpus_on_demand" not in printed(capsys, *on_aws), "the file that ships has what the config says"
    file = tmp_path / "cluster.yaml"
    file.write_text("{max_workers: 1, available_node_types: {gpu: {resources: {CPU: 8, GPU: 5}}}}")
    of_five = (*on_aws, f"launch.cluster_yaml={file}")
    assert "gpus_on_demand" not in printed(capsys, *of_five, "samples.gpus_per_engine=2"), "4 hold 2 engines of 2"
    file.write_text("{max_workers: 1, available_node_types: {gpu: {resources: {CPU: 8, GPU: 3}}}}")
    assert "cluster.gpus_on_demand=3'" in printed(capsys, *of_five, "samples.gpus_per_engine=2"), "it holds 1 of 2"
    told = printed(capsys, *of_five, "samples.gpus_per_engine=2", "cluster.gpus_on_demand=6")
    assert "cluster.gpus_on_demand=6'" in told, "what is said stays"
    with pytest.raises(UserError, match=r"^model\.num_workers=4: is more than all nodes together could ever hold"):
        launch([*of_five, "model.num_workers=4"])


def test_a_sweep_is_one_job(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "-m", "cluster=ray", *RUN, "model.learning_rate=1e-5,3e-5")
    assert "synthmill -m cluster=ray" in text
    with pytest.raises(UserError, match=r"model\.learning_rate=wrong"):
        launch(["-m", "cluster=ray", *RUN, "model.learning_rate=1e-5,wrong"])


def test_workers_count_where_a_run_trains(capsys: pytest.CaptureFixture[str]) -> None:
    for until in ("samples", "examples"):
        assert "model.num_workers=2" in printed(capsys, *ON_KUBERAY, "model.num_workers=2", f"until={until}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cluster=ray", *RUN, "model.epoch=2"], r"^model\.epoch=2: there is no key"),
        (["cluster=ray", *RUN, "until=sample"], r"^until=sample: no step is called"),
        (["cluster=ray", *RUN, "prompts.path=/shared/x.jsonl"], "is given beside documents"),
        (["cluster=ray", *RUN, "preview=2"], r"^preview=2: looks at prompts only"),
        (RUN, r"^cluster\.launcher=none: is a run on this machine; set cluster=ray"),
        (["cluster=ray", "experiment=adapt", "collection=x"], r"^runs_dir=runs: would lie on one node.*/shared/runs"),
        (
            ["cluster=aws", *RUN, "run_dir=runs/x"],
            r"^run_dir=runs/x: would lie on one node.*run_dir=/shared/runs/NAME\), or leave it out$",
        ),
        (["cluster=ray", *RUN[:2], RUN[3]], r"^runs_dir=runs: would lie on one node"),
        ([*ON_KUBERAY, "runs_dir=/data/runs"], r"^runs_dir=/data/runs: lies in a pod, and is lost with it; .*/shared"),
        ([*ON_KUBERAY, "run_dir=/shared/../data"], r"^run_dir=/shared/\.\./data: lies in a pod.*or leave it out$"),
        (["cluster=kuberay", "launch.image=i", *RUN], r"lies in a pod.*launch\.claim=NAME"),
        (["cluster=kuberay", "launch.claim=c", *RUN], r"^launch\.image=''"),
        *(([*ON_KUBERAY[:3], f"{key}=data/x", *OUT, *more], rf"^{key}=data/x: is a place on") for key, *more in INPUTS),
        (
            ["cluster=aws", "experiment=adapt", "collection=docs", *OUT],
            r"^collection=docs: is a place on.*launch\.working_dir",
        ),
        (
            ["cluster=ray", "prompts.path=/shared/x.jsonl", "samples.output=x.jsonl", *OUT, "experiment=batch"],
            r"^samples\.output=x\.jsonl: would lie on one node",
        ),
        (["cluster=ray", *RUN, "tracking.figures=x"], r"^tracking\.figures=x: would lie on one node"),
        (
            ["cluster=ray", *RUN, "model.base=./mine"],
            r"^model\.base=\./mine: is a folder of this machine; name a folder",
        ),
        (["cluster=ray", *RUN, "samples.model=a/b/c"], r"^samples\.model=a/b/c: is a folder of this machine"),
        (["cluster=ray", *RUN, "--cfg", "job"], r"^launch --cfg: is not for a job"),
        (["cluster=ray", "sweep=rates.yaml"], r"^launch sweep=rates\.yaml: a search is no job: it starts its points"),
        (["cluster=ray", *RUN, "publish=owner/name"], r"^publish=owner/name: "),
        (["cluster=ray", *RUN, "publish=hub:owner/name", "until=samples"], r"the run ends with its samples"),
        (["cluster=ray", *RUN, "launch.image=a b"], r"^launch\.image=a b: "),
        (
            [*ON_KUBERAY, "launch.nodes=4", "samples.gpus_per_engine=2"],
            r"^samples\.gpus_per_engine=2: is more than a node has, .*; set it to at most launch\.gpus_per_node=1,",
        ),
        ([*ON_KUBERAY, "model.num_workers=2"], r"^model\.num_workers=2: is more than all nodes together.* at most 1,"),
        (
            ["cluster=slurm", *RUN, "samples.cpus_per_engine=9"],
            r"^samples\.cpus_per_engine=9: .*launch\.cpus_per_node=8",
        ),
        (["-m", "cluster=slurm", *RUN, "samples.gpus_per_engine=1,2"], r"^samples\.gpus_per_engine=2: is more"),
    ],
)
def test_mistakes_are_told_before_anything_is_launched(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        launch(arguments)


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("samples.lora", "samples.lora=./mine"),
        ("samples.mix.b.model", "samples.mix={a: {share: 1}, b: {share: 1, model: ./mine}}"),
        ("judge.cascade: model", "judge.cascade=[{model: ./mine}]"),
        ("report.generator: model", "report.generator={model: ./mine}"),
        ("model.teacher.generator: model", "model.teacher.generator={model: ./mine}"),
        ("report.encoder.model", "report.encoder.model=./mine"),
        ("report.bases", "report.bases=[./mine]"),
        ("report.rerankers", "report.rerankers=[./mine]"),
        ("system.reranker", "system.reranker=./mine"),
    ],
)
def test_no_model_of_a_run_is_a_folder_of_this_machine(key: str, written: str) -> None:
    with pytest.raises(UserError, match=r"^[^=]*=\./mine: is a folder of this machine") as refusal:
        launch(["cluster=ray", *RUN, written])
    assert refusal.value.where == f"{key}=./mine"


def test_models_that_turns_name_are_looked_at_too(capsys: pytest.CaptureFixture[str]) -> None:
    turns = "+task.turns={query: {prompt: Ask}, verdict: {prompt: Judge, model: judge}}"
    judged = ("cluster=ray", *RUN, "task.prompt=''", turns)
    models = "samples.models={{judge: {{model: {}, temperature: 0.0}}}}"
    assert "judge" in printed(capsys, *judged, models.format("owner/judge"))
    with pytest.raises(UserError, match=r"^samples\.models\.judge\.model=\./mine: is a folder of this machine"):
        launch([*judged, models.format("./mine")])


def test_a_model_of_a_hub_is_one_unless_a_folder_here_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tuned = ("cluster=ray", *RUN, "model.base=owner/encoder")
    assert "model.base=owner/encoder" in printed(capsys, *tuned)
    (tmp_path / "owner" / "encoder").mkdir(parents=True)
    with pytest.raises(UserError, match=r"^model\.base=owner/encoder: is a folder of this machine"):
        launch(tuned)
    assert "model.base=owner/encoder" in printed(capsys, *tuned, "launch.working_dir=.")


@pytest.mark.parametrize(
    "run",
    [
        ["experiment=batch", "prompts.path=/shared/prompts.jsonl"],
        ["experiment=adapt", "collection=/shared/docs", "queries.path=/shared/log.txt"],
        ["experiment=train", "examples.path=/shared/pairs.jsonl"],
    ],
)
def test_files_may_be_on_the_cluster_alone(run: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run[1] in printed(capsys, "cluster=ray", *run, "runs_dir=/shared/runs")


def test_a_relative_path_is_one_of_what_is_sent_along_or_of_slurm(capsys: pytest.CaptureFixture[str]) -> None:
    relative = ["experiment=adapt", "collection=docs", "demonstrations.path=bundled:general"]
    assert "collection=docs" in printed(capsys, "cluster=ray", *relative, *OUT, "launch.working_dir=.")
    assert "collection=docs" in printed(capsys, "cluster=slurm", *relative)
    assert "~/docs" in printed(capsys, "cluster=ray", "experiment=adapt", 'collection="~/docs"', *OUT)
    there = ["experiment=adapt", "collection=/shared/docs", "report.benchmark=python_docs"]
    assert "python_docs" in printed(capsys, "cluster=ray", *there, *OUT)


def test_a_bucket_needs_no_volume(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "cluster=kuberay",
        "launch.image=i",
        "experiment=adapt",
        "collection=s3://b/docs",
        "runs_dir=s3://b/runs",
    ]
    assert "persistentVolumeClaim" not in printed(capsys, *arguments)


def test_a_secret_gets_into_no_job(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"^samples\.engine_args\.hf_token=\*\*\*: is a secret") as refusal:
        launch(["cluster=ray", *RUN, "+samples.engine_args.hf_token=hf_abcdefgh1234"])
    assert "hf_abc" not in str(refusal.value)
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    with pytest.raises(UserError, match="is a secret"):
        launch(["cluster=ray", *RUN, "tracking.run_name=0123456789abcdef"])
    assert "0123456789abcdef" not in printed(capsys, *ON_KUBERAY, "launch.environment_from=tokens")


def test_a_reference_to_a_variable_of_the_nodes_is_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert "oc.env:HOME" in printed(capsys, "cluster=ray", *RUN, "+samples.engine_args.hf_token=${oc.env:HOME}")


def test_a_file_of_ones_own_goes_along_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("epochs: 2\n")
    with pytest.raises(UserError, match=r"is a file of this machine; .*launch\.working_dir"):
        launch(["cluster=ray", *RUN, "model=mine"])
    assert "--working-dir ." in printed(capsys, "cluster=ray", *RUN, "model=mine", "launch.working_dir=.")
    assert "model=mine" in printed(capsys, "cluster=slurm", *RUN, "model=mine")


def test_a_job_is_written_or_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "jobs" / "job.yaml"
    out = printed(capsys, *ON_KUBERAY, f"launch.output={file}")
    assert f"kubectl create --filename - < {file}" in out
    assert yaml.safe_load(file.read_text())["kind"] == "RayJob"
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat > {tmp_path}/read\nexit 7\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert launch([*ON_KUBERAY, "launch.submit=true"]) == 7, "the code of kubectl is that of launch"
    assert (tmp_path / "asked").read_text() == "create --filename -\n"
    assert (tmp_path / "read").read_text() == file.read_text()
    with pytest.raises(UserError, match=r"^launch\.submit=true: there is no sbatch here"):
        launch(["cluster=slurm", *RUN, "launch.submit=true"])


def test_the_program_knows_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "cluster=ray", *RUN, "until=nothing"]) == 2
    assert capfd.readouterr().err.startswith("synthmill: until=nothing: no step is called 'nothing'")
