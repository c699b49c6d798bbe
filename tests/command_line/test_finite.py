"""No setting of a run takes nan or infinity, and each is named by its key."""

from __future__ import annotations

import copy

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from engine.command_line.compose import CONFIG_NAME, load_config, register, typed
from engine.command_line.finite import check_finite
from engine.command_line.groups import CONF
from engine.command_line.schema import annotated_type, keys_of, run_schema
from engine.errors import UserError

FLOATS = [key for key in keys_of(run_schema()) if annotated_type(key.split(".")) is float]


@pytest.fixture(scope="module")
def composed() -> DictConfig:
    """The config of a run without any override."""
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(CONFIG_NAME)


def test_the_schema_has_settings_that_are_no_whole_numbers() -> None:
    assert {"report.bm25_k1", "samples.temperature", "system.weight"} < set(FLOATS)


def test_a_run_as_it_is_composed_is_finite(composed: DictConfig) -> None:
    check_finite(composed)


@pytest.mark.parametrize("key", FLOATS)
def test_every_setting_that_is_no_whole_number_is_refused_where_it_is_not_finite(
    composed: DictConfig, key: str
) -> None:
    for number in (float("nan"), float("inf"), float("-inf")):
        config = copy.deepcopy(composed)
        OmegaConf.update(config, key, number)
        with pytest.raises(UserError) as caught:
            typed(config)
        said = f"{key}={number}: {number} is no finite number; set it to a finite number"
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("report.bm25_k1=nan", "report.bm25_k1=nan"),
        ("samples.price_per_gpu_hour=inf", "samples.price_per_gpu_hour=inf"),
        ("learning_curve.shares=[0.5,nan]", "learning_curve.shares=nan"),
        ("+samples.models.judge={model: x, temperature: -inf}", "samples.models.judge.temperature=-inf"),
        ("+samples.engine_args.swap_space=nan", "samples.engine_args.swap_space=nan"),
    ],
)
def test_what_is_written_is_named_also_where_the_schema_is_open(override: str, where: str) -> None:
    with pytest.raises(UserError, match="is no finite number") as caught:
        load_config([override])
    assert caught.value.where == where


@pytest.mark.parametrize("override", ["model.label=nan", "task.exclude=[{lang: nan}]"])
def test_a_text_that_reads_as_no_number_is_to_be_quoted(override: str) -> None:
    with pytest.raises(UserError) as caught:
        load_config([override])
    assert caught.value.remedy == "set it to a finite number, or quote it where it is a text: '\"nan\"'"
    check_finite(OmegaConf.create({"model": {"label": "nan"}}))
