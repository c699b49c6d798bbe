"""Secrets by name, by value and by form: what is one, what is none, and what is written in its place."""

from __future__ import annotations

import json
import logging
import re
from urllib.parse import quote, quote_plus

import pytest

from engine.runtime.secrets import (
    is_secret,
    is_secret_key,
    masked,
    redact_logs,
    redacted,
    redacted_argument,
    redacted_command,
    without_secrets,
)

SECRET = ("hf_token", "token", "HF_TOKEN", "api_key", "api-key", "openai_api_key", "password", "db_password", "secret")
SECRET += ("client_secret", "secret_access_key", "aws_secret_access_key", "access_token", "auth_token", "credentials")
NONE = ("max_tokens", "tokenizer", "tokenizer_mode", "pad_token", "eos_token", "stop_token", "image_token_id", "key")
SECRET += ("api_keys", "apiKey", "AccountKey", "SharedAccessKey", "clientSecret", "accessToken", "Authorization")
SECRET += ("proxy-authorization", "sas_token", "azure_storage_connection_string", "ssh_passphrase")
NONE += (
    "maxTokens",
    "padToken",
    "monkey_keys",
    "authorized",
    "author",
    "tokenizerMode",
    "account",
    "path",
    "pat",
    "pwd",
)
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


def test_whatever_is_under_the_name_of_a_secret_is_masked() -> None:
    config = {
        "api_key": ["planted-first", "planted-second", ""],
        "hf_token": 123456789,
        "headers": {"Authorization": "Bearer planted-third"},
        "credentials": {"user": "planted-user", "ports": (1, 2.5), "is_used": True, "none": None},
        "seen": ["planted-second", "it is 123456789", "planted-user", 123456789],
        "max_tokens": [1, 2],
        "tokens": 12345678,
    }
    assert masked(config) == {
        "api_key": ["***", "***", ""],
        "hf_token": "***",
        "headers": {"Authorization": "***"},
        "credentials": {"user": "***", "ports": ["***", "***"], "is_used": True, "none": None},
        "seen": ["***", "it is ***", "***", 123456789],
        "max_tokens": [1, 2],
        "tokens": 12345678,
    }


def test_names_that_a_user_chose_are_no_secrets() -> None:
    config = {
        "task": {
            "attributes": {
                "credentials": {"values": {"shared password": 1, "one-time code": 2.5}},
                "password": {"values": ["weak one", "strong one"]},
                "token": ["planted word"],
            },
            "exclude": [{"password": "weak one", "token": ["planted word"]}],
            "turns": {"secret": {"json_schema": {"properties": {"password": {"type": "string", "maxLength": 20}}}}},
            "prompt": "strong one wins, a shared password",
        },
        "examples": {"columns": {"query": "password"}, "where": {"auth_token": "some value"}},
        "model": {"controls": {"access_token": "long value"}},
        "written": {"password": {"prompt": "list some"}},
    }
    assert masked(config) == config
    config["samples"] = {"models": {"password": {"engine_args": {"hf_token": "planted-there", "load": {"seed": 1}}}}}
    assert masked(config)["samples"]["models"]["password"]["engine_args"] == {"hf_token": "***", "load": {"seed": 1}}
    assert {name: part for name, part in masked(config).items() if name != "samples"} == {
        name: part for name, part in config.items() if name != "samples"
    }
    for argument in ("task.attributes.password=[weak,strong]", "+task.attributes={password: {values: {a: 1}}}"):
        assert redacted_argument(argument) == argument
    assert redacted("no value in task.attributes.password=[weak,strong]") == (
        "no value in task.attributes.password=[weak,strong]"
    )
    assert redacted_argument("task.attributes={a: planted-my_key}") == "task.attributes={a: ***}"


def test_keys_of_secrets_are_those_of_libraries() -> None:
    secret = ("hf_token", "samples.engine_args.hf_token", "++samples.models.token.engine_args.api_key", "hydra/api_key")
    assert [key for key in secret if not is_secret_key(key)] == []
    none = ("task.attributes.password", "task.attributes.token.values", "samples.models.secret", "max_tokens")
    assert [key for key in none if is_secret_key(key)] == []


