"""Secrets that must not be written: which settings and variables hold one, and configs and texts without them.

In: configs as nested mappings, texts, the environment. Out: the same with a mask in place of each secret. A setting
is known by its name (`hf_token`, `api_key`), a variable of the environment too (`HF_TOKEN`), and a URL by its form
(`https://user:password@host`, also as a path, with one slash less) or by what it asks with (`?token=...`, the signature
of a signed one). A value is found as it is, and as URLs
and JSON spell it. The running config keeps what is masked here.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
"""What is written in place of a secret."""
_KINDS_OF_KEYS = "api|access|secret|private|auth|account|signing|encryption"
_SECRET_NAME = re.compile(
    rf"(?:^|_)(?:password|passwd|passphrase|secret|credentials?|(?:{_KINDS_OF_KEYS})_?keys?)(?:_|$)"
    r"|^(?:\w*_)?(?:hf|hub|auth|access|api|bearer|refresh|session|login|user|id|github|wandb|sas)_token$|^token$"
    r"|^(?:proxy_)?authorization$|(?:^|_)connection_string$"
)
"""Names of settings. Special tokens of a vocabulary (`pad_token`, `stop_token`) and counts (`max_tokens`) are none."""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
"""Where a word begins in a name such as `AccountKey`."""
_SECRET_VARIABLE = re.compile(
    r"(?:TOKEN|KEY|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|CONNECTION_STRING)$|SECRET"
    r"|(?:^|_)(?:TOKEN|PASSWORD|API_KEY)_(?!(?:\w*_)?(?:PATH|FILE|DIR|UR[IL]|NAME|TYPE|MODE|SECONDS|LIMIT|SIZE|COUNT)$)"
)
_PERHAPS_SECRET_VARIABLE = re.compile(r"_(?:PAT|PWD|PASS|AUTH)$")
"""Variables that hold a secret unless they hold a plain word (`required`) or a path (`OLD_PWD`)."""
_NO_SECRET = re.compile(r"[a-z]+|[A-Z]+|[/~.].*", re.DOTALL)
_PART_OF_SECRET = re.compile(
    r"(?:AccountKey|SharedAccessKey|SharedAccessSignature|Password|Pwd)=([^;]+)", re.IGNORECASE
)
"""The secrets within a connection string, which a library may name alone."""
_FEWEST_CHARACTERS = 8
"""Shorter texts (`1`, `true`) are masked under their name only: they would be found in every other text."""
_URL_LOGIN = re.compile(r"""([A-Za-z0-9]\\?:/+)[^\s/@:]*:(?:[^\s/"']|["'](?![\s,:;>)\]}]|$))+(?=@)""")
"""A name and a password, which may hold an `@`, and a quote that ends nothing. Paths have one slash in place of two,
and Hydra writes a backslash before the colons of what a sweep varies. Only the end of the scheme is looked at: looking
for its beginning takes time that grows with the square of a word, and encoded files are long words."""
_URL_TOKEN = re.compile(r"\b(https?\\?:/+)[A-Za-z0-9._~%!$&*+=-]+(?=@)")
"""A token in the place of name and password; with other schemes it is a name, such as that of a container. A comma or a
bracket ends the URL: what follows it in a row of a table may be the address of a person."""
_IN_QUERY = re.compile(r"""([?&])([\w.-]+)=(?!\$)([^\s"'&#,{}\[\]()]+)""")
_SIGNATURE = re.compile(r"(?:^|-)(?:signature|sig|credential|security-token)$", re.IGNORECASE)
"""Names in the query of a URL that whoever holds it may use until it is over: those of S3, Azure, Google and others."""
_NAME = re.compile(r"""(?<![\w-])([\w-]+)\\{0,3}["']?\s*[=:]\s*""")
_VALUE = re.compile(
    r"""(?!\$)(?:(?P<quote>\\{0,3}["'])(?!\$)[^"'\n]+?(?P=quote)(?![\w'"])"""
    r"""|(?P<list>\[)[^\[\]\n]+\]|(?P<mapping>\{)[^{}\n]+\}"""
    r"""|(?P<begun>\\{0,3}["']?)(?!\$)(?:(?:Bearer|Basic|Token|ApiKey)\s+)?[^\s"',{}\[\]()]+)"""
)
"""What stands behind a name: in quotes, in brackets, or a word, before which a header has the kind of its secret."""
_WORD = re.compile(r"""["']?(?!\$)[^\s"',{}\[\]();]+""")
"""The value of a name that is none of a secret's, in which no other name is looked for: the rest of a path or a URL."""
_QUOTED_SETTING = re.compile(r"""(['"])([\w.+~@/-]{1,200}=)(?!\$)([^'"\n]+)\1""")
"""An argument as shells write it where its value has blanks."""
_BEARER = re.compile(r"\b(Bearer\s+)(?=[\w.~+/-]*\d)[\w.~+/=-]{12,}")
"""What is sent in a header, and no word that may follow in a sentence: it has a digit."""


def is_secret(name: str) -> bool:
    """Tells whether a setting of this name holds a secret."""
    return _SECRET_NAME.search(_HUMP.sub("_", name).lower().replace("-", "_")) is not None


def masked(value: Any) -> Any:
    """Copies a config for writing, with a mask in place of every secret that it holds, wherever the secret recurs.

    Args:
        value: mappings, lists and plain values, nested as they come.
    """
    return _masked(value, _long_enough([*_secrets_in(value), *_secrets_of_the_environment()]))


def without_logins(text: str) -> str:
    """Masks logins and signatures in the URLs of a text, and nothing else: for lines that name files and commands."""
    return _without_in_urls(text)


def redacted(text: str) -> str:
    """Replaces secrets in a text: the environment's, those in URLs, and what stands as `hf_token=...` or alike."""
    text = _without_in_urls(_without(text, _long_enough(_secrets_of_the_environment())))
    text = _BEARER.sub(rf"\1{MASK}", _QUOTED_SETTING.sub(_masked_setting, text))
    return _without_named(text)


def redacted_command(arguments: Sequence[str]) -> str:
    """Writes a command as a shell reads it, without its secrets; the value of an argument ends where that does."""
    return shlex.join(_redacted_argument(argument) for argument in arguments)


def _redacted_argument(argument: str) -> str:
    name, sign, value = argument.partition("=")
    if sign and value and not value.startswith("$") and is_secret(re.split(r"[./]", name)[-1].lstrip("+~@-")):
        return f"{name}={MASK}"
    return redacted(argument)


def _masked_setting(match: re.Match[str]) -> str:
    is_one = is_secret(re.split(r"[./]", match[2].rstrip("="))[-1].lstrip("+~@-"))
    return f"{match[1]}{match[2]}{MASK}{match[1]}" if is_one else match[0]


def _without_named(text: str) -> str:
    """Masks what stands as `hf_token=...` or alike."""
    parts, end, read = [], 0, 0
    for name in _NAME.finditer(text):
        if name.start() < read:
            continue
        if not is_secret(name[1]):
            word = _WORD.match(text, name.end())
            read = word.end() if word else name.end()
        elif value := _VALUE.match(text, name.end()):
            begin = value["quote"] or value["list"] or value["mapping"] or value["begun"] or ""
            close = value["quote"] or {"[": "]", "{": "}"}.get(begin, "")
            parts += [text[end : name.end()], begin, MASK, close]
            end = read = value.end()
    return "".join([*parts, text[end:]])


def without_secrets(value: Any) -> Any:
    """Copies a config without what is secret in it, for fingerprints: who may fetch a model does not change it.

    The environment is not looked at, so that the same config has the same fingerprint everywhere.
    """
    if isinstance(value, Mapping):
        return {name: without_secrets(part) for name, part in value.items() if not is_secret(str(name))}
    if isinstance(value, (list, tuple)):
        return [without_secrets(part) for part in value]
    return _without_in_urls(value) if isinstance(value, str) else value


def redact_logs() -> None:
    """Redacts every message that this process logs from now on: libraries log the arguments that they are given."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, functools.partial) or make.func is not _redacted_record:
        logging.setLogRecordFactory(functools.partial(_redacted_record, make))


def _redacted_record(make: Callable[..., logging.LogRecord], /, *arguments: Any, **named: Any) -> logging.LogRecord:
    record = make(*arguments, **named)
    with contextlib.suppress(TypeError, ValueError):  # logging itself reports a message that does not fit its arguments
        record.msg, record.args = redacted(record.getMessage()), ()
    return record


def _masked(value: Any, secrets: list[str], *, is_named: bool = False) -> Any:
    """Masks what is under the name of a secret, whatever it is made of, and secrets within other texts."""
    if isinstance(value, Mapping):
        return {name: _masked(part, secrets, is_named=is_named or is_secret(str(name))) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(part, secrets, is_named=is_named) for part in value]
    if is_named and _is_value(value):
        return MASK
    return _without_in_urls(_without(value, secrets)) if isinstance(value, str) else value


def _is_value(value: Any) -> bool:
    """Tells whether something may be a secret: whether one is used, and none at all, is to be seen."""
    return isinstance(value, (str, bytes, int, float)) and not isinstance(value, bool) and value not in ("", b"")


def _without_in_urls(text: str) -> str:
    """Masks logins in URLs, and what their queries hold under the name of a secret or of a signature."""
    for login in (_URL_LOGIN, _URL_TOKEN):
        text = login.sub(rf"\1{MASK}", text)
    return _IN_QUERY.sub(_masked_in_query, text)


def _masked_in_query(match: re.Match[str]) -> str:
    name = match[2]
    return f"{match[1]}{name}={MASK}" if is_secret(name) or _SIGNATURE.search(name) else match[0]


def _without(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _secrets_in(value: Any, *, is_named: bool = False) -> Iterator[str]:
    """Gives the values under names of secrets, at whatever depth; a reference such as `${oc.env:NAME}` is none."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _secrets_in(part, is_named=is_named or is_secret(str(name)))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _secrets_in(part, is_named=is_named)
    elif is_named and _is_value(value) and not str(value).startswith("${"):
        yield str(value)


def _secrets_of_the_environment() -> Iterator[str]:
    for name, text in os.environ.items():
        if _is_secret_variable(name) or (
            _PERHAPS_SECRET_VARIABLE.search(name.upper()) and not _NO_SECRET.fullmatch(text)
        ):
            yield text
            yield from _PART_OF_SECRET.findall(text)


@functools.lru_cache(maxsize=4096)
def _is_secret_variable(name: str) -> bool:
    return _SECRET_VARIABLE.search(name.upper()) is not None


def _long_enough(secrets: Iterable[str]) -> list[str]:
    """Sorts texts by length, the longest first, so that none is masked by half; short ones are left out."""
    spelled = {spelling for text in secrets if len(text) >= _FEWEST_CHARACTERS for spelling in _spellings(text)}
    return sorted(spelled, key=lambda text: (-len(text), text))


@functools.lru_cache(maxsize=256)
def _spellings(secret: str) -> frozenset[str]:
    """Returns a secret as it is, as URLs write it, and as JSON and Python do."""
    escaped = {
        quote(secret, safe="", errors="surrogatepass"),
        quote(secret, errors="surrogatepass"),
        quote_plus(secret, errors="surrogatepass"),
    }
    lower = {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), text) for text in escaped}
    strings = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    return frozenset({secret, *escaped, *lower, *strings})
