"""Finds the encoding of a text from all of its bytes."""

import codecs
import dataclasses
import re
from collections.abc import Iterator
from typing import BinaryIO

import charset_normalizer

from onshelf.files._alphabets import LATIN, latin_encodings

CHUNK = 1 << 20
SAMPLE = 1 << 18  # bytes of lines with other than ASCII letters, taken over the whole file
# Encodings of shops' files, the most usual first: among equally likely ones the first is taken.
ENCODINGS = (
    *("cp1252", "gb18030", "cp1250", "cp1251", "big5", "cp932", "euc_kr", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("cp1257", "koi8_r", "euc_jp", "cp850", "mac_roman"),
)
GROUPS = 8
WORST = 0.5  # the most disorder of an encoding that is looked at, if none has the library's own limit
UNFIT = 0.5  # the disorder of a group that an encoding does not fit
MULTIBYTE = ("gb18030", "big5", "cp932", "euc_kr", "euc_jp")
_IN_WORDS = re.compile(r"[a-zA-Z][\xa1-\xbf][a-zA-Z]")
_RARE = ("cp850", "mac_roman")  # not told as another possibility: today's programs do not write them
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))
_MARKS_16 = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
ALMOST_AS_LIKELY = 0.1  # difference of disorder, a share, below which the more usual encoding is taken


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """An encoding.

    Attributes:
        name: as Python calls it.
        others: encodings that are as likely and read other letters.
        broken: bytes or sequences that are none of this encoding, and `broken_lines`, some lines with one.
        mixed: whether some lines are UTF-8 although the others are not.
        plain: whether the file is nothing but UTF-8 without a mark, with one kind of line ends.
    """

    name: str
    others: tuple[str, ...] = ()
    broken: int = 0
    broken_lines: tuple[str, ...] = ()
    mixed: bool = False
    plain: bool = False


def find_encoding(file: BinaryIO) -> Found | None:
    """The encoding of a file; None where it holds zero bytes, or no encoding fits."""
    head = file.read(1 << 12)
    for mark, name in (*_MARKS, *_MARKS_16):
        if head.startswith(mark):
            return _checked(file, name)
    if b"\x00" in head:
        return _without_mark(head)
    file.seek(0)
    read = _as_utf8(file)
    if read.zeros:
        return None
    if not read.bad:
        return Found(name="utf-8", plain=read.returns in (0, read.lines))
    if read.good > 2 * read.bad:  # texts of other encodings hardly ever hold sequences that are right in UTF-8
        return Found(name="utf-8", broken=read.bad, broken_lines=tuple(read.wrong_lines))
    return _likely(file, read.sample)


def _without_mark(head: bytes) -> Found | None:
    """UTF-16 without its mark: every other byte is zero."""
    if head[1::2].count(0) > 0.6 * len(head[1::2]) and head[::2].count(0) == 0:
        return Found(name="utf-16-le")
    if head[::2].count(0) > 0.6 * len(head[::2]) and head[1::2].count(0) == 0:
        return Found(name="utf-16-be")
    return None


def _checked(file: BinaryIO, name: str) -> Found:
    file.seek(0)
    broken, lines = count_broken(file, name)
    return Found(name=name, broken=broken, broken_lines=tuple(lines))


def count_broken(file: BinaryIO, encoding: str, *, mixed: bool = False) -> tuple[int, list[str]]:
    """How many bytes or sequences of a file are none of the encoding, and some of the lines that hold one."""
    broken = number = 0
    lines: list[str] = []
    for text in decoded(file, encoding, mixed=mixed):
        broken += text.count("\ufffd")
        if "\ufffd" in text and len(lines) < 5:
            for n, line in enumerate(text.split("\n"), start=number + 1):
                if "\ufffd" in line and len(lines) < 5:
                    lines.append(f"line {n}: {line.strip()[:80]}")
        number += text.count("\n")
    return broken, lines


def decoded(file: BinaryIO, encoding: str, *, mixed: bool = False) -> Iterator[str]:
    """The text of a file in pieces of whole lines; what is none of the encoding becomes U+FFFD. mixed: a line that is
    right in UTF-8 is read so.
    """
    if mixed:
        for block in _blocks(file):
            lines = block.splitlines(keepends=True)
            yield "".join(line.decode("utf-8" if _is_utf8(line) else encoding, "replace") for line in lines)
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    rest = ""
    while data := file.read(CHUNK):
        text = rest + decoder.decode(data)
        cut = text.rfind("\n") + 1
        rest = text[cut:]
        if cut:
            yield text[:cut]
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest


