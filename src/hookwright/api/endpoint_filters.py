"""Would this payload pass the filter, and why?"""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from hookwright.api.auth import App, Caller, services_of
from hookwright.api.endpoint_models import Filter
from hookwright.api.endpoint_rules import refuse_all
from hookwright.api.endpoints import PATH, EndpointId, endpoint_for
from hookwright.api.errors import documented
from hookwright.api.models import Input, Output
from hookwright.domain.filter_rules import check_filter
from hookwright.domain.filters import Explanation, explain

router = APIRouter(tags=["Endpoint"], responses=documented())


class FilterTestIn(Input):
    """`filter` instead of the endpoint's own, which is tested if it is left out; null or `{}` is none, which every payload passes."""

    payload: dict[str, Any] = Field(examples=[{"data": {"amount": 1200}}])
    filter: Filter = Field(None)


class FilterReasonOut(Output):
    """One comparison. Under a `$not` it tells of the comparison itself, not of its opposite."""

    path: str = Field(description="Where in the payload", examples=["data.items[1].price"])
    condition: str = Field(description="Where in the filter", examples=["data.items.price.$gte"])
    wanted: str = Field(description="As JSON, shortened if it is long", examples=["1000"])
    found: str = Field(description="What is there in the payload: JSON, or words", examples=["1200", "nothing", "a list of 3 items"])
    matches: bool


class FilterTestOut(Output):
    """`problem`: why the filter could not judge this payload, which then does not match."""

    matches: bool
    reasons: list[FilterReasonOut]
    problem: str | None


@router.post(
    PATH + "/filter/test", operation_id="v1.endpoint.filter.test", summary="Test Endpoint Filter", response_model=FilterTestOut
)  # fmt: skip
async def test(request: Request, caller: Annotated[Caller, App("endpoint:read")], endpoint_id: EndpointId, body: FilterTestIn) -> Any:
    """Nothing is stored and nothing sent. Event types and channels are not looked at."""
    endpoint = await endpoint_for(services_of(request), caller.application.id, endpoint_id)
    refuse_all(check_filter(body.filter or {}))
    tried = body.filter if "filter" in body.model_fields_set else endpoint.options.filter
    return _show(explain(tried or {}, body.payload))


def _show(explanation: Explanation) -> FilterTestOut:
    reasons = [
        FilterReasonOut(path=one.path, condition=one.at, wanted=one.wanted, found=one.found, matches=one.holds)
        for one in explanation.reasons
    ]
    return FilterTestOut(matches=explanation.matches, reasons=reasons, problem=explanation.problem)
