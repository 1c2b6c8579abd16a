"""Which user ids are refused as personal."""

import duckdb
import pytest

from onshelf.v1 import recommendation_pb2
from onshelf_gateway.requests.checks import Checker
from onshelf_release.personal_ids import EMAIL, PHONE

R = recommendation_pb2


def listed(text: str) -> list[str]:
    return text.replace("\n", "|").strip("|").split("|")


PSEUDONYMS = listed("""
0000012345|00000123456|000000123456|123456789012|9876543210|12-34-56|user+7@home|H00003|C-100003|anna@shop|2023-100003
2024-000123|1999-123456|2023/100003|2023.100003|2023_100003|2023-10-0003|2023-100-003|2023-0100-0003|1-2023-100003
10-2023-0004|01-2023-0004|2018-03-05|05-03-2018|05.03.2018|3/5/2018|20180305|2018-03-05-001|03-05-2018-001|2018-W10-17
1001-2002-3003|100-200-3000|123-1234567-1234567|99-1234567|402-1234567|01-234567|0012-34-56|5551-0109|555-0109
4-100003|100003-1|7f3a-11e0-9b2c|+1234567|2469|2469x|H00003x|cust-000123x|8f14e45f-ceea-467f-a0e6-1d2b3c4d5e6fx
20180305x|1234567890123456x
""")
PERSONAL = listed("""
+49 171 1234567|+1 (555) 010-9999|+86 138 1234 5678|+4930123456/7|0049 171 1234567|0044 20 7946 0958|555-010-9999
555.010.9999|555 010 9999|1-555-010-9999|1 (555) 010-9999|(555) 010 9999|(555)010-9999|555 0109999|(0171) 1234567
(11) 91234-5678|612 345 678|512-345-678|0171 123 4567|0171-1234567|0171/1234567|030 123456|020 7946 0958|07700 900123
0412 345 678|0471 12 34 56|01 23 45 67 89|06.12.34.56.78|090-1234-5678|010-1234-5678|03 1234 5678|010-12345678
0755-12345678|13812345678|138-1234-5678|138 1234 5678|98765 43210|400-123-4567|1300 123 456
a.b@shop.example|anna+kiosk@mail.example.org|安娜@example.cn
""")


def refused(user_id: str) -> list[str]:
    check = Checker()
    check.user_id("user_id", user_id, required=True)
    return [violation.reason for violation in check.violations]


@pytest.mark.parametrize("user_id", PSEUDONYMS)
def test_dates_orders_and_rows_of_digits_are_pseudonyms(user_id):
    assert refused(user_id) == []


@pytest.mark.parametrize("user_id", PERSONAL)
def test_phone_numbers_and_mail_addresses_are_personal(user_id):
    assert refused(user_id) == ["USER_ID_PERSONAL"]
    assert refused(f" {user_id} ") == ["USER_ID_PERSONAL"]


async def test_a_caller_is_told_without_the_id(running, words):
    refusal = await words.refusal(running.recommend.GetUserProfile(R.GetUserProfileRequest(user_id="0171 123 4567")))
    assert refusal.reason == "USER_ID_PERSONAL"
    assert "4567" not in refusal.message
    refusal = await words.refusal(running.recommend.GetUserProfile(R.GetUserProfileRequest(user_id="2023-100003")))
    assert refusal.reason == "USER_NOT_FOUND"


def test_the_rule_holds_in_duckdb_alike():
    query = "SELECT regexp_matches(id, $1) OR regexp_matches(id, $2) FROM (SELECT unnest($3) AS id)"
    for ids, personal in ((PSEUDONYMS, False), (PERSONAL, True)):
        found = duckdb.execute(query, [PHONE, EMAIL, ids]).fetchall()
        assert [row[0] for row in found] == [personal] * len(ids)
