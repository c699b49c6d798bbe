"""Wheels and source archives of a few lines, written by hand, so that pip can install from a folder."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path


def put_wheel(folder: Path, name: str, version: str, *, needs: tuple[str, ...] = (), tag: str = "py3-none-any") -> Path:
    """Writes a wheel with one module, which asks for `needs`."""
    record = f"{name}-{version}.dist-info"
    wheel = folder / f"{name}-{version}-{tag}.whl"
    asks = "".join(f"Requires-Dist: {need}\n" for need in needs)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{record}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{asks}")
        archive.writestr(f"{record}/WHEEL", f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{record}/RECORD", "")
    return wheel


def put_source(folder: Path, name: str, version: str, setup: str) -> Path:
    """Writes a source archive whose setup.py is `setup`."""
    source = folder / f"{name}-{version}.tar.gz"
    files = {"setup.py": setup, "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    with tarfile.open(source, "w:gz") as archive:
        for file, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{file}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return source


def sha256_of(file: Path) -> str:
    """The 64 hex digits of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
