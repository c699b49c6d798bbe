"""The files of a folder as objects: each is sent once, and comes back as it was."""

from pathlib import Path

from engine.storage.remote.folders import RemoteFolder
from engine.storage.store import DONE, is_done
from tests.support.object_store import Bucket, Fault, every_store, proxied

KEY = "store/documents/ab"


def make_folder(path: Path) -> Path:
    (path / "inner").mkdir(parents=True)
    (path / "inner" / "a.txt").write_text("same")
    (path / "b.txt").write_text("same")
    (path / "ü c.txt").write_text("other")
    (path / DONE).touch()
    return path


@every_store
def test_a_folder_comes_back_in_the_place_of_another(bucket: Bucket, tmp_path: Path) -> None:
    files, useless = RemoteFolder(bucket.objects(), KEY, make_folder(tmp_path / "ab")).send()
    assert [name for name, _ in sorted(files.items())] == ["b.txt", "inner/a.txt", "ü c.txt"]
    assert files["b.txt"] == files["inner/a.txt"]
    assert files["b.txt"][1] == len("same")
    assert useless == []
    other = tmp_path / "elsewhere" / "ab"
    other.mkdir(parents=True)
    (other / "old.txt").touch()
    seen: list[bool] = []
    RemoteFolder(bucket.objects(), KEY, other).fetch(files, before=lambda: seen.append((other / "old.txt").exists()))
    assert seen == [True], "it was told before the folder changed"
    assert is_done(other)
    texts = {file.relative_to(other).as_posix(): file.read_text() for file in other.rglob("*.txt")}
    assert texts == {"b.txt": "same", "inner/a.txt": "same", "ü c.txt": "other"}


@every_store
def test_what_is_there_is_not_sent_again(bucket: Bucket, tmp_path: Path) -> None:
    path = make_folder(tmp_path / "ab")
    bucket.objects().put(f"{KEY}/files/0123", b"of an attempt that was killed")
    with proxied(bucket.port, lambda *_: Fault.none) as proxy:
        bucket.go_through(proxy.url)
        folder = RemoteFolder(bucket.objects(), KEY, path)
        folder.send()
        assert [method for method, _ in proxy.requests].count("PUT") == 2
        _, useless = folder.send()
        assert [method for method, _ in proxy.requests].count("PUT") == 2
    assert useless == [f"{KEY}/files/0123"]


@every_store
def test_a_part_that_was_shared_is_copied_there(bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "ab"
    path.mkdir()
    (path / "x.parquet").write_bytes(bytes(100))
    bucket.objects().upload(f"{KEY}/open/x.parquet", path / "x.parquet")
    folder = RemoteFolder(bucket.objects(), KEY, path)
    with proxied(bucket.port, lambda *_: Fault.none) as proxy:
        bucket.go_through(proxy.url)
        files, useless = RemoteFolder(bucket.objects(), KEY, path).send()
        assert "PUT" in [method for method, _ in proxy.requests]
        assert proxy.num_bytes == 0, "the store was asked to copy it"
    assert useless == [f"{KEY}/open/x.parquet"]
    folder.fetch(files, before=lambda: None)
    assert (path / "x.parquet").read_bytes() == bytes(100)
