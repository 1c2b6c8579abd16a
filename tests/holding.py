"""Which files hold a text, however they pack it."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def holding(folder: Path, text: str) -> list[Path]:
    """Files below a folder (or the file itself) whose bytes, tables or archives hold a text."""
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else [folder]
    return [path for path in files if any(text.encode() in content for content in _contents(path))]


def _contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what they unpack to."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield from map(_plain, pq.ParquetFile(path).iter_batches())
    elif path.suffix == ".arrow":
        with pa.memory_map(str(path)) as source:
            yield from map(_plain, pa.ipc.open_file(source).read_all().to_batches())
    elif zipfile.is_zipfile(path):  # PyTorch's and NumPy's files
        with zipfile.ZipFile(path) as archive:
            yield from map(archive.read, archive.namelist())


def _plain(batch: pa.RecordBatch) -> bytes:
    return str(batch.to_pylist()).encode()
