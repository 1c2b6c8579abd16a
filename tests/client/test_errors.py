"""The error table, from both ends, over a real connection."""

import inspect

import grpc
import pytest

import onshelf
from onshelf import (
    Client,
    DeadlineExceeded,
    ErrorReason,
    FieldViolation,
    InvalidRequest,
    NotServed,
    OnshelfError,
    Product,
    ServiceFault,
    Unavailable,
)
from onshelf._config import read_answer
from onshelf._rpcs import BY_METHOD
from onshelf._status import from_rpc_error, to_status
from onshelf.reasons import CODES, REASONS

CHIPS = Product(title="sea salt chips")


def test_every_reason_and_every_status_code_is_in_the_table():
    assert set(REASONS) == set(ErrorReason)
    assert set(CODES) == set(grpc.StatusCode) - {grpc.StatusCode.OK}


def test_every_error_of_the_tree_can_occur():
    kinds = {kind for kind in vars(onshelf).values() if inspect.isclass(kind) and issubclass(kind, OnshelfError)}
    assert kinds - {OnshelfError} == {kind for _, kind in REASONS.values()} | set(CODES.values())


def test_a_reason_has_the_class_of_its_code():
    for reason, (code, kind) in REASONS.items():
        if reason is not ErrorReason.NO_FEASIBLE_PLAN:
            assert CODES[code] is kind


@pytest.mark.parametrize("reason", ErrorReason, ids=lambda reason: reason.name)
def test_a_reason_arrives_with_field_and_message(server, reason):
    code, kind = REASONS[reason]
    violation = FieldViolation("product.list_price", "is -1; give a price above 0", reason)
    server.fail("plan_launch", kind("is refused", reason=reason, field=violation.field, violations=(violation,)))
    with Client(server.address, retries=0) as client, pytest.raises(kind) as caught:
        client.plan_launch(CHIPS)
    error = caught.value
    assert (error.reason, error.field, error.code, error.message) == (
        reason,
        "product.list_price",
        code.name,
        "is refused",
    )
    assert (error.violations, error.address) == ((violation,), server.address)
    assert str(error) == "product.list_price: is refused"


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_a_code_without_a_reason_has_a_class_of_its_own(server, code):
    server.fail("plan_launch", OnshelfError("told by a proxy", code=code.name))
    with Client(server.address, retries=0) as client, pytest.raises(CODES[code]) as caught:
        client.plan_launch(CHIPS)
    assert (caught.value.reason, caught.value.code, caught.value.violations) == (None, code.name, ())


def test_an_error_says_when_to_come_back(server):
    server.fail("plan_launch", Unavailable("soon", reason=ErrorReason.MODEL_UNAVAILABLE, retry_after=30.25))
    with Client(server.address) as client, pytest.raises(Unavailable, match="soon") as caught:
        client.plan_launch(CHIPS)
    assert caught.value.retry_after == 30.25
    assert len(server.calls) == 1  # 30 s are beyond the deadline


def test_where_nothing_listens_the_message_says_how_to_start_it(free_address):
    with Client(free_address, retries=0) as client, pytest.raises(Unavailable) as caught:
        client.plan_launch(CHIPS)
    assert str(caught.value) == (
        f"nothing answers at {free_address}; start the service with `make gateway`, or name another address"
    )
    assert (caught.value.reason, caught.value.code) == (None, "UNAVAILABLE")


def test_a_lost_connection_is_not_called_a_service_that_was_never_started():
    assert "was lost (Socket closed)" in str(
        from_rpc_error(FakeRpcError(grpc.StatusCode.UNAVAILABLE, "Socket closed"), "a:1")
    )


def test_details_that_cannot_be_read_do_not_hide_the_error():
    error = FakeRpcError(grpc.StatusCode.NOT_FOUND, "no such user", (("grpc-status-details-bin", b"\xff\xff"),))
    assert isinstance(from_rpc_error(error, "a:1"), onshelf.NotFound)
    assert str(from_rpc_error(error, "a:1")) == "no such user"


def test_a_reason_of_another_domain_or_a_newer_service_falls_back_to_the_code():
    _, status = to_status(InvalidRequest("no", reason=ErrorReason.PRICE_INVALID))
    for old, new in ((b"onshelf.v1", b"example.io"), (b"PRICE_INVALID", b"PRICE_COMPLEX")):
        trailers = (("grpc-status-details-bin", status.SerializeToString().replace(old, new)),)
        error = from_rpc_error(FakeRpcError(grpc.StatusCode.INVALID_ARGUMENT, "no", trailers), "a:1")
        assert isinstance(error, InvalidRequest)
        assert error.reason is None


def test_an_answer_that_breaks_the_contract_is_the_services_fault():
    rpc = BY_METHOD["evaluate_plan"]
    with pytest.raises(ServiceFault, match=r"the answer of a:1 to evaluate_plan cannot be read: objective_metric: 0"):
        read_answer(rpc, rpc.response(), "a:1")


def test_a_value_that_the_contract_cannot_hold_is_refused_before_sending(server):
    with Client(server.address) as client, pytest.raises(InvalidRequest, match="max_plans") as caught:
        client.plan_launch(CHIPS, max_plans=2**40)
    assert (caught.value.reason, caught.value.field) == (ErrorReason.VALUE_OUT_OF_RANGE, "max_plans")
    assert server.calls == []


def test_a_service_that_is_none_of_ours(other_grpc_server):
    with Client(other_grpc_server) as client, pytest.raises(NotServed, match="is it an Onshelf gateway"):
        client.plan_launch(CHIPS)


def test_no_answer_in_time(server):
    server.hang("plan_launch")
    with Client(server.address) as client, pytest.raises(DeadlineExceeded, match=r"within 0.2 s"):
        client.plan_launch(CHIPS, timeout=0.2)


class FakeRpcError(grpc.RpcError):
    def __init__(self, code, details, trailers=()):
        super().__init__()
        self._told = (code, details, trailers)

    def code(self):
        return self._told[0]

    def details(self):
        return self._told[1]

    def trailing_metadata(self):
        return self._told[2]
