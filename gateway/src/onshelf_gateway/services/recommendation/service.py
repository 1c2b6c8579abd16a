"""RecommendationService."""

from typing import Any

from onshelf.v1 import recommendation_pb2, recommendation_pb2_grpc
from onshelf_gateway.call.interceptor import current_call
from onshelf_gateway.services.gateway import Gateway
from onshelf_gateway.services.recommendation.find_audience import find_audience
from onshelf_gateway.services.recommendation.find_related import find_related
from onshelf_gateway.services.recommendation.find_similar import find_similar
from onshelf_gateway.services.recommendation.recommend import recommend_products
from onshelf_gateway.services.recommendation.user_profile import get_user_profile

R = recommendation_pb2


class RecommendationService(recommendation_pb2_grpc.RecommendationServiceServicer):
    """Products for users, users for products, products for products."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def RecommendProducts(self, request: R.RecommendProductsRequest, context: Any) -> R.RecommendProductsResponse:  # noqa: ARG002
        """Products for a user."""
        return await recommend_products(self._gateway, current_call(), request)

    async def FindAudience(self, request: R.FindAudienceRequest, context: Any) -> R.FindAudienceResponse:  # noqa: ARG002
        """Users for a product."""
        return await find_audience(self._gateway, current_call(), request)

    async def FindSimilarLaunches(
        self,
        request: R.FindSimilarLaunchesRequest,
        context: Any,  # noqa: ARG002
    ) -> R.FindSimilarLaunchesResponse:
        """Past launches like a product."""
        return await find_similar(self._gateway, current_call(), request)

    async def FindRelatedProducts(
        self,
        request: R.FindRelatedProductsRequest,
        context: Any,  # noqa: ARG002
    ) -> R.FindRelatedProductsResponse:
        """Complements and substitutes of a product."""
        return await find_related(self._gateway, current_call(), request)

    async def GetUserProfile(self, request: R.GetUserProfileRequest, context: Any) -> R.GetUserProfileResponse:  # noqa: ARG002
        """What is known of a user."""
        return await get_user_profile(self._gateway, current_call(), request)
