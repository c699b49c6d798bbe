"""Drives one run: what is made already, what is still to do, in which folder, and what the person sees at the end.

In: a RunConfig. Out: a run folder whose entries link to finished steps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from engine.artifacts.output import OutputFolder
from engine.errors import UserError, suggest
from engine.examples.following.driver import Following
from engine.generation.kinds import check_models
from engine.generation.limits import check_memory_share
from engine.generation.pools import EnginePools
from engine.given.config import GivenConfig
from engine.output.files import write_file
from engine.pipeline.addressed import addressed
from engine.pipeline.config import (
    GIVEN_KEY,
    STAGES_KEY,
    RunConfig,
    has_documents,
    kinds_of,
    last_noun,
    nouns_of,
)
from engine.pipeline.earlier import BEFORE_RESULTS, EarlierResults
from engine.pipeline.encoding import naming_encoder
from engine.pipeline.looks import check_documents, look_at_inputs
from engine.pipeline.published import target_of
from engine.pipeline.steps import steps
from engine.pipeline.told import shown_folder, tell_of_folder, tell_of_kept, tell_of_models, tell_of_replaced
from engine.publishing.hub import reach
from engine.publishing.publish import publish
from engine.publishing.target import Target
from engine.runtime.console import Console
from engine.runtime.memory import MemorySampler
from engine.runtime.place import Engines, Place
from engine.runtime.step import ASKED, PART_FOLDERS, Step, is_made, make
from engine.runtime.trackers.make import make_tracker
from engine.runtime.tracking import Tracker
from engine.storage.files import make_folder, naming_a_full_disk
from engine.storage.in_use import using
from engine.storage.remote.address import is_url
from engine.storage.remote.opening import open_sharing, run_dir_here, runs_dir_here
from engine.storage.run_folders import (
    begin_run,
    end_run,
    hold_run,
    is_run,
    link,
    link_latest,
    remember_run,
    remove_if_empty,
)
from engine.storage.sharing import Sharing
from engine.storage.store import BATCH_NOUNS, NOUNS, Store, is_being_written
from engine.storage.typed import to_json_values
from engine.watch.curves import naming_curves
from engine.watch.metrics import serving_metrics
from engine.watch.monitor import Monitor
from engine.watch.shared import SharedStatus
from engine.watch.tracked import TrackedResults


def run(config: RunConfig, config_text: str, console: Console | None = None) -> Path:
    """Runs the pipeline up to `config.until`, skipping what is made; returns the run folder.

    Args:
        config: the run.
        config_text: the config as YAML, kept in the run folder.
        console: where the person looks; the terminal by default.
    """
    console = console or Console()
    shared = open_sharing(config.runs_dir, console.warn)
    run_dir = run_folder(config)
    chosen = wanted_steps(config)
    _look(config, chosen, shared, console)
    target = target_of(config)
    known = {step.fingerprint for step in chosen}  # what can be checked by looking is checked before anything changes
    target = reach(target) if target else None  # a token that is missing would show hours later
    with (
        hold_run(run_dir),
        naming_a_full_disk(run_dir),
        open_place(config, console, shared) as place,
        using(place.store_dir, known),
        SharedStatus(place).until_the_end(),  # behind the last word of the monitor
        Monitor(config.watch, place, chosen).watching() as monitor,  # it says last that the run has finished
        shared.holding_run(run_dir),
        TrackedResults(place, config.tracking, chosen).until_closed() as results,
        _ending(place.engines),
        serving_metrics(config.watch, place),
        Following(chosen, place).until_the_end() as following,
    ):
        tell_of_folder(config, place)
        shared.make_room(config.cluster.cache_bytes)
        tell_of_models(config, chosen, place.console)
        store = Store(place.store_dir)
        checked = _num_checking(chosen)
        first = sum(step.before_engines for step in chosen)
        for step in chosen[:first]:
            _make(step, config, place, monitor, chosen, results=results)
        _start_engines_early(chosen, store, place)
        for step in chosen[first:checked]:
            _make(step, config, place, monitor, chosen, results=results)
        earlier = _begin(config, config_text, (chosen, chosen[:checked]), place)
        shared.save_run()
        results.begin()
        monitor.begin()
        generating = [step for step in chosen if step.needs_engines]
        for step in chosen[max(first, checked) :]:
            if step.resumable:  # what it commits can be looked at while it works
                _link(step, store.reserve(step.noun, step.fingerprint), store, run_dir)
            with following.beside(step):
                folder = _make(step, config, place, monitor, chosen, results=results)
            with earlier.making_way(step):
                _link(step, folder, store, run_dir)
            shared.save_run()
            if generating and step is generating[-1]:
                place.engines.stop()  # what they hold, processors and memory, is the trainer's now
        _fetch_results(chosen, store, shared)
        _finish(config, run_dir, place, earlier)
        if target:
            _publish(published_folders(target, chosen, store), target, place)
    return run_dir


def _look(config: RunConfig, chosen: list[Step], shared: Sharing, console: Console) -> None:
    """Looks at what the user gave, unless all that is wanted was made of it: steps are known by what their files hold.

    Raises:
        UserError: as for `look_at_inputs`.
    """
    store = Store(shared.runs_dir / "store")
    if not all(shared.has(store.folder(step.noun, step.fingerprint)) for step in chosen):
        look_at_inputs(config, chosen, console.warn)


def _finish(config: RunConfig, run_dir: Path, place: Place, earlier: EarlierResults) -> None:
    """Writes the one file that was asked for, and says everywhere that the run has finished."""
    if config.samples.output and config.until == "output":
        write_file(OutputFolder(run_dir / "output"), Path(config.samples.output).expanduser())
        place.console.step("output", config.samples.output)
    link_latest(place.shared.runs_dir, run_dir)
    place.shared.end_run()
    if is_url(config.runs_dir):
        place.console.step("run", shown_folder(config, place))
    tell_of_replaced(earlier.replaced, config, place)


def _fetch_results(chosen: list[Step], store: Store, shared: Sharing) -> None:
    """Brings to this disk what a person is shown or may open: what comes after the examples, and the last step."""
    for step in chosen:
        if step is chosen[-1] or not (step.part_of or step.noun in BEFORE_RESULTS):
            shared.fetch(store.folder(step.noun, step.fingerprint))


def _publish(made: dict[str, Path], target: Target, place: Place) -> None:
    for folder in made.values():
        place.shared.fetch(folder)
    publish(target, made, place.console)


def published_folders(target: Target, chosen: list[Step], store: Store) -> dict[str, Path]:
    """Returns the folders that publishing reads, by noun: no others are fetched, however large they are."""
    whole = (step for step in chosen if not step.part_of and step.entry in target.nouns)
    return {step.entry: store.folder(step.noun, step.fingerprint) for step in whole}


def _make(
    step: Step, config: RunConfig, place: Place, monitor: Monitor, chosen: list[Step], *, results: TrackedResults
) -> Path:
    store = Store(place.store_dir)
    is_new = not is_made(step, store, place)
    folder = make(step, store, naming_curves(step, chosen, naming_encoder(step, place)))
    if isinstance(step.config, GivenConfig):  # a run that measures nothing on them may have made them
        step.config.check_held_out(place.shared.record(folder).record["validation"])
    monitor.has_made(step)
    results.track(step, folder, is_new=is_new)
    if step.entry == "documents":
        check_documents(config, folder, place, chosen)
    return folder


def run_folder(config: RunConfig) -> Path:
    """Returns the path of the run folder."""
    if config.run_dir:
        return run_dir_here(config.run_dir, config.runs_dir)
    path = config.prompts.path or config.collection or config.documents.path or config.examples.path
    source = Path(path).expanduser().absolute()
    name = f"{config.name}-{source.stem if source.is_file() else source.name}" if path else config.name
    return runs_dir_here(config.runs_dir) / name


def check_config(config: RunConfig, *, looks: bool = True) -> None:
    """Refuses what a config shows to be wrong, before anything is read.

    Args:
        config: the run.
        looks: whether files that it names may be looked at, which need not be on this machine otherwise.

    Raises:
        UserError: there is no such step, or the task and the generator's config name different models.
    """
    _check_input(config)
    nouns, until = nouns_of(config), last_noun(config)
    if until not in nouns:
        raise UserError(f"no step is called {until!r}", where=f"until={until}", remedy=suggest(until, nouns))
    if looks and "samples" in nouns:
        check_models(addressed(config).task, config.samples)
        check_memory_share(config.samples)


def wanted_steps(config: RunConfig) -> list[Step]:
    """Lists the steps up to and including `until`.

    Raises:
        UserError: what `check_config` refuses.
    """
    check_config(config)
    every, until = steps(config), last_noun(config)
    ends = [number for number, step in enumerate(every, 1) if step.entry == until]
    looks = until in {step.entry for step in every if step.checks_input}
    chosen = every[: ends[0] if looks else ends[-1]]  # rounds begin and end with samples
    return _without_unread_answers(chosen)


def _without_unread_answers(chosen: list[Step]) -> list[Step]:
    """Leaves out what models are asked for a report that is not made: it stands before the model, as engines do."""
    kept, read = list[Step](), set[str]()
    for step in reversed(chosen):
        if not step.part_of.startswith(f"{ASKED}/") or step.fingerprint in read:
            kept.append(step)
            read |= {source.fingerprint for source in step.inputs}
    return kept[::-1]


def _check_input(config: RunConfig) -> None:
    """Refuses two kinds of run at once, and keys that ask a kind of run for what it does not have."""
    if config.until in {*BATCH_NOUNS} - {*NOUNS} and not config.prompts.path:
        remedy = "set prompts.path=FILE, with a column `prompt` or `messages`"
        raise UserError("no file of prompts is named", where="prompts.path=''", remedy=remedy)
    if config.until == "report" and not has_documents(config) and not kinds_of(config):
        remedy = "set examples.path=FILE to train on examples alone, or collection=DIR or documents.path=PATH"
        raise UserError("neither examples nor documents are named", where="examples.path=''", remedy=remedy)
    if config.prompts.path and config.queries.path:
        remedy = "leave one of them out: a log says what queries about documents are like"
        what = f"is given beside prompts ({config.prompts.path})"
        raise UserError(what, where=f"queries.path={config.queries.path}", remedy=remedy)
    if {GIVEN_KEY, STAGES_KEY}.intersection(kinds := kinds_of(config)) and config.preview:
        remedy = f"leave it out{'; until=examples reads the file, and stops there' if GIVEN_KEY in kinds else ''}"
        raise UserError("shows prompts, and given examples have none", where=f"preview={config.preview}", remedy=remedy)
    if config.examples.weight is not None and (not config.examples.path or GIVEN_KEY in kinds):
        what = "weighs given examples against generated ones, and the run does not have both"
        remedy = "leave it out, or name both (examples.path, and collection or documents.path)"
        raise UserError(what, where=f"examples.weight={config.examples.weight}", remedy=remedy)
    if len(kinds) > 1:
        what = f"is given beside {', '.join(kinds[1:])}, and a run is for one of them"
        raise UserError(what, where=kinds[0], remedy="leave out all but one")
    if config.model.label:
        _check_label(config, kinds)
    if config.prompts.path and (documents := config.collection or config.documents.path):
        remedy = "leave one of them out: a run is about prompts or about documents"
        raise UserError(
            f"is given beside documents ({documents})", where=f"prompts.path={config.prompts.path}", remedy=remedy
        )


def _check_label(config: RunConfig, kinds: list[str]) -> None:
    """Refuses labels where nothing is labelled."""
    where = f"model.label={config.model.label}"
    if kinds:
        remedy = "leave it out: labels of a file are a column (examples.columns.labels)"
        raise UserError(f"conditions label generated texts, and {kinds[0]} has none", where=where, remedy=remedy)


@contextlib.contextmanager
def open_place(config: RunConfig, console: Console, shared: Sharing) -> Iterator[Place]:
    """Opens the place of a run; when the block ends, engines and tracker have ended."""
    run_dir = run_folder(config)
    tracker = make_tracker(config.tracking, run_dir, to_json_values(config), console.warn)
    engines = EnginePools(with_rests=sum(step.needs_engines for step in wanted_steps(config)) > 1)
    store_dir = shared.runs_dir / "store"
    make_folder(store_dir, where=f"runs_dir={config.runs_dir}")
    with MemorySampler().running() as memory, _closing(tracker), _ending(engines):
        yield Place(run_dir, store_dir, config.cluster, console, tracker, memory, engines, shared)


@contextlib.contextmanager
def _closing(tracker: Tracker) -> Iterator[None]:
    """Closes a tracker with the block; one that is closed stays as it is."""
    try:
        yield
    finally:
        tracker.finish()


@contextlib.contextmanager
def _ending(engines: Engines) -> Iterator[None]:
    """Ends engines with the block; those that have ended stay as they are."""
    try:
        yield
    finally:
        engines.stop()


def _num_checking(chosen: list[Step]) -> int:
    """Counts the steps before the run folder changes: up to the last that may refuse input, none of which generates."""
    checking = max(number for number, step in enumerate(chosen, 1) if step.checks_input)
    generating = (number for number, step in enumerate(chosen) if step.resumable)
    return min(checking, next(generating, checking))


def _start_engines_early(chosen: list[Step], store: Store, place: Place) -> None:
    """Loads the model that generates first, while documents are read and prompts are planned.

    Where another run is making a step that comes before, or the samples themselves, it may make these too: engines of
    this run would be loaded for nothing, and take the other's processors and memory. Those of a run that meets it only
    later end then (`engine.runtime.step.make`).
    """
    for step in (step for step in chosen if not is_made(step, store, place)):
        if is_being_written(store.folder(step.noun, step.fingerprint)):
            return
        if step.needs_engines:
            number = store.count_start(step.noun, step.fingerprint)
            salt = f"{step.fingerprint}/early-{number}/{place.shared.here}"  # of no attempt
            place.engines.start(step.config, place, salt.rstrip("/"))
            return


def _begin(config: RunConfig, config_text: str, chosen: tuple[list[Step], list[Step]], place: Place) -> EarlierResults:
    """Begins to change the run folder, once everything that can refuse the input has passed.

    Args:
        config: the run.
        config_text: its config as YAML.
        chosen: the steps that are wanted, and those of them that are made.
        place: where the run lies.

    Returns:
        The results of an earlier config that stay until the new ones are made.
    """
    run_dir, (wanted, made) = place.run_dir, chosen
    begin_run(run_dir, config_text)
    place.tracker.begin()
    remember_run(place.store_dir, run_dir)
    link(run_dir, "logs", place.logs())
    every = steps(config)
    earlier = EarlierResults(run_dir, every, wanted, place.shared)
    tell_of_kept(earlier.kept, config, place)
    for folder in PART_FOLDERS:
        parts = {Path(step.part_of).name for step in every if step.part_of.startswith(f"{folder}/")}
        _begin_parts(run_dir / folder, parts, config_text)
    store = Store(place.store_dir)
    for step in made:
        with earlier.making_way(step):
            _link(step, store.folder(step.noun, step.fingerprint), store, run_dir)
    return earlier


def _begin_parts(folder: Path, parts: set[str], config_text: str) -> None:
    """Makes a run folder for each part of round 0 or judge, and removes those of parts that an earlier config had."""
    for part in sorted(parts):
        make_folder(folder / part, where=f"run_dir={folder.parent}")
        begin_run(folder / part, config_text)
    for earlier in [entry for entry in folder.glob("*") if entry.name not in parts and is_run(entry)]:
        end_run(earlier)
    remove_if_empty(folder)


def _link(step: Step, folder: Path, store: Store, run_dir: Path) -> None:
    entry = run_dir / step.entry
    for source in step.inputs if step.part_of else ():  # a part is whole: it can be traced by itself
        link(entry.parent, source.noun, store.folder(source.noun, source.fingerprint))
    link(entry.parent, entry.name, folder)