@pytest.mark.parametrize(
    "name", ["SSH_PASSPHRASE", "GITHUB_PAT", "MYSQL_PWD", "NPM_AUTH", "HF_TOKEN_WRITE", "SMTP_PASS"]
)
def test_a_variable_is_known_by_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "planted-1value")
    assert redacted("it was planted-1value") == "it was ***"
    assert masked({"seen": "planted-1value"}) == {"seen": "***"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("PWD", "/home/some-body"), ("OLDPWD", "/home/some-body"), ("OLD_PWD", "/home/some-body")],
        *[
            ("PATH", "/usr/bin:/bin"),
            ("HF_TOKEN_PATH", "/home/some-body"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/some"),
        ],
        *[
            ("PGSSL_AUTH", "required"),
            ("DATABASE_PASSWORD_FILE", "/run/secrets-1"),
            ("TOKENIZERS_PARALLELISM", "false123"),
        ],
        *[("RAY_AUTH_MODE", "token-mode"), ("SSH_AUTH_SOCK", "/tmp/agent.1234"), ("MAX_TOKENS", "12345678")],
    ],
)
def test_other_variables_are_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert redacted(f"it was {value}.") == f"it was {value}."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("TOKEN_PROVIDER", "data-bricks1"), ("API_KEY_HEADER", "X-Api-Key-2"), ("API_KEY_ENV", "MY_KEY_NUMBER_2")],
        *[("TOKEN_CACHE", "cache-of-2026"), ("TOKEN_ENDPOINT", "login.corp-1"), ("HF_HUB_TOKEN_USER", "researcher-1")],
        *[("TOKEN_AUDIENCE", "synthmill-1"), ("TOKEN_BUDGET", "100000000x"), ("PASSWORD_HASHERS", "argon2id")],
        *[("AWS_SECRET_NAME", "prod-db-1"), ("DB_PASSWORD", "postgres"), ("API_SECRET", "100000000")],
        *[("SSL_KEY", "/etc/ssl/My-Key1.pem"), ("SSH_KEY", "~/.ssh/id_rsa"), ("MY_TOKEN", "https://login.corp/oauth")],
        *[("PROXY_PASS", "http://proxy:3128"), ("VAULT_TOKEN", "OPENAI_API_KEY"), ("DATA_KEY", "/home/me/runs")],
    ],
)
def test_ordinary_values_of_variables_are_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert redacted(f"it was {value}.") == f"it was {value}."
    assert masked({"seen": f"{value}/demo"}) == {"seen": f"{value}/demo"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("AWS_SECRET_ACCESS_KEY", "/plantedSecretOfTheBucket/00000000000005"), ("SMTP_PASS", "abcdefghijklmnop")],
        *[("MY_TOKEN", "1234567890123456789"), ("API_KEY_2", "sk-planted1"), ("TOKEN_GITHUB", "ghp_planted1")],
        *[("WEBHOOK_SECRET", "https://hooks.corp/x?code=planted"), ("CLIENT_SECRET_ID", "planted-1")],
    ],
)
def test_values_of_the_forms_of_secrets_are_masked(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert redacted(f"it was {value}") == "it was ***"


def test_a_secret_is_found_as_urls_json_and_python_spell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = 'pl4nted/with+a "quote" é\nand a line'
    monkeypatch.setenv("MY_KEY", secret)
    spelled = [
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        re.sub("%..", lambda code: code[0].lower(), quote(secret)),
    ]
    spelled += [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]]
    for text in (secret, *spelled):
        assert redacted(f"it: <{text}>") == "it: <***>", text
        assert masked({"seen": f"it: <{text}>"}) == {"seen": "it: <***>"}
    assert masked({"password": "a b/c d+e", "seen": "x%3Da%20b%2Fc%20d%2Be"})["seen"] == "x%3D***"


def test_parts_of_a_connection_string_are_secrets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING", "AccountName=somebody;AccountKey=pl4nted==;EndpointSuffix=x.net"
    )
    assert redacted("somebody at x.net has pl4nted==") == "somebody at x.net has ***"


