"""The contract: what it offers, that it is documented, and that what is checked in is what it generates."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from onshelf.v1 import (
    catalog_pb2,
    errors_pb2,
    feedback_pb2,
    launch_pb2,
    model_release_pb2,
    recommendation_pb2,
)

ROOT = Path(__file__).resolve().parents[2]
SERVICES = {
    launch_pb2: [
        "LaunchService: PlanLaunch EvaluatePlan UpdateForecast StreamPlans PlanCalendar GetPlan ListPlans DecideLaunch "
        "ReplayPlan EstimatePower"
    ],
    recommendation_pb2: [
        "RecommendationService: RecommendProducts FindAudience FindSimilarLaunches FindRelatedProducts GetUserProfile"
    ],
    catalog_pb2: ["CatalogService: UpsertProducts DeleteProducts SearchProducts ListChannels"],
    feedback_pb2: [
        "FeedbackService: RecordEvents StreamEvents ListEvents ListRefusedEvents ListLaunches GetLaunchReport "
        "GetScoreboard ForgetUser"
    ],
    model_release_pb2: [
        "ModelReleaseService: ListModelReleases CompareModelReleases ShadowModelRelease CanaryModelRelease "
        "PromoteModelRelease RollBackModelRelease"
    ],
}
STATUS = {"INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "UNAVAILABLE"}
STATUS |= {"ABORTED", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL"}


def run(script: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "proto" / script), *arguments], cwd=cwd, capture_output=True, text=True
    )


@pytest.mark.parametrize("module", SERVICES, ids=lambda module: module.DESCRIPTOR.name)
def test_services_offer_exactly_these_calls(module):
    offered = [
        f"{service.name}: {' '.join(method.name for method in service.methods)}"
        for service in module.DESCRIPTOR.services_by_name.values()
    ]
    assert offered == SERVICES[module]


def test_every_call_has_messages_of_its_own():
    seen = set()
    for module in SERVICES:
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                assert method.input_type.name == f"{method.name}Request"
                assert method.output_type.name == f"{method.name}Response"
                seen |= {method.input_type.full_name, method.output_type.full_name}
    assert len(seen) == 2 * sum(len(line.split()) - 1 for lines in SERVICES.values() for line in lines)


def test_every_error_reason_names_its_status_code():
    text = (ROOT / "proto/onshelf/v1/errors.proto").read_text()
    rows = re.findall(r"// (\w+)[^\n]*(?:\n  //[^\n]*)*\n  ERROR_REASON_(\w+) = (\d+);", text)
    assert len(rows) == len(errors_pb2.ErrorReason.items())
    assert {status for status, reason, number in rows if number != "0"} == STATUS


def test_stubs_and_reference_are_fresh():
    for script in ("generate.py", "document.py"):
        result = run(script, "--check")
        assert result.returncode == 0, result.stderr


def test_buf_accepts_the_contract_and_would_refuse_an_uncommented_field(tmp_path):
    result = run("generate.py", "--lint", "--breaking")
    assert result.returncode == 0, result.stdout + result.stderr
    copy = tmp_path / "proto"
    subprocess.run(["cp", "-r", str(ROOT / "proto"), str(copy)], check=True)
    path = copy / "onshelf/v1/catalog.proto"
    path.write_text(path.read_text().replace("  // Products added.\n", ""))
    result = subprocess.run([sys.executable, str(copy / "generate.py"), "--lint"], capture_output=True, text=True)
    assert result.returncode != 0
    assert "added" in result.stdout
