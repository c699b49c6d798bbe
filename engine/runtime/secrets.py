"""Secrets that must not be written: which settings and variables hold one, and configs and texts without them.

In: configs as nested mappings, texts, the environment. Out: the same with a mask in place of each secret. A setting
is known by its name (`hf_token`, `api_key`), a variable of the environment too (`HF_TOKEN`), and a URL by its form
(`https://user:password@host`, also as a path, with one slash less) or by what it asks with (`?token=...`, the signature
of a signed one). A value is found as it is, and as URLs and JSON spell it. The running config keeps what is masked.
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
_USERS_NAMES = frozenset(
    {"attributes", "columns", "conditions", "controls", "exclude", "expansions", "fields", "json_schema", "mix"}
    | {"models", "rubrics", "sets", "turns", "where", "written"}
)
"""Settings below which names are the user's own, and no name of a secret: an attribute may be called `password`."""
_LIBRARYS_NAMES = frozenset({"engine_args"})
"""Settings below which names are a library's, wherever they stand."""
_SECRET_VARIABLE = re.compile(
    r"(?:TOKEN|KEY|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|CONNECTION_STRING)$|SECRET"
    r"|(?:^|_)(?:TOKEN|PASSWORD|API_KEY)_|_(?:PAT|PWD|PASS|AUTH)$"
)
"""Variables that hold a secret, unless their name ends as below, or they hold what is none."""
_ABOUT_A_SECRET = re.compile(
    r"_(?:ALGORITHM|AUDIENCE|BACKEND|BUDGET|CACHE|CLASS|COUNT|DAYS|DIR|ENABLED|ENDPOINT|ENV|EXPIRY|FIELD|FILE|FORMAT"
    r"|HASHERS?|HEADER|HOST|HOURS|INTERVAL|ISSUER|KIND|LENGTH|LIMIT|LOCATION|MAX|METHOD|MIN|MINUTES|MODE|NAME|PATH"
    r"|POLICY|PORT|PREFIX|PROVIDER|RATE|REGION|REQUIRED|RETRIES|SCOPES?|SECONDS|SERVER|SERVICE|SIZE|SOURCE|STORE"
    r"|SUFFIX|TIMEOUT|TTL|TYPE|UR[IL]|USER|USERNAME|VERSION)$"
)
"""How the names of variables end that say something about a secret, and hold none."""
_NO_SECRET = re.compile(
    r"[A-Za-z]{1,15}|[A-Z]+(?:_[A-Z]+)+|[+-]?[\d.,_]{1,15}|[a-z][a-z0-9+.-]*://[^\s@?]*"
    r"|(?![A-Za-z0-9/+=]{20,}$)(?:~|\.{0,2}/).*",
    re.DOTALL,
)
"""A word, the name of a variable, a number, a URL without login and query, a path. Some keys begin with a slash, but
these have no dot, dash or blank."""
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
_NAME = re.compile(r"""(?<![\w-])([\w-]+)\\{0,3}["']?[^\S\n]*([=:])[^\S\n]*""")
_VALUE = re.compile(
    r"""(?!\$)(?:(?P<quote>\\{0,3}["'])(?!\$)[^"'\n]+?(?P=quote)(?![\w'"])"""
    r"""|(?P<list>\[)[^\[\]\n]+\]|(?P<mapping>\{)[^{}\n]+\}|(?P<group>\()[^()\n]+\)"""
    r"""|[|>][+-]?[0-9]?\n[^\S\n]+[^\n]+|\n[^\S\n]*-[ ][^\n]+(?:\n[^\S\n]*-[ ][^\n]+)*"""
    r"""|(?P<begun>\\{0,3}["']?)(?!\$)(?:(?:Bearer|Basic|Token|ApiKey)\s+)?"""
    r"""(?:[^\s"',{}\[\]()]|(?<=\w)["'](?=\w))+)"""
)
"""What stands behind a name: in quotes, in brackets, in the lines below as YAML has them, or a word, before which a
header has the kind of its secret."""
_WORD = re.compile(r"""["']?(?!\$)[^\s"',{}\[\]();]+""")
"""The value of a name that is none of a secret's, which may be the rest of a path or of a URL."""
_NAME_WITHIN = re.compile(r"""(?<![\w/?&-])([\w-]+)(?==)""")
_NAME_AT_ONCE = re.compile(r"""["']?([\w-]+)(?=["']?:)""")
"""The names within such a value: those with a sign, but in a path or in a query, and that which it begins with. The
name before them may be that of an exception (`ValueError: hf_token=...`) or of a mapping."""
_USERS_OWN = re.compile(rf"(?:^|[^\w])(?:{'|'.join(sorted(_USERS_NAMES))})\.[\w.]*$")
"""What stands before a name that is the user's own: `task.attributes.password=...`."""
_LONGEST_KEY = 200
_QUOTED_SETTING = re.compile(r"""(['"])([\w.+~@/-]{1,200}=)(?!\$)([^'"\n]+)\1""")
"""An argument as shells write it where its value has blanks."""
_BEARER = re.compile(r"\b(Bearer\s+)(?=[\w.~+/-]*\d)[\w.~+/=-]{12,}")
"""What is sent in a header, and no word that may follow in a sentence: it has a digit."""


