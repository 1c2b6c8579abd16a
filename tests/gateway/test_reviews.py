"""What reviews say in a launch report: read by the model, quoted word for word, or abstained from."""

import datetime as dt

import grpc
import pytest
from test_launch_report import START, Shop

from onshelf.v1 import feedback_pb2, launch_pb2_grpc, types_pb2
from onshelf_gateway.inference.backend import BackendUnavailableError
from onshelf_gateway.reviews.sentences import is_question, sentences_of
from onshelf_gateway.reviews.topics import Sentence, candidates, phrases_of, quotes_of, topics
from onshelf_gateway.testing import running_gateway, write_fake_release
from onshelf_release.signatures import SIGNATURES

F, T = feedback_pb2, types_pb2
GOOD = "The lime flavor is great. I love it"
BAD = "The lid leaks, and the bottle came broken! Can I get a new lid?"
WORSE = "Stale and bad. The lid did not close"


@pytest.fixture(params=["sqlite", "postgresql"])
def feedback(request, words):
    """A shop on a gateway with a store of each kind."""
    running = request.getfixturevalue(f"on_{request.param}")
    return Shop(running.launch, running.channel, words, request.param)


@pytest.fixture
async def alone(releases, words):
    """A shop and its backend, on a gateway of its own."""
    async with (
        running_gateway(releases) as (server, backend),
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield Shop(launch_pb2_grpc.LaunchServiceStub(channel), channel, words, "alone"), backend


async def reviewed(shop: Shop, product: str, texts: list[tuple[str, float]]) -> F.GetLaunchReportResponse:
    """The report of a launch with these reviews, the first one the oldest."""
    plan = await shop.decided(product)
    for n, (text, rating) in enumerate(texts):
        shop.happened(product, START + dt.timedelta(days=n), "review", user=f"u{n}", text=text, rating=rating)
    await shop.record()
    return await shop.report(plan)


async def test_topics_are_quoted_with_their_sentiment_and_complaints_stand_apart(feedback):
    texts = [(GOOD, 5.0)] * 8 + [(BAD, 1.0), (WORSE, 1.0)] * 2
    report = await reviewed(feedback, f"topics-{feedback.kind}", texts)
    said = report.review_summary
    assert (said.with_text, said.read, said.not_read, said.abstained) == (12, 12, 0, "")
    assert (said.positive, said.neutral, said.negative) == (8, 0, 4)
    assert 0 < said.sentiment < 1
    found = {one.topic: one for one in said.topics}
    assert found["lime flavor"].reviews == 8
    assert found["lime flavor"].sentiment > 0.5
    assert found["lid"].reviews == 4
    assert found["lid"].sentiment < 0
    assert found["lime flavor"].quotes[0].text == "The lime flavor is great."
    assert all(quote.text in GOOD + BAD + WORSE for one in said.topics for quote in one.quotes), "word for word"
    assert [quote.text for quote in said.questions] == ["Can I get a new lid?"] * 2
    assert {quote.text for quote in said.complaints} == {"The lid leaks, and the bottle came broken!", "Stale and bad."}
    days = [quote.day for quote in said.complaints]
    assert days == sorted(days, reverse=True), "newest first"
    assert {quote.event_id for quote in said.complaints} == {f"topics-{feedback.kind}-{n}" for n in range(8, 12)}
    assert not said.disagreements


async def test_below_ten_reviews_a_report_abstains_but_lists_complaints(alone):
    shop, _ = alone
    report = await reviewed(shop, "few", [(GOOD, 5.0)] * 8 + [(BAD, 1.0)])
    said = report.review_summary
    assert said.abstained == "9 reviews were read: a summary needs 10"
    assert not said.HasField("sentiment")
    assert not said.topics
    assert len(said.complaints) == len(said.questions) == 1


async def test_reviews_whose_stars_and_words_disagree_are_listed_whole(alone):
    shop, _ = alone
    report = await reviewed(
        shop, "odd", [("Great, I love it. Fresh.", 1.0), ("It leaks and is stale", 5.0), (GOOD, 5.0)]
    )
    listed = [(one.text, one.rating) for one in report.review_summary.disagreements]
    assert listed == [("It leaks and is stale", 5.0), ("Great, I love it. Fresh.", 1.0)]


async def test_reviews_in_a_language_that_the_release_does_not_know_are_not_read(alone):
    shop, _ = alone
    report = await reviewed(shop, "strange", [(GOOD, 5.0)] * 10 + [("味道很好，下次还会买", 5.0)] * 3)
    said = report.review_summary
    assert (said.with_text, said.read, said.not_read) == (13, 10, 3)
    assert said.positive == 10


async def test_reviews_without_a_text_leave_the_summary_unset(alone):
    shop, backend = alone
    report = await reviewed(shop, "stars", [("", 4.0)] * 12)
    assert (report.reviews, report.HasField("review_summary")) == (12, False)
    assert backend.count("review_sentiment") == 0


async def test_what_was_read_is_not_read_again(alone):
    shop, backend = alone
    plan = await shop.decided("again")
    for n in range(12):
        shop.happened("again", START, "review", user=f"u{n}", text=f"{GOOD} {n}", rating=5.0)
    await shop.record()
    first = await shop.report(plan)
    asked = backend.count("review_sentiment")
    assert asked == 2, "sentences and phrases"
    assert (await shop.report(plan)).review_summary == first.review_summary
    assert backend.count("review_sentiment") == asked


async def test_a_report_without_its_model_is_degraded_and_says_so(alone):
    shop, backend = alone
    backend.failing["review_sentiment"] = BackendUnavailableError("gone")
    report = await reviewed(shop, "degraded", [(GOOD, 5.0)] * 10)
    assert report.info.degraded
    assert not report.HasField("review_summary")
    assert any("what reviews say is missing" in notice.message for notice in report.info.notices)
    assert report.reviews == 10


async def test_an_older_release_counts_reviews_and_says_that_it_reads_none(tmp_path, words):
    write_fake_release(tmp_path, models=[name for name in SIGNATURES if name != "review_sentiment"])
    async with (
        running_gateway(tmp_path) as (server, _),
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        shop = Shop(launch_pb2_grpc.LaunchServiceStub(channel), channel, words, "old")
        report = await reviewed(shop, "old", [(GOOD, 5.0)] * 10)
    assert not report.HasField("review_summary")
    assert [n.code for n in report.info.notices].count(T.NOTICE_CODE_REVIEWS_NOT_READ) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good. Bad! Why?", ["Good.", "Bad!", "Why?"]),
        ("很好吃。还会再买！", ["很好吃。", "还会再买！"]),
        ("one\n\n two ", ["one", "two"]),
        ("Costs $3.50 a bag", ["Costs $3.50 a bag"]),
        ("... !!", []),
        ("", []),
    ],
)
def test_sentences_are_parts_of_the_text(text, expected):
    assert sentences_of(text) == expected


