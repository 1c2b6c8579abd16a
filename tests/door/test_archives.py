"""Data that come in source distributions: fetched from pip's sources, checked, and never executed."""

import hashlib
import io
import sys
import tarfile
from pathlib import Path

import archives
import pytest
from archives import Archive, ArchiveError


def packed(folder: Path, name: str = "reviews-1.0") -> Archive:
    """A source distribution whose setup.py leaves a trace if somebody runs it."""
    path = folder / f"{name}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, text in (("setup.py", f"open({str(folder / 'ran')!r}, 'w')"), ("texts.txt", "good")):
            member = tarfile.TarInfo(f"{name}/{file}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return Archive("reviews", "1.0", path.name, hashlib.sha256(path.read_bytes()).hexdigest())


def test_an_archive_comes_from_where_pip_looks_and_nothing_in_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    index.mkdir()
    archive = packed(index)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    path = archives.fetch(archive, tmp_path / "kept")
    assert path.read_bytes() == (index / archive.file).read_bytes()
    assert not (index / "ran").exists()
    with pytest.raises(ArchiveError, match=r"reviews-2\.0\.tar\.gz: in none of pip's sources"):
        archives.fetch(archive._replace(version="2.0", file="reviews-2.0.tar.gz"), tmp_path / "kept")


def test_another_content_is_refused_and_not_kept(tmp_path: Path) -> None:
    archive = packed(tmp_path)
    with pytest.raises(ArchiveError, match=f"SHA-256 .*, expected {archive.sha256}; it was not kept"):
        archives.fetch(archive, tmp_path / "kept", source=lambda _: b"something else")
    assert not (tmp_path / "kept").exists()


def test_what_is_there_is_not_fetched_again_and_what_is_broken_is(tmp_path: Path) -> None:
    archive = packed(tmp_path)
    content = (tmp_path / archive.file).read_bytes()
    kept = tmp_path / "kept"
    path = archives.fetch(archive, kept, source=lambda _: content)
    assert archives.fetch(archive, kept, source=lambda _: pytest.fail("fetched again")) == path
    path.write_bytes(content[:10])
    assert archives.fetch(archive, kept, source=lambda _: content).read_bytes() == content


def test_the_command_says_in_one_line_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setattr(archives, "PARTS", {"reviews": packed(tmp_path)._replace(file="none.tar.gz")})
    assert archives.main(["reviews"]) == 1
    assert capsys.readouterr().err == "archives: none.tar.gz: in none of pip's sources\n"


def test_what_training_reads_is_what_setup_fetches() -> None:
    from onshelf_exporter.data import reviews

    assert {archive.file for archive in archives.PARTS.values()} == {reviews.ENGLISH, reviews.CHINESE}
    assert archives.FOLDER == reviews.ARCHIVES == Path(sys.prefix) / "share" / "onshelf"
