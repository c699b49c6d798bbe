"""What vLLM is told, and what is read from it; no engine is started here."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.generation.config import GeneratorConfig
from engine.generation.generator import Request
from engine.generation.scorer import ForwardPass, TokenScores
from engine.generation.vllm_generator import (
    block_tokens,
    engine_arguments,
    engine_environment,
    finished_request,
    gpu_share,
    model_input,
    pass_parameters,
    pass_result,
    scored_request,
)
from engine.task.sampling import Sampling
from engine.task.scores import Score, Scores, Scoring
from tests.support.tokenizers import LLAMA_CHAT, llama_tokenizer

ON_CPU = GeneratorConfig(seed=0, gpus_per_engine=0)
ON_GPU = GeneratorConfig(seed=0, gpus_per_engine=2)


def test_an_engine_on_cpu_starts_small_and_eager() -> None:
    assert engine_arguments(replace(ON_CPU, precision="bf16"), 3) == {
        "dtype": "bfloat16",
        "max_model_len": 2048,
        "max_num_seqs": 64,
        "max_num_batched_tokens": 4096,
        "seed": 3,
        "disable_log_stats": False,
        "enable_prefix_caching": True,
        "trust_remote_code": False,
        "kv_cache_memory_bytes": 2 * 2**30,
        "enforce_eager": True,
    }


def test_an_engine_on_gpus_is_left_to_vllm() -> None:
    arguments = engine_arguments(ON_GPU, 3)
    assert arguments["tensor_parallel_size"] == 2
    assert arguments["distributed_executor_backend"] == "mp"
    assert not arguments.keys() & {"kv_cache_memory_bytes", "enforce_eager"}


def test_the_users_arguments_win() -> None:
    own = {"enforce_eager": False, "max_model_len": 99, "dtype": "float32"}
    arguments = engine_arguments(replace(ON_CPU, engine_args=own), 3)
    assert own.items() <= arguments.items()
    assert arguments["seed"] == 3


@pytest.mark.parametrize(
    ("precision", "fast", "dtype"),
    [
        ("auto", True, ""),
        ("auto", False, "float32"),
        ("bf16", True, "bfloat16"),
        ("bf16", False, "bfloat16"),
        ("fp32", True, "float32"),
    ],
)
def test_a_cpu_without_bf16_computes_in_single_precision(
    monkeypatch: pytest.MonkeyPatch, precision: str, fast: bool, dtype: str
) -> None:
    monkeypatch.setattr("engine.generation.vllm_generator.has_fast_bf16", lambda device: fast and device == "cpu")
    assert engine_arguments(replace(ON_CPU, precision=precision), 3).get("dtype", "") == dtype


def test_quantised_weights_keep_their_precision_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.generation.vllm_generator.has_fast_bf16", lambda _: False)
    (tmp_path / "config.json").write_text('{"torch_dtype": "float16"}')
    assert engine_arguments(ON_CPU, 3, str(tmp_path))["dtype"] == "float32"
    assert "dtype" not in engine_arguments(replace(ON_CPU, engine_args={"quantization": "fp8"}), 3, str(tmp_path))
    (tmp_path / "config.json").write_text('{"quantization_config": {"quant_method": "awq"}}')
    assert "dtype" not in engine_arguments(ON_CPU, 3, str(tmp_path))
    assert engine_arguments(replace(ON_CPU, precision="fp32"), 3, str(tmp_path))["dtype"] == "float32"


def test_a_gpu_computes_in_the_precision_of_the_weights_unless_told() -> None:
    assert "dtype" not in engine_arguments(ON_GPU, 3)
    assert engine_arguments(replace(ON_GPU, precision="fp32"), 3)["dtype"] == "float32"


@pytest.mark.slow
def test_vllm_knows_every_argument() -> None:
    from vllm.engine.arg_utils import EngineArgs

    for config in (ON_CPU, ON_GPU):
        assert set(engine_arguments(config, 3)) <= set(EngineArgs.__dataclass_fields__)


def test_an_engine_on_cpu_lives_in_one_process_with_its_threads() -> None:
    environment = engine_environment(ON_CPU, 6)
    assert environment["OMP_NUM_THREADS"] == "6"
    assert environment["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert environment["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert engine_environment(ON_GPU, 6) == {"VLLM_WORKER_MULTIPROC_METHOD": "spawn"}


def output(**values: object) -> SimpleNamespace:
    completion = SimpleNamespace(text=" a b", token_ids=[1, 2, 3, 4], cumulative_logprob=-2.0, finish_reason="stop")
    empty = SimpleNamespace(text="", token_ids=[], cumulative_logprob=0.0, finish_reason="length")
    plain = SimpleNamespace(text="x", token_ids=[1], cumulative_logprob=None, finish_reason=None)
    whole = {
        "request_id": "5",
        "prompt_token_ids": [1, 2, 3],
        "num_cached_tokens": 2,
        "outputs": [completion, empty, plain],
    }
    return SimpleNamespace(**{**whole, **values})


def test_reads_every_sample_of_a_request() -> None:
    finished = finished_request(output())
    assert (finished.request_id, finished.prompt_tokens, finished.cached_tokens) == ("5", 3, 2)
    first, second, third = finished.samples
    assert (first.text, first.output_tokens, first.logprob, first.finish_reason) == (" a b", 4, -0.5, "stop")
    assert (second.output_tokens, second.finish_reason) == (0, "length")
    assert math.isnan(second.logprob)
    assert math.isnan(third.logprob)
    assert third.finish_reason == ""


def test_a_request_without_counts_has_none() -> None:
    finished = finished_request(output(prompt_token_ids=None, num_cached_tokens=None))
    assert (finished.prompt_tokens, finished.cached_tokens) == (0, 0)


def test_blocks_are_those_of_the_processor_unless_the_user_says_otherwise() -> None:
    assert (block_tokens(ON_CPU), block_tokens(ON_GPU)) == (128, 16)
    assert block_tokens(replace(ON_CPU, engine_args={"block_size": 32})) == 32
    assert block_tokens(replace(ON_CPU, engine_args={"block_size": None})) == 128, "as vLLM reads it"


def test_models_of_one_engine_share_a_gpu() -> None:
    assert gpu_share(ON_GPU) == 0.92
    half = replace(ON_GPU, gpus_per_engine=0.5)
    arguments = engine_arguments(half, 0)
    assert (arguments["gpu_memory_utilization"], arguments["tensor_parallel_size"]) == (0.46, 1)
    assert "distributed_executor_backend" not in arguments
    assert gpu_share(replace(half, models={"judge": {"model": "large"}})) == 0.23
    assert gpu_share(replace(ON_GPU, models={"judge": {"model": "large"}})) == 0.46


MESSAGES = [{"role": "user", "content": "Who dances?"}, {"role": "assistant", "content": "bees"}]


def test_a_chat_begins_with_one_bos_token() -> None:
    tokenizer = llama_tokenizer(LLAMA_CHAT)
    bos = tokenizer.bos_token_id
    text, prompt = model_input(MESSAGES, tokenizer)
    assert text == "<s>[user]Who dances?[assistant]bees[assistant]", "the template writes it"
    assert isinstance(prompt, dict)
    assert prompt["prompt_token_ids"].count(bos) == 1
    assert prompt["prompt_token_ids"][0] == bos
    assert tokenizer.decode(prompt["prompt_token_ids"]) == text == prompt["prompt"]
    assert tokenizer(text)["input_ids"].count(bos) == 2, "what a tokenizer makes of it as a text"


def test_a_chat_whose_template_writes_no_bos_token_gets_none() -> None:
    tokenizer = llama_tokenizer(LLAMA_CHAT.replace("{{ bos_token }}", ""))
    _, prompt = model_input(MESSAGES, tokenizer)
    assert isinstance(prompt, dict)
    assert tokenizer.bos_token_id not in prompt["prompt_token_ids"], "as apply_chat_template makes its tokens"
    assert prompt["prompt_token_ids"] == tokenizer.apply_chat_template(
        MESSAGES, add_generation_prompt=True, return_dict=False
    )


def test_a_completion_is_text_that_vllm_begins_as_the_tokenizer_says() -> None:
    assert model_input("Bees dance", llama_tokenizer(LLAMA_CHAT)) == ("Bees dance", "Bees dance")


def test_a_model_without_a_chat_template_refuses_a_chat() -> None:
    with pytest.raises(ValueError, match="chat template"):
        model_input(MESSAGES, llama_tokenizer(""))


def test_a_model_thinks_only_when_it_is_asked_to() -> None:
    tokenizer = llama_tokenizer("{{ messages[0].content }}{% if enable_thinking is false %}<none>{% endif %}")
    assert model_input(MESSAGES, tokenizer)[0] == "Who dances?<none>"
    assert model_input(MESSAGES, tokenizer, thinking=True)[0] == "Who dances?"


def logprobs(*entries: dict[int, float] | None) -> list[dict[int, SimpleNamespace] | None]:
    """Log-probabilities as vLLM gives them, by position and token."""
    return [entry and {token: SimpleNamespace(logprob=value) for token, value in entry.items()} for entry in entries]


def test_a_position_that_came_from_the_cache_is_not_read() -> None:
    """Positions 4 and 5 were computed, behind the token at 3; at others stands memory of earlier requests."""
    sent = ForwardPass("r:1", [7, 8, 9, 10, 11, 12], (13, 14), first=2)
    answer = output(
        request_id="r:1",
        num_cached_tokens=3,
        prompt_logprobs=logprobs(None, {8: -99.0}, {9: -99.0}, {10: -99.0}, {11: -1.0}, {12: -2.0}),
        outputs=[SimpleNamespace(logprobs=logprobs({5: -0.1, 13: -3.0, 14: -4.0}))],
    )
    result = pass_result(answer, sent)
    assert result.logprobs == [None, None, None, None, -1.0, -2.0]
    assert result.next_logprobs == {13: -3.0, 14: -4.0}
    assert result.cached_tokens == 3


def test_a_list_that_leaves_out_what_came_from_the_cache_is_read_from_its_end() -> None:
    """The same as vLLM's other model runner gives it; and nothing at all, where the last block was in the cache."""
    sent = ForwardPass("r:1", [7, 8, 9, 10, 11, 12], (13,), first=2)
    behind = [SimpleNamespace(logprobs=logprobs({13: -3.0}))]
    some = output(num_cached_tokens=3, prompt_logprobs=logprobs(None, {11: -1.0}, {12: -2.0}), outputs=behind)
    assert pass_result(some, sent).logprobs == [None, None, None, None, -1.0, -2.0]
    for empty in ([None], []):
        none = output(num_cached_tokens=5, prompt_logprobs=empty, outputs=behind)
        assert pass_result(none, sent).logprobs == [None] * 6


