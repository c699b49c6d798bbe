"""The text of `synthmill --help`: examples, commands, and the groups with their choices.

In: the files of conf/. Out: text. Nothing heavy is imported, so that it shows at once.
"""

from __future__ import annotations

import textwrap

from engine.command_line.groups import choices, groups

_WIDTH = 120
_TEXT = """\
synthmill: unlabelled documents in, a measurably better retriever and its evidence out.

usage: synthmill [group=choice ...] [key=value ...]

examples
  synthmill experiment=demo                              the whole path on Python's own documentation, bundled models
  synthmill experiment=adapt collection=DIR              adapt a retriever to a BEIR folder (corpus.jsonl is enough)
  synthmill experiment=adapt documents.path=DIR          ... or to texts, Markdown, HTML, CSV, Parquet, JSONL
  synthmill experiment=demo until=samples                stop after a step
  synthmill experiment=demo preview=3                    print prompts and a forecast; nothing is generated
  synthmill experiment=demo preview=3 sample=true        generate those three as well, and forecast the time
  synthmill -m experiment=demo model.learning_rate=1e-5,3e-5    a sweep; samples are shared by its points
  synthmill -m hydra/launcher=ray experiment=demo seed=1,2,3    ... some points at a time, failures told at the end
  synthmill sweep=FILE collection=DIR                    a search among settings: docs/sweeps.md
  synthmill task=stories documents=none    another task: docs/cookbook.md
  synthmill experiment=train examples.path=FILE          train on pairs, triplets or graded pairs that you have
  synthmill experiment=adapt collection=DIR examples.path=FILE     ... together with generated ones
  synthmill experiment=chunk_size collection=DIR         how long chunks should be: search by size of the chunks
  synthmill experiment=learning_curve collection=DIR     what more examples are worth, and where they stop helping
  synthmill experiment=korean_questions                  base, denoising, triplets and ranking loss in one table
  synthmill experiment=language_model_to_retriever       a language model pooled, tuned, reranked, in one table
  synthmill experiment=batch prompts.path=FILE samples.output=OUT.jsonl    batch inference: docs/batch.md
  synthmill experiment=adapt collection=DIR publish=hub:OWNER/NAME    ... and upload the model when it is done
  synthmill experiment=demo --cfg job                    print the composed config

on a cluster (docs/cluster.md)
  synthmill launch cluster=ray|kuberay|slurm|aws experiment=adapt collection=... [launch.KEY=VALUE ...]
                                                         checks the run, and prints the job, manifest or script for it
  ... launch.output=FILE  or  launch.submit=true         ... writes it, or submits it

commands on a run
  synthmill status RUN [--follow]                        how far it is, from another terminal or machine

commands on a finished run
  synthmill trace RUN SAMPLE_ID                          one sample from document to verdict
  synthmill search RUN "question"                        what the system of the run finds, and why
  synthmill search RUN "question" where.source=manual boost.date=newest k=10
  synthmill judge RUN [queries.path=LOG]                 a page of pooled results to mark, offline
  synthmill judge RUN --read FILE...                     a test set of the marks, for report.benchmark
  synthmill compare RUN RUN...                           data, settings and quality side by side, on one page
  synthmill publish RUN hub:OWNER/NAME                   upload the model to a hub, private unless told otherwise
  synthmill clean [RUNS_DIR] [--yes]                     remove step outputs that no run needs, after asking

keys most used: collection, run_dir, until, preview, sample, seed, documents.path, demonstrations.path,
  demonstrations.from_qrels, prompts.max_samples, samples.model, model.base, model.learning_rate, tracking

groups (choose with group=choice)
{groups}

Every key, with its default: synthmill --cfg job. Explanations: docs/configuration.md"""


def help_text() -> str:
    """Returns the text of `synthmill --help`."""
    lines = [_wrapped(group, ", ".join(choices(group))) for group in groups()]
    return _TEXT.format(groups="\n".join(lines))


def _wrapped(group: str, listed: str) -> str:
    """Returns a group with its choices, on as many lines of a terminal as they take."""
    return textwrap.fill(listed, _WIDTH, initial_indent=f"  {group:<16}", subsequent_indent=" " * 18)
