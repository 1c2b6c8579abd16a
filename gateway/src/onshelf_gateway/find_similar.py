"""FindSimilarLaunches: past launches that resemble a product."""

from onshelf.v1 import recommendation_pb2
from onshelf_gateway import messages
from onshelf_gateway.calls import Call
from onshelf_gateway.checks import Checker
from onshelf_gateway.gateway import Gateway
from onshelf_gateway.product import understand
from onshelf_gateway.subjects import parse_subject


async def find_similar(
    gateway: Gateway, call: Call, request: recommendation_pb2.FindSimilarLaunchesRequest
) -> recommendation_pb2.FindSimilarLaunchesResponse:
    """Answer FindSimilarLaunches."""
    with call.stage("validate"):
        release = gateway.release(call, request.model_release)
        check = Checker()
        count = int(check.number("count", request.count, 0, 50)) or 10
        question = parse_subject(check, request, release)
        check.done()
    with gateway.permits.hold(call):
        product = await understand(call, release, gateway.models, gateway.settings, question, price_matters=False)
        found = await gateway.models.find_launches(call, release, product.encoded.embedding)
        with call.stage("response", len(found.indices)):
            response = recommendation_pb2.FindSimilarLaunchesResponse(
                launches=messages.past_launches(release, found, count), category=product.category.message()
            )
    response.info.CopyFrom(messages.response_info(call, release))
    return response
