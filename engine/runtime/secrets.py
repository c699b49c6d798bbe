"""Secrets that must not be written: which settings and variables hold one, and configs and texts without them.

In: configs as nested mappings, texts, the environment. Out: the same with a mask in place of each secret. A setting
is known by its name (`hf_token`, `api_key`), a variable of the environment too (`HF_TOKEN`), and a URL by its form
(`https://user:password@host`, also as a path, with one slash less) or by what it asks with (`?token=...`, the signature
of a signed one). The running config keeps what is masked here.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

MASK = "***"
"""What is written in place of a secret."""
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|secret|credentials?|(?:api|access|secret|private|auth)_?key)(?:_|$)"
    r"|^(?:\w*_)?(?:hf|hub|auth|access|api|bearer|refresh|session|login|user|id|github|wandb)_token$|^token$"
)
"""Names of settings. Special tokens of a vocabulary (`pad_token`, `stop_token`) and counts (`max_tokens`) are none."""
_SECRET_VARIABLE = re.compile(r"(?:TOKEN|KEY|PASSWORD|PASSWD|CREDENTIALS?)$|SECRET")
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
_NAME_AND_VALUE = re.compile(r"""(?<![\w-])([\w-]+)(["']?\s*[=:]\s*["']?)(?!\$)([^\s"',{}\[\]()]+)""")


def is_secret(name: str) -> bool:
    """Tells whether a setting of this name holds a secret."""
    return _SECRET_NAME.search(name.lower().replace("-", "_")) is not None


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
    return _NAME_AND_VALUE.sub(lambda match: f"{match[1]}{match[2]}{MASK}" if is_secret(match[1]) else match[0], text)


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


def _masked(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: MASK if is_secret(str(name)) and isinstance(part, str) and part else _masked(part, secrets)
            for name, part in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_masked(part, secrets) for part in value]
    return _without_in_urls(_without(value, secrets)) if isinstance(value, str) else value


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


def _secrets_in(value: Any) -> Iterator[str]:
    """Gives the texts under names of secrets, at whatever depth; a reference such as `${oc.env:NAME}` is none."""
    parts = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        if isinstance(part, str) and is_secret(str(name)) and not part.startswith("${"):
            yield part
        yield from _secrets_in(part)


def _secrets_of_the_environment() -> Iterator[str]:
    return (text for name, text in os.environ.items() if _SECRET_VARIABLE.search(name.upper()))


def _long_enough(secrets: Iterator[str] | list[str]) -> list[str]:
    """Sorts texts by length, the longest first, so that none is masked by half; short ones are left out."""
    return sorted({text for text in secrets if len(text) >= _FEWEST_CHARACTERS}, key=lambda text: (-len(text), text))
