"""vLLM behind the interface of a generator: the only module that imports it, so its changes end here.

In: a model's config and where its files lie. Out: an engine that is driven step by step, with the arguments and the
environment that it is started with. Arguments that the user sets win over all others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.generation.generator import Finished, Request, Weights, Written, finished_scores, prompt_hash
from engine.generation.scorer import ForwardPass, PassResult, Scorer, TokenScores, continuation_tokens
from engine.models.adapter import adapter_rank
from engine.models.chat_template import CHAT_OPTIONS
from engine.models.precision import Precision, has_fast_bf16
from engine.task.render import Messages
from engine.task.sampling import RANGES
from engine.task.scores import Score, Scores, Scoring

if TYPE_CHECKING:
    from engine.generation.config import GeneratorConfig

GPU_SHARE = 0.92
"""vLLM's default of `gpu_memory_utilization`."""
SLEEP_MODE = "enable_sleep_mode"
"""The argument of `vllm.LLM` with which an engine is loaded so that it can sleep; vLLM has that on GPUs only."""
_CPU_BLOCK_TOKENS, _GPU_BLOCK_TOKENS = 128, 16
"""What a block of its KV cache holds where nobody says otherwise."""


def engine_environment(config: GeneratorConfig, num_cpus: int) -> dict[str, str]:
    """Returns the environment of an engine's process, which vLLM and its math libraries read before they start.

    On CPU the engine lives in the actor's process: no child can outlive it, and every core computes (vLLM's own
    binding would leave one out).
    """
    if config.gpus():
        return {"VLLM_WORKER_MULTIPROC_METHOD": "spawn"}
    return {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(num_cpus),
        "VLLM_CPU_CI_ENV": "0",
    }


