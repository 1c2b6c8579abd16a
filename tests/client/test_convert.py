"""Dataclasses against the contract: every field of every message that the client sends or receives is mapped."""

import dataclasses
import enum
import inspect
import typing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from google.type import money_pb2

import onshelf
from onshelf import Action, ChannelUse, Client, Money, MoneyForecast, NoticeCode, ObjectiveMetric, Product, _enums
from onshelf._convert import MESSAGES, enum_prefix, fill, from_message, to_message
from onshelf._rpcs import RPCS
from onshelf.testing import sample_answer
from onshelf.v1 import errors_pb2, feedback_pb2, launch_pb2, recommendation_pb2, types_pb2

SPECIAL = {"google.type.Money", "google.protobuf.Duration", "google.protobuf.Timestamp"}
MAPPED = {message.DESCRIPTOR.full_name: kind for kind, message in MESSAGES.items()}
REQUESTS = {rpc.request.DESCRIPTOR.full_name: rpc for rpc in RPCS}


def reachable_messages():
    """Descriptors of all messages that the client's calls can carry."""
    found = {}
    waiting = [side.DESCRIPTOR for rpc in RPCS for side in (rpc.request, rpc.response)]
    waiting.append(feedback_pb2.StreamEventsResponse.DESCRIPTOR)
    while waiting:
        descriptor = waiting.pop()
        if descriptor.full_name in found or descriptor.full_name in SPECIAL:
            continue
        found[descriptor.full_name] = descriptor
        waiting += [f.message_type for f in descriptor.fields if f.message_type is not None]
    return [d for d in found.values() if not d.GetOptions().map_entry]


def reachable_enums():
    return {
        f.enum_type.full_name: f.enum_type for d in reachable_messages() for f in d.fields if f.enum_type is not None
    }


@pytest.mark.parametrize("descriptor", reachable_messages(), ids=lambda d: d.name)
def test_every_field_of_the_contract_is_mapped(descriptor):
    theirs = {field.name for field in descriptor.fields}
    if descriptor.full_name in REQUESTS:
        method = getattr(Client, REQUESTS[descriptor.full_name].method)
        ours = set(inspect.signature(method).parameters) - {"self", "timeout"}
    else:
        ours = {field.name for field in dataclasses.fields(MAPPED[descriptor.full_name])}
    assert ours == theirs


def test_no_mapping_is_left_over():
    assert set(MAPPED) <= {d.full_name for d in reachable_messages()}


@pytest.mark.parametrize("descriptor", reachable_enums().values(), ids=lambda d: d.name)
def test_every_enum_value_of_the_contract_has_a_member(descriptor):
    kind = getattr(onshelf, descriptor.name)
    theirs = {value.name.removeprefix(enum_prefix(descriptor)) for value in descriptor.values}
    assert {member.name for member in kind} - {"UNKNOWN"} == theirs - {"UNSPECIFIED"}
    assert all(member.value == member.name.lower() for member in kind)


def test_every_error_reason_of_the_contract_has_a_member():
    theirs = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert {reason.name for reason in onshelf.ErrorReason} == theirs - {"UNSPECIFIED"}


def filled(annotation, depth=0):
    """A value of a type with everything in it, so that a field lost on the way shows."""
    args = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
    origin = typing.get_origin(annotation)
    if origin is not None and "Mapping" in str(origin):
        return {"flavour": "salt"}
    if origin is tuple or "Sequence" in str(origin):
        return (filled(args[0], depth + 1), filled(args[0], depth + 1))
    if args:
        return filled(args[0], depth)
    if annotation is Money:
        return Money("12.34", "EUR")
    if dataclasses.is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        return annotation(**{f.name: filled(hints[f.name], depth + 1) for f in dataclasses.fields(annotation)})
    if issubclass(annotation, enum.Enum):
        return list(annotation)[-1]
    values = {
        str: "a text 薯片",
        int: 7,
        float: 0.25,
        bool: True,
        date: date(2018, 3, 5),
        datetime: datetime(2018, 3, 5, 1, 2, 3, tzinfo=UTC),
        timedelta: timedelta(milliseconds=12.345),
    }
    return values[annotation]


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_a_filled_value_survives_the_wire(kind):
    value = filled(kind)
    message = MESSAGES[kind].FromString(to_message(value).SerializeToString())
    assert {f.name for f, _ in message.ListFields()} == {f.name for f in message.DESCRIPTOR.fields}
    assert from_message(kind, message) == value


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.method)
def test_sample_answers_survive_the_wire(rpc):
    sample = sample_answer(rpc.method)
    assert from_message(rpc.result, rpc.response.FromString(to_message(sample).SerializeToString())) == sample


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.method)
def test_results_are_frozen_and_hold_no_protobuf(rpc):
    def values(value):
        yield value
        if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                yield from values(getattr(value, field.name))
        elif isinstance(value, tuple):
            for item in value:
                yield from values(item)

    result = from_message(rpc.result, to_message(sample_answer(rpc.method)))
    assert not [v for v in values(result) if "google" in type(v).__module__ or "pb2" in type(v).__module__]
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.info = None