def is_secret(name: str) -> bool:
    """Tells whether a setting of this name holds a secret."""
    return _SECRET_NAME.search(_HUMP.sub("_", name).lower().replace("-", "_")) is not None


def is_secret_key(key: str) -> bool:
    """Tells whether a setting with this key, from the top, holds a secret: `samples.engine_args.hf_token` does."""
    *above, name = re.split(r"[./]", key.lstrip("+~@-"))
    return is_secret(name) and not functools.reduce(_is_users, above, False)


def _is_users(is_users: bool, name: str) -> bool:  # as reduce calls it
    """Tells whether the names below `name` are the user's own, where it stands below such a setting or not."""
    return name not in _LIBRARYS_NAMES and (is_users or name in _USERS_NAMES)


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
    return shlex.join(redacted_argument(argument) for argument in arguments)


def redacted_argument(argument: str) -> str:
    """Writes an argument of a command, such as `key=value`, without its secrets."""
    name, sign, value = argument.partition("=")
    if sign and value and not value.startswith("$") and is_secret_key(name):
        return f"{name}={MASK}"
    if sign and functools.reduce(_is_users, re.split(r"[./]", name.lstrip("+~@-")), False):
        return _without_in_urls(_without(argument, _long_enough(_secrets_of_the_environment())))
    return redacted(argument)


def _masked_setting(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{MASK}{match[1]}" if is_secret_key(match[2].rstrip("=")) else match[0]


def _without_named(text: str) -> str:
    """Masks what stands as `hf_token=...` or alike."""
    parts, end, read = [], 0, 0
    for name in _NAME.finditer(text):
        if name.start() < read:
            continue
        if not is_secret(name[1]) or _USERS_OWN.search(text[max(0, name.start() - _LONGEST_KEY) : name.start()]):
            read = _end_of_other(text, name)
        elif value := _VALUE.match(text, name.end()):
            begin = value["quote"] or value["list"] or value["mapping"] or value["group"] or value["begun"] or ""
            close = value["quote"] or {"[": "]", "{": "}", "(": ")"}.get(begin, "")
            parts += [text[end : name.end()], begin, MASK, close]
            end = read = value.end()
    return "".join([*parts, text[end:]])


def _end_of_other(text: str, name: re.Match[str]) -> int:
    """Returns where to read on behind a name that is none of a secret's: behind its value, or at a secret's name there.

    Each character is looked at once more only, since what is read on from is the first such name.
    """
    word = _WORD.match(text, name.end())
    if not word:
        return name.end()
    if name[2] == ":" and (first := _NAME_AT_ONCE.match(text, name.end(), word.end())) and is_secret(first[1]):
        return first.start(1)
    within = _NAME_WITHIN.finditer(text, name.end(), word.end())
    return next((each.start() for each in within if is_secret(each[1])), word.end())


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


def _masked(value: Any, secrets: list[str], *, is_named: bool = False, is_users: bool = False) -> Any:
    """Masks what is under the name of a secret, whatever it is made of, and secrets within other texts."""
    if isinstance(value, Mapping):
        below = ((name, part, *_below(name, is_named=is_named, is_users=is_users)) for name, part in value.items())
        return {name: _masked(part, secrets, is_named=named, is_users=users) for name, part, named, users in below}
    if isinstance(value, (list, tuple)):
        return [_masked(part, secrets, is_named=is_named, is_users=is_users) for part in value]
    if is_named and _is_value(value):
        return MASK
    return _without_in_urls(_without(value, secrets)) if isinstance(value, str) else value


def _below(name: object, *, is_named: bool, is_users: bool) -> tuple[bool, bool]:
    """Tells of what stands under a name whether it is a secret, and whether its names are the user's own."""
    return is_named or (not is_users and is_secret(str(name))), _is_users(is_users, str(name))


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


def _secrets_in(value: Any, *, is_named: bool = False, is_users: bool = False) -> Iterator[str]:
    """Gives the values under names of secrets, at whatever depth; a reference such as `${oc.env:NAME}` is none."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            named, users = _below(name, is_named=is_named, is_users=is_users)
            yield from _secrets_in(part, is_named=named, is_users=users)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _secrets_in(part, is_named=is_named, is_users=is_users)
    elif is_named and _is_value(value) and not str(value).startswith("${"):
        yield str(value)


def _secrets_of_the_environment() -> Iterator[str]:
    for name, text in os.environ.items():
        if _is_secret_variable(name) and not _NO_SECRET.fullmatch(text):
            yield text
            yield from _PART_OF_SECRET.findall(text)


@functools.lru_cache(maxsize=4096)
def _is_secret_variable(name: str) -> bool:
    return _SECRET_VARIABLE.search(name.upper()) is not None and _ABOUT_A_SECRET.search(name.upper()) is None


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