def test_a_long_text_without_an_end_is_cut_at_blanks_and_loses_no_word():
    text = "word " * 500
    assert " ".join(sentences_of(text)) == text.strip()
    assert max(map(len, sentences_of(text))) <= 400
    assert "".join(sentences_of("字" * 900)) == "字" * 900


@pytest.mark.parametrize(
    ("sentence", "expected"), [("Is it vegan?", True), ("Is it vegan ? )", True), ("好吃吗", True), ("It is.", False)]
)
def test_questions(sentence, expected):
    assert is_question(sentence) is expected


def test_phrases_are_words_side_by_side_that_are_none_of_grammar():
    assert phrases_of("The battery life of it, and the screen") == {"battery", "life", "battery life", "screen"}
    assert "屏幕" in phrases_of("屏幕很大")
    assert phrases_of("I bought it") == set()


def test_a_longer_phrase_stands_for_the_shorter_one_and_like_topics_are_one():
    said = [Sentence(review=n, text="the battery life and the charger", sentiment=0.5) for n in range(4)]
    said.append(Sentence(review=9, text="nice screen", sentiment=-0.5))
    found = candidates(said, 5)
    assert "battery life" in found
    assert "battery" not in found
    assert "screen" not in found, "one review is no topic"
    named = topics(said, found, [False] * len(found))
    assert [topic.phrase for topic in named] == [next(iter(found))], "the same reviews: one topic"
    assert topics(said, found, [True] * len(found)) == []


def test_quotes_are_of_different_reviews_and_of_the_topics_side():
    said = [
        Sentence(review=0, text="lid leaks", sentiment=-0.9),
        Sentence(review=0, text="lid is bad", sentiment=-0.8),
        Sentence(review=1, text="lid is fine", sentiment=0.4),
        Sentence(review=2, text="lid cracked", sentiment=-0.7),
    ]
    (topic,) = [t for t in topics(said, candidates(said, 3), [False]) if t.phrase == "lid"]
    assert quotes_of(topic, said) == [0, 3, 2]


async def test_a_report_without_time_for_all_reads_the_newest_and_says_how_many_it_left(alone):
    shop, backend = alone
    plan = await shop.decided("late")
    for n in range(400):
        text = f"{GOOD} {n}. " * 2
        shop.happened("late", START + dt.timedelta(days=n // 10), "review", user=f"u{n}", text=text, rating=5.0)
    await shop.record()
    backend.delays["review_sentiment"] = 0.5
    asked = F.GetLaunchReportRequest(plan_id=plan.plan_id)
    first = await shop.feedback.GetLaunchReport(asked, timeout=8)
    assert not first.info.degraded
    assert 0 < first.review_summary.read < 400
    assert first.review_summary.not_read == 400 - first.review_summary.read
    backend.delays.clear()
    assert (await shop.report(plan)).review_summary.read == 400


def test_one_long_text_in_all_reviews_gives_no_more_candidates_than_are_looked_at():
    words = [f"word{n}" for n in range(1500)]
    texts = [" ".join(words[40 * k : 40 * k + 40]) for k in range(37)]
    said = [Sentence(review=n, text=text, sentiment=0.1) for n in range(12) for text in texts]
    assert 0 < len(candidates(said, 12)) <= 60
    assert sentences_of("a" + " " * 10_000 + "b") != []


async def test_blanks_around_a_user_id_do_not_count(alone):
    shop, _ = alone
    shop.happened("blanks", START, "purchase", user="blank user")
    await shop.record()
    receipt = await shop.feedback.ForgetUser(F.ForgetUserRequest(user_id=" blank user "))
    assert receipt.events_deleted == 1
