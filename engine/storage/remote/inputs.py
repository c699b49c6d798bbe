"""Documents, collections and other input behind a URL, fetched into the user's cache.

    CACHE/inputs/5b0f.../docs/          the files below s3://bucket/team/docs, as they are there
    CACHE/inputs/5b0f.../etags.json     which content of each they are

In: the URL of an object, or of all objects below a prefix. Out: a file or a folder on this disk. What has the ETag that
it had before is not fetched again. A digest of the content is what a fingerprint holds, so that it does not matter
where input lies.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from engine.errors import UserError
from engine.storage import digests
from engine.storage.files import locked, make_folder, write_json
from engine.storage.remote.address import Address, read_address, require_inside
from engine.storage.remote.cache import cache_name
from engine.storage.remote.objects import Objects
from engine.storage.remote.stores import objects_at

_FOLDER = "inputs"
_ETAGS = "etags.json"
_THREADS = 8


def fetch_input(url: str, *, where: str) -> Path:
    """Brings what a URL names to this disk.

    Args:
        url: of one object, or of a folder of them.
        where: the key that it was written under, with the URL, for messages.

    Returns:
        The file or folder here, of the same name.

    Raises:
        UserError: there is nothing behind the URL, or the store cannot be used.
    """
    address = read_address(url, where=where)
    objects = objects_at(address)
    found = _found(address)
    if not found:
        raise UserError("there is nothing there", where=where, remedy="name an object, or a folder of objects")
    home = digests.CACHE / _FOLDER / cache_name(str(address))
    name = PurePosixPath(address.prefix).name or address.bucket
    make_folder(home, where=f"SYNTHMILL_CACHE={digests.CACHE}")
    with locked(home / ".lock", wait=True):
        known = _known(home / _ETAGS)
        missing = [key for key in found if known.get(key) != found[key] or not (home / f"{name}{key}").exists()]
        for key in known.keys() - found.keys():
            (home / f"{name}{key}").unlink(missing_ok=True)
        write_json(home / _ETAGS, {key: etag for key, etag in known.items() if key in found and key not in missing})
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(functools.partial(_fetch, objects, home / name), missing))
        write_json(home / _ETAGS, found)
    return home / name


def _found(address: Address) -> Mapping[str, str]:
    """Lists the ETags of what an address names, by what follows its key: nothing for one object, /NAME below it."""
    beginning = "/" if address.prefix else ""
    listed = objects_at(address.at("")).etags(address.prefix)
    below = {key.removeprefix(address.prefix): etag for key, etag in listed}
    if "" in below:
        return {"": below[""]}
    found = {f"/{key.removeprefix('/')}": etag for key, etag in below.items() if key.startswith(beginning)}
    return {key: etag for key, etag in found.items() if not key.endswith("/")}  # what a console makes for a folder


def _known(file: Path) -> dict[str, str]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def _fetch(objects: Objects, path: Path, key: str) -> None:
    """Fetches one object; a name that leads elsewhere is refused."""
    require_inside(f"{path.name}{key}", where=objects.url())
    file = Path(f"{path}{key}")
    make_folder(file.parent, where=objects.url())
    temporary = file.with_name(f".{file.name}.tmp")
    objects.download(key.removeprefix("/"), temporary)
    temporary.replace(file)
