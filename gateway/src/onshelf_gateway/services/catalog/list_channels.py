"""ListChannels: the channels of a model release, with what the history and the retailer's table say of them."""

from onshelf.v1 import catalog_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.response import response_info
from onshelf_release.channels import Channel

C = catalog_pb2


async def list_channels(gateway: Gateway, call: Call, request: C.ListChannelsRequest) -> C.ListChannelsResponse:
    """Answer ListChannels; no permit, since nothing is computed."""
    release = gateway.release(call, request.model_release)
    channels = sorted(release.channels.values(), key=lambda channel: channel.slot)
    return C.ListChannelsResponse(
        channels=[_message(channel) for channel in channels], info=response_info(call, release)
    )


def _message(channel: Channel) -> C.Channel:
    return C.Channel(
        channel_id=channel.channel_id,
        name=channel.name,
        kind=channel.kind,
        typical_coverage=channel.typical_coverage,
        launches=channel.n_launches,
        lead_time_days=channel.lead_time_days,
        capacity=channel.capacity,
    )