def test_a_position_that_holds_another_token_was_never_written() -> None:
    sent = ForwardPass("r:1", [7, 8, 9], (13,), first=1)
    answer = output(
        num_cached_tokens=0,
        prompt_logprobs=logprobs(None, {0: 0.0}, {9: -2.0}),
        outputs=[SimpleNamespace(logprobs=logprobs({13: -3.0}))],
    )
    assert pass_result(answer, sent).logprobs == [None, None, -2.0]


def test_a_pass_that_asks_only_for_what_comes_next_reads_nothing_else() -> None:
    sent = ForwardPass("r:1", [7, 8, 9], (13,), first=3)
    answer = output(prompt_logprobs=None, outputs=[SimpleNamespace(logprobs=logprobs({13: -3.0}))])
    assert pass_result(answer, sent).logprobs == []


def test_scores_of_tokens_become_those_of_texts_for_every_sample() -> None:
    request = Request("r", "P", 2, Sampling(1.0, 1.0, 1), scoring=Scoring((" yes", " no"), prompt=True))
    finished = scored_request(request, TokenScores("r", [[-1.0], [-2.0, -3.0]], [None, -0.5], 9, 4))
    assert (finished.request_id, finished.prompt_tokens, finished.cached_tokens) == ("r", 9, 4)
    assert [sample.scores for sample in finished.samples] == [
        Scores((Score(" yes", -1.0, 1), Score(" no", -5.0, 2)), (None, -0.5))
    ] * 2
    assert {(sample.text, sample.output_tokens, sample.finish_reason) for sample in finished.samples} == {
        ("", 0, "stop")
    }


@pytest.mark.slow
def test_vllm_reads_its_cache_but_where_every_token_is_asked_for() -> None:
    behind, inside = ForwardPass("a", [1, 2], (3,), first=2), ForwardPass("b", [1, 2, 3], (4, 5), first=2)
    whole = ForwardPass("c", [1, 2, 3], (4,), first=1)
    read = [pass_parameters(sent) for sent in (behind, inside, whole)]
    assert [each.skip_reading_prefix_cache for each in read] == [False, False, True]
    assert [each.prompt_logprobs for each in read] == [None, 0, 0]
    assert [each.logprob_token_ids for each in read] == [[3], [4, 5], [4]]
    assert {(each.max_tokens, each.temperature) for each in read} == {(1, 0.0)}