@pytest.mark.parametrize(
    ("amount", "units", "nanos"),
    [
        ("3.99", 3, 990_000_000),
        ("-0.01", 0, -10_000_000),
        ("-2.5", -2, -500_000_000),
        ("500", 500, 0),
        ("0.000000001", 0, 1),
    ],
)
def test_money_is_exact_both_ways(amount, units, nanos):
    message = to_message(MoneyForecast(mean=Money(amount, "USD"))).mean
    assert (message.units, message.nanos, message.currency_code) == (units, nanos, "USD")
    back = from_message(MoneyForecast, types_pb2.MoneyForecast(mean=money_pb2.Money(units=units, nanos=nanos))).mean
    assert back.amount == Decimal(amount)


def test_money_from_the_wire_is_written_as_people_write_it():
    message = types_pb2.MoneyForecast(mean=money_pb2.Money(units=3, nanos=500_000_000, currency_code="USD"))
    assert str(from_message(MoneyForecast, message).mean) == "3.50 USD"
    assert [str(Money(amount, "USD")) for amount in ("3.5", "12.00", "1e2", "0.125", "0.000")] == [
        *("3.50 USD", "12 USD", "100 USD", "0.125 USD", "0 USD")
    ]


@pytest.mark.parametrize("amount", ["", "three", "NaN", "Infinity", "0.0000000001", "1e30"])
def test_money_that_is_no_amount_is_refused(amount):
    with pytest.raises(ValueError, match="money amount"):
        Money(amount, "USD")


def test_money_does_not_take_floats():
    with pytest.raises(TypeError, match="is a float; write it as text or Decimal"):
        Money(3.99, "USD")


def test_none_stays_unset_and_zero_does_not():
    request = fill(launch_pb2.PlanLaunchRequest(), {"audience_size": 0, "similar_launches": None})
    assert request.HasField("audience_size")
    assert not request.HasField("similar_launches")


def test_a_text_where_a_list_is_due_is_refused():
    with pytest.raises(TypeError, match="product: category_path: 'Snacks > Chips' is one text"):
        fill(launch_pb2.PlanLaunchRequest(), {"product": Product(title="chips", category_path="Snacks > Chips")})


def test_a_number_where_money_is_due_is_refused():
    with pytest.raises(TypeError, match=r"list_price: 3.99 is no Money"):
        to_message(Product(title="chips", list_price=3.99))


def test_lists_are_taken_where_tuples_come_back():
    action = Action(channels=[ChannelUse("display_front_end_cap")])
    assert from_message(Action, to_message(action)).channels == (ChannelUse("display_front_end_cap"),)


def test_an_enum_value_of_a_newer_service_is_unknown_where_the_client_can_live_with_it():
    notice = types_pb2.Notice(code=999, message="something new")
    assert from_message(onshelf.Notice, notice).code is NoticeCode.UNKNOWN
    answer = launch_pb2.EvaluatePlanResponse(objective_metric=999)
    with pytest.raises(ValueError, match="objective_metric: 999 is no ObjectiveMetric"):
        from_message(onshelf.EvaluatePlanResult, answer)
    assert ObjectiveMetric.UNITS in _enums.ObjectiveMetric


def test_a_date_that_is_none_names_its_field():
    release = types_pb2.ModelReleaseInfo(as_of="soon")
    with pytest.raises(ValueError, match="as_of: "):
        from_message(onshelf.ModelReleaseInfo, release)


def test_the_subject_of_a_search_is_one_of_two():
    assert {f.name for f in recommendation_pb2.FindAudienceRequest.DESCRIPTOR.oneofs_by_name["subject"].fields} == {
        "product",
        "product_id",
    }
