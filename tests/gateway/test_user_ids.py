"""Which user ids are refused as personal."""

from onshelf.v1 import recommendation_pb2
from onshelf_exporter import validation
from onshelf_gateway import checks

R = recommendation_pb2


async def test_rows_of_digits_are_pseudonyms(running, words):
    pseudonyms = ("0000012345", "00000123456", "000000123456", "2018-03-05", "123456789012", "12-34-56", "user+7@home")
    for pseudonym in pseudonyms:
        refusal = await words.refusal(running.recommend.GetUserProfile(R.GetUserProfileRequest(user_id=pseudonym)))
        assert refusal.reason == "USER_NOT_FOUND", pseudonym
    personal = ("+49 171 1234567", "555-010-9999", "(555) 010 9999", "0171 123 4567", "13812345678", "a.b@shop.example")
    for pseudonym in personal:
        refusal = await words.refusal(running.recommend.GetUserProfile(R.GetUserProfileRequest(user_id=pseudonym)))
        assert refusal.reason == "USER_ID_PERSONAL", pseudonym


def test_the_exporter_has_the_same_rule():
    assert f"^({checks._PHONE.pattern})$" == validation.PHONE
    assert f"^{checks._EMAIL.pattern}$" == validation.EMAIL
