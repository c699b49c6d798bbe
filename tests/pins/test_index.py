"""What an index says of a release, asked of one that runs here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from pins.index import LockError, RemoteFile, index_url, is_of, release, requirements_in
from tests.support.small_index import index_of
from tests.support.small_wheels import put_source, put_wheel, sha256_of


@pytest.fixture(name="folder")
def make_releases(tmp_path: Path) -> Path:
    """Two releases of one project."""
    project = tmp_path / "mill-stone"
    project.mkdir()
    put_wheel(project, "mill_stone", "1.0", needs=("gears>=2", "wind; extra == 'sails'"))
    put_source(project, "mill.stone", "1.0", "")
    put_wheel(project, "mill_stone", "1.0.1")
    return tmp_path


@pytest.fixture(name="index")
def serve(folder: Path) -> Iterator[str]:
    """The address of an index with them."""
    with index_of(folder) as address:
        yield address


def test_a_release_has_the_files_of_its_version_and_their_hashes(folder: Path, index: str) -> None:
    found = {file.name: file.sha256 for file in release(index, "mill-stone", "1.0")}
    names = ("mill_stone-1.0-py3-none-any.whl", "mill.stone-1.0.tar.gz")
    assert found == {name: sha256_of(folder / "mill-stone" / name) for name in names}


def test_what_a_wheel_asks_for_is_read_from_it(index: str) -> None:
    wheel = next(file.url for file in release(index, "mill-stone", "1.0") if file.name.endswith(".whl"))
    assert [str(requirement) for requirement in requirements_in(wheel)] == ["gears>=2", 'wind; extra == "sails"']
    assert requirements_in("") == ()


def test_a_version_that_the_index_does_not_have_is_named(index: str) -> None:
    with pytest.raises(LockError, match=r"mill-stone 2\.0 has no file in .*constraints\.txt"):
        release(index, "mill-stone", "2.0")
    with pytest.raises(LockError, match=r"/grindstone/ cannot be read: HTTP Error 404"):
        release(index, "grindstone", "1.0")


def test_a_remote_file_reads_as_the_file_does(folder: Path, index: str) -> None:
    file = folder / "mill-stone" / "mill_stone-1.0-py3-none-any.whl"
    remote = RemoteFile(f"{index}/mill-stone/{file.name}")
    remote.seek(-10, 2)
    assert remote.read(100) == file.read_bytes()[-10:]
    assert remote.read(1) == b""
    remote.seek(3)
    assert remote.read(4) == file.read_bytes()[3:7]


def test_a_server_that_gives_no_parts_is_refused(folder: Path) -> None:
    with index_of(folder, parts=False) as address:
        remote = RemoteFile(f"{address}/mill-stone/mill_stone-1.0-py3-none-any.whl")
        with pytest.raises(LockError, match="gives no parts of a file"):
            remote.read(5)


def test_a_login_in_the_address_is_used_and_never_shown(folder: Path) -> None:
    with index_of(folder, parts=False, login="me:se@cret") as bare:
        address = bare.replace("://", "://me:se%40cret@")
        wheel = next(file.url for file in release(address, "mill-stone", "1.0") if file.name.endswith(".whl"))
        with pytest.raises(LockError, match="gives no parts of a file") as no_parts:
            RemoteFile(wheel).read(5)
        with pytest.raises(LockError, match=r"mill-stone 2\.0 has no file in http://127") as no_release:
            release(address, "mill-stone", "2.0")
        with pytest.raises(LockError, match=r"/grindstone/ cannot be read: HTTP Error 404") as no_page:
            release(address, "grindstone", "1.0")
        with pytest.raises(LockError, match="HTTP Error 401"):
            release(bare, "mill-stone", "1.0")
    assert not any("cret" in str(error.value) for error in (no_parts, no_release, no_page))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("mill_stone-1.0-py3-none-any.whl", True),
        ("mill_stone-1.0.0-py3-none-any.whl", True),
        ("Mill.Stone-1.0.zip", True),
        ("mill_stone-1.0.post1.tar.gz", False),
        ("mill_stone-1.0-py3.7.egg", False),
        ("mill-stone-big-1.0.tar.gz", False),
    ],
)
def test_which_files_are_of_a_release(file: str, expected: bool) -> None:
    assert is_of(file, "mill-stone", Version("1.0")) is expected


def test_the_index_is_the_one_that_pip_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    assert index_url() == "http://127.0.0.1:1/simple"
