"""ListChannels over a fake release, and through the client."""

from onshelf import AsyncClient
from onshelf.v1 import catalog_pb2
from onshelf_gateway.testing import running_gateway, write_fake_release

C = catalog_pb2


async def test_the_channels_are_listed_in_the_order_of_the_release(running, words):
    answer = await running.catalog.ListChannels(C.ListChannelsRequest())
    first, *_, last = answer.channels
    assert (first.channel_id, first.name, first.kind) == ("mailer_front_feature", "front page feature", "mailer")
    assert (first.typical_coverage, first.launches, first.lead_time_days, first.capacity) == (0.4, 30, 0, 0)
    assert (last.channel_id, last.kind) == ("coupon_campaign", "coupon")
    assert answer.info.model_release.version == 3
    refusal = await words.refusal(running.catalog.ListChannels(C.ListChannelsRequest(model_release=99)))
    assert refusal.reason == "MODEL_RELEASE_NOT_FOUND"


async def test_the_client_reads_what_the_retailers_table_says(tmp_path):
    write_fake_release(tmp_path, lead_time_days=30)
    async with running_gateway(tmp_path) as (server, _), AsyncClient(server.address) as client:
        found = await client.list_channels()
    assert {channel.lead_time_days for channel in found.channels} == {30}
