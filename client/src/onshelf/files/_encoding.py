"""Finds the encoding of a text from all of its bytes."""

import codecs
import dataclasses
import re
from collections.abc import Iterator
from typing import BinaryIO

import charset_normalizer

CHUNK = 1 << 20
SAMPLE = 1 << 18  # bytes of lines with other than ASCII letters, taken over the whole file
# Encodings of shops' files, the most usual first: among equally likely ones the first is taken.
ENCODINGS = (
    *("cp1252", "gb18030", "cp1250", "cp1251", "big5", "cp932", "euc_kr", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("cp1257", "koi8_r", "euc_jp", "cp850", "mac_roman"),
)
_RARE = ("cp850", "mac_roman")  # not told as another possibility: today's programs do not write them
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))
_MARKS_16 = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ALMOST_AS_LIKELY = 0.1  # difference of disorder, a share, below which the more usual encoding is taken
_LETTERS = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")


@dataclasses.dataclass(frozen=True)
class Found:
    """An encoding: its name, other likely ones, and the lines (number, text) with bytes that it cannot read."""

    name: str
    others: tuple[str, ...] = ()
    broken: int = 0
    broken_lines: tuple[str, ...] = ()


def find_encoding(file: BinaryIO) -> Found | None:
    """The encoding of a file; None where it is no text."""
    head = file.read(1 << 12)
    for mark, name in (*_MARKS, *_MARKS_16):
        if head.startswith(mark):
            return _checked(file, name)
    if b"\x00" in head:
        return _without_mark(head)
    file.seek(0)
    good, bad, sample, lines = _as_utf8(file)
    if b"\x00" in sample[:1]:
        return None
    if not bad:
        return Found("utf-8")
    if good > 2 * bad:  # texts of other encodings hardly ever hold sequences that are right in UTF-8
        return Found("utf-8", broken=bad, broken_lines=tuple(lines))
    return _likely(file, sample)


def _without_mark(head: bytes) -> Found | None:
    """UTF-16 without its mark: every other byte is zero."""
    if head[1::2].count(0) > 0.6 * len(head[1::2]) and head[::2].count(0) == 0:
        return Found("utf-16-le")
    if head[::2].count(0) > 0.6 * len(head[::2]) and head[1::2].count(0) == 0:
        return Found("utf-16-be")
    return None


def _checked(file: BinaryIO, name: str) -> Found:
    file.seek(0)
    broken, lines = count_broken(file, name)
    return Found(name, broken=broken, broken_lines=tuple(lines))


def count_broken(file: BinaryIO, encoding: str) -> tuple[int, list[str]]:
    """How many bytes or sequences of a file are none of the encoding, and some of the lines that hold one."""
    broken, number, lines = 0, 0, []
    for text in decoded(file, encoding):
        broken += text.count("\ufffd")
        if "\ufffd" in text and len(lines) < 5:
            for n, line in enumerate(text.split("\n"), start=number + 1):
                if "\ufffd" in line and len(lines) < 5:
                    lines.append(f"line {n}: {line.strip()[:80]}")
        number += text.count("\n")
    return broken, lines


def decoded(file: BinaryIO, encoding: str) -> Iterator[str]:
    """The text of a file, piece by piece, in whole lines where they are not longer than a piece."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    rest = ""
    while True:
        data = file.read(CHUNK)
        text = rest + decoder.decode(data, final=not data)
        if not data:
            if text:
                yield text
            return
        cut = text.rfind("\n") + 1
        if cut:
            yield text[:cut]
        rest = text[cut:]


def _as_utf8(file: BinaryIO) -> tuple[int, int, bytes, list[str]]:
    """Of the whole file: letters of several bytes that are right in UTF-8, sequences that are not, the lines with other
    than ASCII letters, and some of those that are wrong.
    """
    good = bad = number = 0
    lines: list[str] = []
    other: list[bytes] = []
    size = 0
    rest = b""
    while True:
        data = file.read(CHUNK)
        block = rest + data
        cut = block.rfind(b"\n") + 1 if data else len(block)
        block, rest = block[:cut], block[cut:]
        if not block.isascii():
            text = block.decode("utf-8", "replace")
            wrong = text.count("\ufffd") - block.count(b"\xef\xbf\xbd")
            bad += wrong
            good += sum(1 for _ in _LETTERS.finditer(block)) - wrong if wrong else 1
            taken = 0
            for n, line in enumerate(block.split(b"\n"), start=number + 1):
                if line.isascii():
                    continue
                if wrong and len(lines) < 5 and not _is_utf8(line):
                    lines.append(f"line {n}: {line.decode('utf-8', 'replace').strip()[:80]}")
                if taken < CHUNK // 16 and size < 16 * SAMPLE:
                    other.append(line)
                    taken += len(line)
                    size += len(line)
        number += block.count(b"\n")
        if not data:
            return max(good, 0), bad, b"\n".join(other), lines


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _likely(file: BinaryIO, sample: bytes) -> Found:
    """The encoding of a text that is no UTF-8, by charset-normalizer over lines of the whole file."""
    part = sample if len(sample) <= SAMPLE else b"\n".join(sample.split(b"\n")[:: len(sample) // SAMPLE + 1])
    ranked: dict[str, tuple[float, float]] = {}
    for match in charset_normalizer.from_bytes(part, cp_isolation=list(ENCODINGS)):
        for name in match.could_be_from_charset:
            if name in ENCODINGS:
                ranked.setdefault(name, (match.chaos, match.coherence))
    if not ranked:
        ranked = {"cp1252": (1.0, 0.0)}
    least = min(chaos for chaos, _ in ranked.values())
    most = max(coherence for chaos, coherence in ranked.values() if chaos <= least + _ALMOST_AS_LIKELY)
    close = [
        name
        for name in ENCODINGS
        if name in ranked and ranked[name][0] <= least + _ALMOST_AS_LIKELY and ranked[name][1] >= most - 0.05
    ]
    file.seek(0)
    best = close[0]
    broken, lines = count_broken(file, best)
    text = part.decode(best, "replace")
    others = tuple(
        name
        for name in close
        if name not in (best, *_RARE) and ranked[name][0] <= ranked[best][0] and part.decode(name, "replace") != text
    )
    return Found(best, others, broken, tuple(lines))