@dataclasses.dataclass(kw_only=True)
class _Utf8:
    """A file read as UTF-8: letters of several bytes that are right, sequences that are wrong, zero bytes, returns and
    line ends, lines with other than ASCII letters, and some of the wrong lines for a person.
    """

    good: int = 0
    bad: int = 0
    zeros: int = 0
    returns: int = 0
    lines: int = 0
    sample: list[bytes] = dataclasses.field(default_factory=list)
    wrong_lines: list[str] = dataclasses.field(default_factory=list)


def _as_utf8(file: BinaryIO) -> _Utf8:
    found = _Utf8()
    number = size = 0
    for block in _blocks(file):
        found.zeros += block.count(0)
        found.returns += block.count(b"\r")
        if not block.isascii():
            right = block.decode("utf-8", "ignore")
            found.good += len(right) - len(right.encode("ascii", "ignore"))
            wrong = block.decode("utf-8", "replace").count("\ufffd") - right.count("\ufffd")
            found.bad += wrong
            taken = 0
            for n, line in enumerate(block.split(b"\n"), start=number + 1):
                if line.isascii():
                    continue
                if wrong and len(found.wrong_lines) < 5 and not _is_utf8(line):
                    found.wrong_lines.append(f"line {n}: {line.decode('utf-8', 'replace').strip()[:80]}")
                if taken < CHUNK // 16 and size < 16 * SAMPLE:
                    found.sample.append(line)
                    taken += len(line)
                    size += len(line)
        number += block.count(b"\n")
    found.lines = number
    return found


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file in pieces of whole lines."""
    rest = b""
    while data := file.read(CHUNK):
        block = rest + data
        cut = block.rfind(b"\n") + 1
        rest = block[cut:]
        if cut:
            yield block[:cut]
    if rest:
        yield rest


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _likely(file: BinaryIO, lines: list[bytes]) -> Found | None:
    """The encoding of a text that is no UTF-8, by charset-normalizer over lines of the whole file."""
    size = sum(map(len, lines))
    telling = [line for line in lines if not _is_signs(line)]
    ranked = _ranked(telling[:: size // SAMPLE + 1]) if telling else {"cp1252": (0.0, 0.0)}
    if not ranked:
        return None
    least = min(chaos for chaos, _ in ranked.values())
    near = [name for name in ENCODINGS if name in ranked and ranked[name][0] <= least + ALMOST_AS_LIKELY]
    most = max(ranked[name][1] for name in near)
    close = [name for name in near if ranked[name][1] >= most - 0.05]
    some = b"\n".join(telling[:5000])
    if close[0] in LATIN:
        close = latin_encodings(some)
    best = close[0]
    others = [
        name
        for name in close
        if name not in (best, *_RARE) and some.decode(name, "replace") != some.decode(best, "replace")
    ]
    file.seek(0)
    mixed = best not in MULTIBYTE and any(_is_utf8(line) for line in lines)
    broken, broken_lines = count_broken(file, best, mixed=mixed)
    return Found(name=best, others=tuple(others[:2]), broken=broken, broken_lines=tuple(broken_lines), mixed=mixed)


def _is_signs(line: bytes) -> bool:
    """Whether a line, read as cp1252, has signs (£ € – ½ ®) between its words, but no letters beyond ASCII. Such a line
    tells nothing of the other encodings, in which the same bytes are letters or frames.
    """
    try:
        text = line.decode("cp1252")
    except UnicodeDecodeError:
        return False
    return not _IN_WORDS.search(text) and not any(letter.isalpha() for letter in text if not letter.isascii())


def _ranked(lines: list[bytes]) -> dict[str, tuple[float, float]]:
    """Disorder and likeness to a language for each encoding that fits. Many lines are looked at in groups, so that a
    stray byte rules an encoding out for its group alone.
    """
    groups = GROUPS if len(lines) >= 4 * GROUPS else 1
    found: dict[str, list[tuple[float, float]]] = {}
    for n in range(groups):
        part = b"\n".join(lines[n::groups])
        names: dict[str, tuple[float, float]] = {}
        usual = charset_normalizer.from_bytes(part, cp_isolation=list(ENCODINGS))
        for match in usual or charset_normalizer.from_bytes(part, threshold=WORST, cp_isolation=list(ENCODINGS)):
            for name in match.could_be_from_charset:
                names.setdefault(name, (match.chaos, match.coherence))
        for name in ENCODINGS:
            if name in names:
                found.setdefault(name, []).append(names[name])
    return {
        name: (
            (sum(chaos for chaos, _ in seen) + UNFIT * (groups - len(seen))) / groups,
            sum(coherence for _, coherence in seen) / groups,
        )
        for name, seen in found.items()
    }
