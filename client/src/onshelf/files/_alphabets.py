"""Tells the encodings of Latin letters apart, which read the same bytes as letters of different languages."""

import re

LATIN = ("cp1252", "cp1250", "cp1254", "cp1257", "cp850", "mac_roman")  # the most usual first
# The letters beyond a to z that a language writes.
ALPHABETS = (
    "äöüß",  # German
    "àâæçéèêëîïôœùûüÿ",  # French
    "áéíñóúüç·",  # Spanish
    "àáâãçéêíóôõúü",  # Portuguese
    "àèéìíòóùú",  # Italian
    "áéèëïóöü",  # Dutch
    "åäöæøéüà",  # Danish, Norwegian, Swedish, Finnish
    "áðéíóúýþæö",  # Icelandic
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "áéíóöőúüű",  # Hungarian
    "ăâîșțşţ",  # Romanian
    "čćđšž",  # Croatian, Slovene
    "çğıöşüâîû",  # Turkish
    "ąčęėįšųūž",  # Lithuanian
    "āčēģīķļņšūž",  # Latvian
    "äõöüšž",  # Estonian
)
_AS_GOOD = 0.02  # difference of the share of letters
# A letter beyond ASCII, or a sign within a word, as another encoding makes of a letter.
_TELLING = re.compile(r"[^\W\d_a-zA-Z]|(?<=[a-zA-Z])[^\w\s\x00-\x7f’‘–—…™®©°](?=[a-zA-Z])|\ufffd")


def latin_encodings(data: bytes) -> list[str]:
    """The encodings in which most letters belong to one language, the most usual first."""
    shares = {name: _share(data.decode(name, "replace").lower()) for name in LATIN}
    best = max(shares.values())
    return [name for name in LATIN if shares[name] >= best - _AS_GOOD]


def _share(text: str) -> float:
    letters = _TELLING.findall(text)
    return max(sum(letter in alphabet for letter in letters) for alphabet in ALPHABETS) / max(len(letters), 1)
