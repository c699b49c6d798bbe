"""Secrets by name, by value and by form: what is one, what is none, and what is written in its place."""

from __future__ import annotations

import logging

import pytest

from engine.runtime.secrets import is_secret, masked, redact_logs, redacted, without_secrets

SECRET = ("hf_token", "token", "HF_TOKEN", "api_key", "api-key", "openai_api_key", "password", "db_password", "secret")
SECRET += ("client_secret", "secret_access_key", "aws_secret_access_key", "access_token", "auth_token", "credentials")
NONE = ("max_tokens", "tokenizer", "tokenizer_mode", "pad_token", "eos_token", "stop_token", "image_token_id", "key")
NONE += ("context_tokens", "skip_tokenizer_init", "kv_cache_dtype", "max_num_batched_tokens", "keys", "tokens")


def test_names_of_secrets() -> None:
    assert [name for name in SECRET if not is_secret(name)] == []
    assert [name for name in NONE if is_secret(name)] == []


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "MY_KEY", "CLIENT_SECRET_ID", "DB_PASSWORD"):
        monkeypatch.setenv(name, f"planted-{name.lower()}")
    monkeypatch.setenv("SOME_TOKEN", "true")


def test_a_config_is_masked_by_name_by_value_and_in_urls() -> None:
    config = {
        "engine_args": {"hf_token": "planted-by-name", "dtype": "float32", "max_tokens": 3},
        "seen": ["again: planted-by-name", "planted-my_key", ("planted-db_password", 1.5, None)],
        "mirror": "https://me:planted-in-url@host:8080/path",
        "short": {"password": "abc"},
        "said": "abc is true",
        "hf_token": True,
        "token": "",
    }
    safe = masked(config)
    assert safe == {
        "engine_args": {"hf_token": "***", "dtype": "float32", "max_tokens": 3},
        "seen": ["again: ***", "***", ["***", 1.5, None]],
        "mirror": "https://***@host:8080/path",
        "short": {"password": "***"},
        "said": "abc is true",
        "hf_token": True,
        "token": "",
    }
    assert config["engine_args"] == {"hf_token": "planted-by-name", "dtype": "float32", "max_tokens": 3}


def test_a_secret_that_holds_another_is_masked_whole() -> None:
    assert masked({"api_key": "planted-hf_token-and-more", "text": "planted-hf_token-and-more"})["text"] == "***"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("samples.engine_args.hf_token=planted model.base=x", "samples.engine_args.hf_token=*** model.base=x"),
        ("{'hf_token': 'planted', 'dtype': 'auto'}", "{'hf_token': '***', 'dtype': 'auto'}"),
        (
            "samples.engine_args={hf_token: planted, max_tokens: 3}",
            "samples.engine_args={hf_token: ***, max_tokens: 3}",
        ),
        ("no answer from http://me:planted@proxy:3128", "no answer from http://***@proxy:3128"),
        ("https:/me:planted@host/runs/demo: is no run folder", "https:/***@host/runs/demo: is no run folder"),
        (r"collection=https\://me\:planted@host/runs", r"collection=https\://***@host/runs"),
        ("http://me:plan@ted@proxy:3128/x", "http://***@proxy:3128/x"),
        ("http://me:pl'ant\"ed<@host/x", "http://***@host/x"),
        ("{'a':'http://h:80','b':'me@host'}", "{'a':'http://h:80','b':'me@host'}"),
        ('{"a":"http://h:80","b":"me@host"}', '{"a":"http://h:80","b":"me@host"}'),
        ("cloning https://planted@host/me/model", "cloning https://***@host/me/model"),
        ("Ann,https://ann.org,ann@post.org", "Ann,https://ann.org,ann@post.org"),
        ("[page](https://ann.org);ann@post.org", "[page](https://ann.org);ann@post.org"),
        ("한국https://ann.org、ann@post.org", "한국https://ann.org、ann@post.org"),
        ("ssh://git@host/x az://container@account/x", "ssh://git@host/x az://container@account/x"),
        ("https://host/@me/page https://host:80/x, me@host", "https://host/@me/page https://host:80/x, me@host"),
        ("collection=https://host/x?v=1&token=planted", "collection=https://host/x?v=1&token=***"),
        (
            "https://b.s3.amazonaws.com/k?X-Amz-Credential=planted%2Fx&X-Amz-Date=1&X-Amz-Signature=planted#a",
            "https://b.s3.amazonaws.com/k?X-Amz-Credential=***&X-Amz-Date=1&X-Amz-Signature=***#a",
        ),
        (
            "[https://h/?sig=planted, https://h/?page=2&max_tokens=3]",
            "[https://h/?sig=***, https://h/?page=2&max_tokens=3]",
        ),
        ("https://h/?token=${oc.env:HF_TOKEN}", "https://h/?token=${oc.env:HF_TOKEN}"),
        ("it was planted-client_secret_id", "it was ***"),
        ("hf_token=${oc.env:HF_TOKEN}", "hf_token=${oc.env:HF_TOKEN}"),
        ("http://host:80/a@b true", "http://host:80/a@b true"),
    ],
)
def test_a_text_is_redacted(text: str, safe: str) -> None:
    assert redacted(text) == safe


@pytest.mark.parametrize("word", ["a", "aB9-", "a:", "http:", "a:/", "a://b:", "?a=", "&", "a@", "'", "a:/b:'c"])
def test_a_long_word_is_read_once(word: str) -> None:
    """Encoded files are such words; at a cost that grows with the square this would take hours."""
    text = word * 300_000
    assert redacted(text) == text


def test_a_fingerprint_leaves_secrets_out_and_the_environment_alone() -> None:
    given = {"hf_token": "planted", "pad_token": "<pad>", "list": [{"api_key": "planted"}, "planted-my_key"]}
    assert without_secrets(given) == {"pad_token": "<pad>", "list": [{}, "planted-my_key"]}
    assert without_secrets({"url": "s3://me:planted@host"}) == {"url": "s3://***@host"}
    assert without_secrets({"url": "https://host/x?sig=planted"}) == {"url": "https://host/x?sig=***"}


def test_logs_are_redacted(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogRecordFactory()
    try:
        redact_logs()
        first = logging.getLogRecordFactory()
        redact_logs()
        assert logging.getLogRecordFactory() is first, "once is enough"
        logging.getLogger("vllm").warning("non-default args: %s", {"hf_token": "planted", "seed": 3})
        defective = logging.getLogRecordFactory()("vllm", logging.INFO, __file__, 1, "not %d", ("a number",), None)
    finally:
        logging.setLogRecordFactory(before)
    assert [record.getMessage() for record in caplog.records] == ["non-default args: {'hf_token': '***', 'seed': 3}"]
    assert (defective.msg, defective.args) == ("not %d", ("a number",)), "whoever shows it tells what is wrong"