class VllmGenerator:
    """vLLM's engine core, driven step by step with the defaults of `vllm.LLM`.

    Args:
        config: how the model samples, and its limits.
        weights: where its files lie.
        seed: where its random draws begin.
    """

    def __init__(self, config: GeneratorConfig, weights: Weights, seed: int) -> None:
        from vllm import LLM
        from vllm.exceptions import VLLMValidationError
        from vllm.lora.request import LoRARequest
        from vllm.platforms import current_platform

        self._refusal = VLLMValidationError
        adapter, arguments = weights.adapter, engine_arguments(config, seed, weights.model)
        self.can_sleep = bool(arguments.pop(SLEEP_MODE, False)) and bool(current_platform.is_sleep_mode_available())
        if self.can_sleep:
            arguments[SLEEP_MODE] = True
        self._llm = LLM(model=weights.model, **lora_arguments(adapter), **arguments)
        self._lora = LoRARequest("samples.lora", 1, adapter) if adapter else None
        self._engine = self._llm.llm_engine
        self._config = config
        self._tokenizer = self._llm.get_tokenizer()
        self.cache_tokens = self._engine.vllm_config.cache_config.kv_cache_size_tokens or 0
        """Tokens that the KV cache holds, which decide how many prefixes stay in it."""
        self._scorer = Scorer(self._send_pass, self._engine.vllm_config.model_config.max_model_len)
        self._passes: dict[str, ForwardPass] = {}
        self._scored: dict[str, Request] = {}

    def add(self, request: Request) -> str:
        """Admits a request; see Generator."""
        thinking = self._config.thinking and not request.scoring
        text, prompt = model_input(request.prompt, self._tokenizer, thinking=thinking)
        if not text.strip():
            raise ValueError("the prompt is empty")
        try:
            if request.scoring:
                self._score(request, request.scoring, prompt)
            else:
                self._engine.add_request(request.request_id, prompt, self._sampling(request), lora_request=self._lora)
        except self._refusal as error:
            raise ValueError(str(error)) from error
        return prompt_hash(text)

    def _sampling(self, request: Request) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        sampling = request.sampling
        return SamplingParams(
            n=request.n,
            **{name: getattr(sampling, name) for name in RANGES},
            stop=list(sampling.stop) or None,
            structured_outputs=StructuredOutputsParams(**sampling.structured) if sampling.structured else None,
            logprobs=0 if self._config.logprobs else None,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _score(self, request: Request, scoring: Scoring, prompt: str | dict[str, Any]) -> None:
        tokens = self._tokenizer.encode(prompt) if isinstance(prompt, str) else prompt["prompt_token_ids"]
        continuations = [continuation_tokens(text, self._tokenizer) for text in scoring.continuations]
        self._scorer.add(request.request_id, tokens, continuations, whole=scoring.prompt)
        self._scored[request.request_id] = request

    def _send_pass(self, sent: ForwardPass) -> None:
        self._engine.add_request(
            sent.pass_id, {"prompt_token_ids": sent.tokens}, pass_parameters(sent), lora_request=self._lora
        )
        self._passes[sent.pass_id] = sent

    def step(self) -> list[Finished]:
        """Advances the batch by one step; see Generator."""
        finished = []
        for output in self._engine.step():
            if not output.finished:
                continue
            if output.request_id not in self._passes:
                finished.append(finished_request(output))
            elif scores := self._scorer.take(pass_result(output, self._passes.pop(output.request_id))):
                finished.append(scored_request(self._scored.pop(scores.request_id), scores))
        return finished

    def num_unfinished(self) -> int:
        """Returns the number of requests that are admitted and not finished; see Generator."""
        return int(self._engine.get_num_unfinished_requests())

    def counters(self) -> dict[str, int]:
        """Returns the engine's prefix cache counters, in tokens; see Generator."""
        counters = {"vllm:prefix_cache_queries": 0, "vllm:prefix_cache_hits": 0}
        for metric in self._llm.get_metrics():
            if metric.name in counters:
                counters[metric.name] += int(metric.value)
        return {name.removeprefix("vllm:"): value for name, value in counters.items()}

    def sleep(self) -> None:
        """Moves the weights to the machine's memory and drops the KV cache; see Generator."""
        self._llm.sleep(level=1)

    def wake(self) -> None:
        """Moves the weights back, and has an empty KV cache; see Generator."""
        self._llm.wake_up()


def model_input(prompt: str | Messages, tokenizer: Any, *, thinking: bool = False) -> tuple[str, str | dict[str, Any]]:
    """Makes of a prompt what the model reads, and what vLLM takes.

    vLLM puts the tokens that the tokenizer begins a text with (Llama's and Gemma's BOS) before what it is given as
    text. A chat template writes them itself, so a chat is handed over as token ids, made without adding any.

    Args:
        prompt: text, or messages that go through the model's chat template.
        tokenizer: of the model, as transformers loads it.
        thinking: whether a model that can think first is to do so.

    Returns:
        The text, and a prompt of vLLM's: the same text, or its tokens.
    """
    if isinstance(prompt, str):
        return prompt, prompt
    text = tokenizer.apply_chat_template(prompt, tokenize=False, **CHAT_OPTIONS | {"enable_thinking": thinking})
    assert isinstance(text, str), "a chat template renders to one string"
    return text, {"prompt_token_ids": tokenizer.encode(text, add_special_tokens=False), "prompt": text}


def block_tokens(config: GeneratorConfig) -> int:
    """Returns the tokens that a block of the prefix cache is taken to hold before an engine is loaded, which knows it.

    It is `samples.engine_args.block_size`, or else what vLLM takes for a model with ordinary attention. Where GPUs are
    left open (`samples.gpus_per_engine=-1`), this machine stands for those of a cluster.
    """
    given = config.engine_args.get("block_size")
    usual = _GPU_BLOCK_TOKENS if config.gpus() else _CPU_BLOCK_TOKENS
    return given if isinstance(given, int) and given > 0 else usual


def gpu_share(config: GeneratorConfig) -> float:
    """Returns the share of a GPU's memory that vLLM takes by default.

    Engines that share a GPU share that equally, and so do the models of one engine.
    """
    return round(GPU_SHARE * min(1.0, config.gpus() or 1.0) / (1 + len(config.models)), 3)


def engine_arguments(config: GeneratorConfig, seed: int, model: str = "") -> dict[str, Any]:
    """Makes the arguments of `vllm.LLM` beside the model; those of `samples.engine_args` win over all others.

    Args:
        config: of the engine.
        seed: where its random draws begin.
        model: the folder of the weights, which tells whether they are quantised; empty where that is not asked.
    """
    arguments: dict[str, Any] = {
        "max_model_len": config.context_tokens,
        "max_num_seqs": config.max_num_seqs,
        "max_num_batched_tokens": config.max_num_batched_tokens,
        "seed": seed,
        "disable_log_stats": False,
        "enable_prefix_caching": True,
        "trust_remote_code": False,
    }
    if config.gpus():
        arguments["tensor_parallel_size"] = max(1, int(config.gpus()))
        if config.models or config.gpus() < 1:
            arguments["gpu_memory_utilization"] = gpu_share(config)
        if config.gpus() > 1:
            arguments["distributed_executor_backend"] = "mp"  # in a placement group vLLM would ask Ray for more GPUs
    else:
        # An explicit cache size and eager mode skip warm-up and compilation, which small CPU jobs never earn back.
        arguments |= {"kv_cache_memory_bytes": config.kv_cache_bytes, "enforce_eager": True}
    if dtype := engine_dtype(config, model):
        arguments["dtype"] = dtype
    return arguments | dict(config.engine_args)


def engine_dtype(config: GeneratorConfig, model: str) -> str:
    """Returns vLLM's name of the precision that an engine computes in; empty where that of the weights is taken.

    Args:
        config: of the engine.
        model: the folder of the weights. `auto` leaves quantised ones as they are: their kernels take no fp32.
    """
    precision = Precision(config.precision)
    if precision is Precision.auto and (config.gpus() or has_fast_bf16("cpu") or _is_quantised(config, model)):
        return ""
    return "bfloat16" if precision is Precision.bf16 else "float32"


def _is_quantised(config: GeneratorConfig, model: str) -> bool:
    """Tells whether weights are quantised (AWQ, GPTQ, fp8), by their config.json or by `samples.engine_args`."""
    if config.engine_args.get("quantization"):
        return True
    file = Path(model) / "config.json"
    return file.is_file() and bool(json.loads(file.read_text(encoding="utf-8")).get("quantization_config"))


def lora_arguments(adapter: str) -> dict[str, Any]:
    """Makes the arguments of `vllm.LLM` that make room for one adapter; none where there is none."""
    return {"enable_lora": True, "max_loras": 1, "max_lora_rank": adapter_rank(Path(adapter))} if adapter else {}


def finished_request(output: Any) -> Finished:
    """Turns what vLLM gives for a request (`vllm.RequestOutput`) into what the loop takes."""
    samples = [
        Written(
            text=completion.text,
            output_tokens=len(completion.token_ids),
            logprob=_mean_logprob(completion.cumulative_logprob, len(completion.token_ids)),
            finish_reason=completion.finish_reason or "",
        )
        for completion in output.outputs
    ]
    return Finished(output.request_id, len(output.prompt_token_ids or ()), output.num_cached_tokens or 0, samples)


def pass_parameters(sent: ForwardPass) -> Any:
    """Makes vLLM's `SamplingParams` of a forward pass: one token is drawn, and thrown away.

    With `prompt_logprobs`, vLLM does not read its prefix cache unless it is told to.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        max_tokens=1,
        temperature=0.0,
        logprob_token_ids=list(sent.next_tokens),
        prompt_logprobs=0 if sent.asks_for_tokens else None,
        skip_reading_prefix_cache=not sent.may_read_cache,
        flat_logprobs=True,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def pass_result(output: Any, sent: ForwardPass) -> PassResult:
    """Reads what vLLM gave for a forward pass.

    A position is computed from the token before it. Where that one came from the cache, vLLM's model runner on CPU
    returns memory that nobody has written to, and the one on GPUs (V2) leaves the position out, so that its list is
    shorter. So the list is read from its end, and only where something was computed.

    Args:
        output: a `vllm.RequestOutput`.
        sent: the pass that it answers.
    """
    cached = output.num_cached_tokens or 0
    logprobs: list[float | None] = [None] * len(sent.tokens) if sent.asks_for_tokens else []
    given = output.prompt_logprobs or []
    left_out = len(logprobs) - len(given)
    for position in range(max(sent.first, cached + 1, left_out + 1), len(logprobs)):
        of_token = given[position - left_out].get(sent.tokens[position])
        logprobs[position] = of_token and of_token.logprob
    [behind] = output.outputs[0].logprobs
    next_logprobs = {token: behind[token].logprob for token in sent.next_tokens}
    return PassResult(sent.pass_id, logprobs, next_logprobs, cached)


def scored_request(request: Request, scores: TokenScores) -> Finished:
    """Turns the scores of tokens into what the loop takes."""
    assert request.scoring, "only a request that asks for scores is scored"
    texts = zip(request.scoring.continuations, scores.continuations, strict=True)
    continuations = tuple(Score(text, sum(logprobs), len(logprobs)) for text, logprobs in texts)
    read = Scores(continuations, tuple(scores.prompt))
    return finished_scores(request, read, scores.prompt_tokens, scores.cached_tokens)


def _mean_logprob(total: float | None, count: int) -> float:
    return float("nan") if total is None or not count else total / count
