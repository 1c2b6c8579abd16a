"""Ids of users that would give a person away: e-mail addresses and phone numbers.

The expressions serve Python and DuckDB alike: they have no look-ahead, which DuckDB's lack. A year before a number, a
date, an order number in groups that no phone has, and other rows of digits are pseudonyms, padded with zeros or not.
"""

import re

EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
_PHONES = (
    r"\+\d[\d ()./-]{7,}",  # international: +49 171 1234567
    r"00[1-9]\d{0,2}(([ .-]\d{2,4}){3,4}|[ .-]\d{2,4}[ .-]\d{6,8})",  # the same: 0049 171 1234567
    r"(1[ .-]?)?\(\d{2,5}\)[ .-]?\d{2,4}([ .-]?\d{2,5}){1,3}",  # an area code in brackets: (555) 010 9999
    r"(1[ .-])?[2-9]\d{2}([ .-]\d{3}[ .-]\d{3,4}| \d{7})",  # three groups, an area code first: 555-010-9999
    r"0[1-9]\d{1,3}([ ./-]\d{6,8}|([ .-]\d{3,4}){2}|([ .-]\d{2}){3,4})",  # a trunk zero: 0171 1234567
    r"0[1-9](([ .-]\d{2}){4}| \d{3,4} \d{4})",  # the same, short: 01 23 45 67 89
    r"1[3-9]\d([ -]\d{4}[ -]\d{4}|\d{8})",  # a Chinese mobile number: 13812345678
    r"[6-9]\d{4} \d{5}",  # an Indian one: 98765 43210
    r"1[38]00([ .-]\d{3}){2}",  # an Australian service number: 1300 123 456
)
PHONE = f"^({'|'.join(_PHONES)})$"
_PERSONAL = re.compile(f"{EMAIL}|{PHONE}", re.ASCII)


def is_personal(user_id: str) -> bool:
    """Whether an id looks like an e-mail address or a phone number; white space around it does not count."""
    return _PERSONAL.fullmatch(user_id.strip()) is not None