@pytest.mark.parametrize(
    ("arguments", "safe"),
    [
        (["a", "samples.engine_args.password=correct horse's battery"], "a 'samples.engine_args.password=***'"),
        (["+x.api_key=[planted, other]", "model.base=a b"], "'+x.api_key=***' 'model.base=a b'"),
        (["x.token=${oc.env:HF_TOKEN}", "collection=s3://b"], "'x.token=${oc.env:HF_TOKEN}' collection=s3://b"),
        (["samples.engine_args={hf_token: planted}", "b="], "'samples.engine_args={hf_token: ***}' b="),
    ],
)
def test_a_command_is_written_without_its_secrets(arguments: list[str], safe: str) -> None:
    assert redacted_command(arguments) == safe


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
        ("x.api_key=[sk-planted, sk-other] b=[1]", "x.api_key=[***] b=[1]"),
        ("{'api_key': ['planted'], 'b': ['c']}", "{'api_key': [***], 'b': ['c']}"),
        ("credentials={user: planted, key: planted} b", "credentials={***} b"),
        ("passphrase: 'two planted words' b", "passphrase: '***' b"),
        ('"password": "two planted words", "b": "c d"', '"password": "***", "b": "c d"'),
        (r"{\"api_key\": \"sk-planted\", \"b\": \"c\"}", r"{\"api_key\": \"***\", \"b\": \"c\"}"),
        ("synthmill 'x.password=two planted words' 'b=c d'", "synthmill 'x.password=***' 'b=c d'"),
        ("Authorization: Bearer sk-planted1234 b", "Authorization: *** b"),
        ("{'Authorization': 'Basic cGxhbnRlZDo=', 'b': 1}", "{'Authorization': '***', 'b': 1}"),
        ("sent Bearer sk-planted1234, and b", "sent Bearer ***, and b"),
        ("Protocol=https;AccountName=me;AccountKey=planted==", "Protocol=https;AccountName=me;AccountKey=***"),
        ("ValueError: hf_token=hf_planted1 is wrong", "ValueError: hf_token=*** is wrong"),
        ("error: a: password=planted", "error: a: password=***"),
        ("MlflowException: token=planted refused", "MlflowException: token=*** refused"),
        ("cmd: --hf-token=planted", "cmd: --hf-token=***"),
        ("KeyError: samples.engine_args.hf_token=planted", "KeyError: samples.engine_args.hf_token=***"),
        ("headers:\n  api_key: planted\n", "headers:\n  api_key: ***\n"),
        ("model: hf_token: planted", "model: hf_token: ***"),
        ("{'model': 'hf_token: planted'}", "{'model': 'hf_token: ***'}"),
        ("password=(planted) b", "password=(***) b"),
        ("key=a:password=planted", "key=a:password=***"),
        ("password=a'planted'c b", "password=*** b"),
        ("password: |\n  planted\nb: c", "password: ***\nb: c"),
        ("api_keys:\n- planted\n- planted2\nb: c", "api_keys:***\nb: c"),
        ("no password:\nTry again", "no password:\nTry again"),
        ("a=/data/token=1/x: is no folder", "a=/data/token=1/x: is no folder"),
        ("task.kind=password: no such kind", "task.kind=password: no such kind"),
        ("Bearer authentication/authorization is asked for", "Bearer authentication/authorization is asked for"),
        ("documents.path=/data/token: is no folder", "documents.path=/data/token: is no folder"),
        ("it's a token (of 'a b')", "it's a token (of 'a b')"),
        ("max_tokens=[1, 2] tokens: 'a b' key: {a: 1}", "max_tokens=[1, 2] tokens: 'a b' key: {a: 1}"),
        ("https://h/?token=${oc.env:HF_TOKEN}", "https://h/?token=${oc.env:HF_TOKEN}"),
        ("it was planted-client_secret_id", "it was ***"),
        ("hf_token=${oc.env:HF_TOKEN}", "hf_token=${oc.env:HF_TOKEN}"),
        ("http://host:80/a@b true", "http://host:80/a@b true"),
    ],
)
def test_a_text_is_redacted(text: str, safe: str) -> None:
    assert redacted(text) == safe


@pytest.mark.parametrize(
    "word",
    [
        "token=[",
        "token='",
        'token=\\"',
        "token={a:",
        "token: ",
        "Bearer 1",
        "aB",
        "a",
        "aB9-",
        "a:",
        "http:",
        "a:/",
        "a://b:",
        "?a=",
        "&",
        "a@",
        "'",
        "a:/b:'c",
        "a=",
        "a:b=",
        "a: ",
        "a:\n",
        "token=(",
        "token:\n- ",
        "token: |\n ",
        "a'b",
    ],
)
def test_a_long_word_is_read_once(word: str) -> None:
    """Encoded files are such words; at a cost that grows with the square this would take hours."""
    text = word * 300_000
    assert redacted(text) == text or "token" in word


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
