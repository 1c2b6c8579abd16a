"""FindSimilarLaunches: past launches that resemble a product."""

from onshelf.v1 import recommendation_pb2
from onshelf_gateway.call.call import Call
from onshelf_gateway.planning import messages
from onshelf_gateway.requests.checks import Checker
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.recommendation.subjects import parse_subject, read_subject
from onshelf_gateway.services.response import response_info


async def find_similar(
    gateway: Gateway, call: Call, request: recommendation_pb2.FindSimilarLaunchesRequest
) -> recommendation_pb2.FindSimilarLaunchesResponse:
    """Answer FindSimilarLaunches."""
    with call.stage("validate"):
        release = gateway.release(call, request.model_release)
        check = Checker()
        count = int(check.number("count", request.count, 0, 50)) or 10
        parsed = parse_subject(check, request, gateway.catalog.shelf(call, release))
        check.done()
    with gateway.permits.hold(call):
        product = await read_subject(gateway, call, release, parsed)
        found = await gateway.models.find_launches(call, release, product.embedding)
        with call.stage("response", len(found.indices)):
            response = recommendation_pb2.FindSimilarLaunchesResponse(
                launches=messages.past_launches(release, found, count), category=product.category.message()
            )
    response.info.CopyFrom(response_info(call, release))
    return response
