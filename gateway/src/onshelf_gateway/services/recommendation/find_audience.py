"""FindAudience: the users most likely to buy a product, and segments of them."""

from onshelf.v1 import recommendation_pb2
from onshelf.v1.types_pb2 import NOTICE_CODE_HELD_OUT
from onshelf_gateway.call.call import Call
from onshelf_gateway.call.errors import without_users
from onshelf_gateway.recommendation import audience
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.launch.offering import held_out_words
from onshelf_gateway.services.recommendation.subjects import parse_subject, read_subject
from onshelf_gateway.services.response import response_info
from onshelf_gateway.store.answers import AUDIENCE


async def find_audience(
    gateway: Gateway, call: Call, request: recommendation_pb2.FindAudienceRequest
) -> recommendation_pb2.FindAudienceResponse:
    """Answer FindAudience."""
    with call.stage("validate"):
        release = gateway.release(call, request.model_release)
        check = Checker()
        count = int(check.number("count", request.count, 0, 3840)) if request.HasField("count") else 100
        parsed = parse_subject(check, request, gateway.catalog.shelf(call, release))
        check.done()
        if not release.has_users:
            raise without_users(release.version)
    with gateway.permits.hold(call):
        product = await read_subject(gateway, call, release, parsed)
        found = await gateway.models.find_audience(
            call, release, product.embedding, product.product_vector, product.ids
        )
        found = await gateway.forgotten.without(release, found)
        held_out = gateway.settings.holdout_share
        if held_out > 0:
            found = await gateway.holdout.without(release, found, held_out)
            call.notice(NOTICE_CODE_HELD_OUT, held_out_words(held_out))
        with call.stage("response", len(found.indices)):
            response = recommendation_pb2.FindAudienceResponse(
                users=audience.members(release, found, count),
                category=product.category.message(),
                holdout_share=held_out,
            )
            if request.segments or count == 0:
                response.segments.extend(audience.segments(release, found, count))
    response.info.CopyFrom(response_info(call, release))
    gateway.memory.remember(
        call,
        release,
        kind=AUDIENCE,
        today=gateway.today(release),
        request=request,
        response=response,
        offered=[],  # its users are in the response alone, where those who asked to be forgotten are taken out
        product_id=request.product_id or request.product.product_id,
        title=request.product.title,
    )
    return response
