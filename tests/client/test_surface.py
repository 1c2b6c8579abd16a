"""What the package exports, and what importing it needs."""

import inspect
import subprocess
import sys

import onshelf
from onshelf import AsyncClient, Client, OnshelfError, _errors

SURFACE = """
AccessDenied Action ActionEffect AsyncClient Attribution AudienceMember AudienceSegment BrandClass CalendarEvent
Cancelled CategoryInterest CategoryResolution Channel ChannelCost ChannelUse Client Conflict Costs CountForecast
DateWindow DeadlineExceeded DecideLaunchResult DecisionKind DecisionReason DecisionScore DeleteProductsResult
ErrorReason EstimatePowerResult EvaluatePlanRequest EvaluatePlanResult Event EventError EventKind Exploration
FeatureVector FieldViolation FindAudienceResult FindRelatedProductsResult FindSimilarLaunchesResult ForgetUserResult
FoundProduct FrontierPoint GetLaunchReportResult GetPlanResult GetScoreboardResult GetUserProfileResult Health
HealthStatus HistoryEvent HoldoutEffect HoldoutVerdict InvalidRequest Launch LaunchDecision LaunchException
LaunchPlan LaunchReportWeek LaunchState LaunchSuggestion ListChannelsResult ListEventsResult ListLaunchesResult
ListModelReleasesResult ListPlansResult ListRefusedEventsResult MarketSignal ModelRelease ModelReleaseInfo Money
MoneyForecast NearTie NoFeasiblePlan NotFound NotServed Notice NoticeCode Objective ObjectiveMetric OnshelfError
OutcomeForecast Overloaded PastLaunch PlanConstraints PlanDifference PlanLaunchResult PlanRequest PlanSummary
PowerUnit PowerWeek PricePhase PriceResponse PriceStep PriceTax Product ProductEffect ProductError Quantile
RecommendProductsResult RecommendationScope RecommendedProduct RecordEventsResult RefusedEvent RelatedProduct
RelationKind ReleaseMetric ReorderAdvice ReplayPlanResult ResponseInfo ReviewQuote ReviewSummary ReviewTopic
ScoreboardWeek SearchProductsResult ServiceFault ServingState SiteStock StageTiming StockAdvice StockPolicy StockSite
StoredPlan StreamEventsResponse StreamedPlan Support SupportLevel TimingEvidence Unavailable UnitsBasis
UpdateForecastResult UpsertProductsResult UserProfile WeekForecast
"""


def test_the_surface_is_pinned_and_sorted():
    assert onshelf.__all__ == sorted(SURFACE.split())
    assert all(hasattr(onshelf, name) for name in SURFACE.split())


def test_nothing_else_is_public():
    modules = {"addresses", "console", "files", "reasons", "testing", "v1"}
    public = {name for name in vars(onshelf) if not name.startswith("_")}
    assert public - modules == set(SURFACE.split())


def test_both_clients_have_the_same_methods_and_signatures():
    def signatures(kind):
        return {
            name: [(p.name, p.kind, p.default, p.annotation) for p in inspect.signature(member).parameters.values()]
            for name, member in vars(kind).items()
            if inspect.isfunction(member) and not name.startswith("_")
        } | {"__init__": list(inspect.signature(kind.__init__).parameters.values())}

    assert signatures(Client) == signatures(AsyncClient)
    assert isinstance(vars(AsyncClient)["address"], property)


def test_every_error_is_one_documented_line_below_the_base():
    errors = [kind for kind in vars(_errors).values() if inspect.isclass(kind) and issubclass(kind, OnshelfError)]
    assert len(errors) == 12
    for kind in errors:
        if kind is not OnshelfError:
            assert kind.__bases__ == (OnshelfError,)
            assert "\n" not in kind.__doc__
        assert f"{kind.__name__}\n" in _errors.__doc__


def test_importing_needs_nothing_beyond_the_dependencies():
    code = """
import sys

ALLOWED = {"onshelf", "grpc", "google", "grpc_health", "grpc_status", "typing_extensions", "cython_runtime"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED | set(sys.stdlib_module_names) and not name.startswith("_cython"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
import onshelf, onshelf._cli, onshelf.testing
assert not {"numpy", "torch", "pyarrow", "pandas", "duckdb"} & set(sys.modules)
print("imported")
try:
    import numpy
except ImportError:
    print("and the block holds")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "imported\nand the block holds\n", "")


def test_without_the_extra_the_command_says_what_to_install():
    code = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"cyclopts", "rich"}:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
from onshelf._cli import main
sys.exit(main(["--version"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    told = 'onshelf: the command line needs more packages: pip install "onshelf[cli]"\n'
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)
