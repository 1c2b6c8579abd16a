"""The calls that the client makes: one row for each, read by both clients and by the fake server."""

import dataclasses

from google.protobuf.message import Message

from onshelf import _results
from onshelf.v1 import catalog_pb2, launch_pb2, model_release_pb2, recommendation_pb2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rpc:
    """One unary call. retry_safe: asking twice is the same as asking once."""

    method: str
    path: str
    request: type[Message]
    response: type[Message]
    result: type
    retry_safe: bool


_LAUNCH = "/onshelf.v1.LaunchService/"
_RECOMMENDATION = "/onshelf.v1.RecommendationService/"
_CATALOG = "/onshelf.v1.CatalogService/"

# PlanLaunch is safe because the client always sends a request id; changes of the catalogue leave the same when they are
# made twice (the second time they count as replaced, or as unknown); the others only read.
PLAN_LAUNCH = Rpc(
    method="plan_launch",
    path=_LAUNCH + "PlanLaunch",
    request=launch_pb2.PlanLaunchRequest,
    response=launch_pb2.PlanLaunchResponse,
    result=_results.PlanLaunchResult,
    retry_safe=True,
)
STREAM_PLANS = _LAUNCH + "StreamPlans"
EVALUATE_PLAN = Rpc(
    method="evaluate_plan",
    path=_LAUNCH + "EvaluatePlan",
    request=launch_pb2.EvaluatePlanRequest,
    response=launch_pb2.EvaluatePlanResponse,
    result=_results.EvaluatePlanResult,
    retry_safe=True,
)
UPDATE_FORECAST = Rpc(
    method="update_forecast",
    path=_LAUNCH + "UpdateForecast",
    request=launch_pb2.UpdateForecastRequest,
    response=launch_pb2.UpdateForecastResponse,
    result=_results.UpdateForecastResult,
    retry_safe=True,
)
RECOMMEND_PRODUCTS = Rpc(
    method="recommend_products",
    path=_RECOMMENDATION + "RecommendProducts",
    request=recommendation_pb2.RecommendProductsRequest,
    response=recommendation_pb2.RecommendProductsResponse,
    result=_results.RecommendProductsResult,
    retry_safe=True,
)
FIND_AUDIENCE = Rpc(
    method="find_audience",
    path=_RECOMMENDATION + "FindAudience",
    request=recommendation_pb2.FindAudienceRequest,
    response=recommendation_pb2.FindAudienceResponse,
    result=_results.FindAudienceResult,
    retry_safe=True,
)
FIND_SIMILAR_LAUNCHES = Rpc(
    method="find_similar_launches",
    path=_RECOMMENDATION + "FindSimilarLaunches",
    request=recommendation_pb2.FindSimilarLaunchesRequest,
    response=recommendation_pb2.FindSimilarLaunchesResponse,
    result=_results.FindSimilarLaunchesResult,
    retry_safe=True,
)
GET_USER_PROFILE = Rpc(
    method="get_user_profile",
    path=_RECOMMENDATION + "GetUserProfile",
    request=recommendation_pb2.GetUserProfileRequest,
    response=recommendation_pb2.GetUserProfileResponse,
    result=_results.GetUserProfileResult,
    retry_safe=True,
)
UPSERT_PRODUCTS = Rpc(
    method="upsert_products",
    path=_CATALOG + "UpsertProducts",
    request=catalog_pb2.UpsertProductsRequest,
    response=catalog_pb2.UpsertProductsResponse,
    result=_results.UpsertProductsResult,
    retry_safe=True,
)
DELETE_PRODUCTS = Rpc(
    method="delete_products",
    path=_CATALOG + "DeleteProducts",
    request=catalog_pb2.DeleteProductsRequest,
    response=catalog_pb2.DeleteProductsResponse,
    result=_results.DeleteProductsResult,
    retry_safe=True,
)
LIST_MODEL_RELEASES = Rpc(
    method="list_model_releases",
    path="/onshelf.v1.ModelReleaseService/ListModelReleases",
    request=model_release_pb2.ListModelReleasesRequest,
    response=model_release_pb2.ListModelReleasesResponse,
    result=_results.ListModelReleasesResult,
    retry_safe=True,
)

RPCS: tuple[Rpc, ...] = (
    PLAN_LAUNCH,
    EVALUATE_PLAN,
    UPDATE_FORECAST,
    RECOMMEND_PRODUCTS,
    FIND_AUDIENCE,
    FIND_SIMILAR_LAUNCHES,
    GET_USER_PROFILE,
    UPSERT_PRODUCTS,
    DELETE_PRODUCTS,
    LIST_MODEL_RELEASES,
)
