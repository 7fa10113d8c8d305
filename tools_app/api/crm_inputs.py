"""Bodies of /crm. Every one names its project; a change also says which version of the row it was made from."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from models.tables.crm_stages import Stage
from tools_app.api.schemas import Input, example
from tools_app.services.crm_views import Amount, Currency, Name, Percent, Text

_PROJECT = "studio-site"
Project = Annotated[
    str, Field(min_length=1, max_length=64, description="Id or slug of one project.", examples=[_PROJECT])
]
Domain = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, max_length=253, pattern=r"^[^\s@/]+\.[^\s@/]+$"),
]
Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=254, pattern=r"^[^\s@,;<>\"]+@[^\s@,;<>\"]+\.[^\s@,;<>\"]+$"
    ),
]
Version = Annotated[
    int, Field(ge=1, le=2_147_483_647, description="The row's `version` that the caller saw.")
]


class ProjectInput(Input):
    """What every mutation of business data says: in which project."""

    project_id: Project

    def values(self) -> dict[str, Any]:
        """The fields that were sent, without those that only say where and from which version."""
        return self.model_dump(exclude_unset=True, exclude={"project_id", "expected_version"})


class VersionedInput(ProjectInput):
    """A change of a row that was seen."""

    expected_version: Version


class AccountInput(ProjectInput):
    """A new account."""

    model_config = example(
        project_id=_PROJECT, name="Lumen Health", domain="lumen.example", notes="Met in May."
    )

    name: Name
    domain: Domain | None = None
    notes: Text | None = None


class AccountChange(VersionedInput):
    """Fields to change; of a mirrored account only `notes`."""

    model_config = example(project_id=_PROJECT, expected_version=1, notes="Prefers calls in the morning.")

    name: Name = Field(default_factory=str)
    domain: Domain | None = None
    notes: Text | None = None


class ContactInput(ProjectInput):
    """A new contact of an account."""

    model_config = example(project_id=_PROJECT, name="Anna Berg", email="anna@lumen.example", role="CTO")

    name: Name
    email: Email | None = None
    phone: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)] | None = None
    role: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] | None = None


class ContactChange(VersionedInput):
    """Fields to change; a mirrored contact has none."""

    model_config = example(project_id=_PROJECT, expected_version=1, role="CEO")

    name: Name = Field(default_factory=str)
    email: Email | None = None
    phone: Annotated[str, StringConstraints(strip_whitespace=True, max_length=40)] | None = None
    role: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] | None = None


class OpportunityInput(ProjectInput):
    """A new opportunity."""

    model_config = example(
        project_id=_PROJECT,
        name="Patient portal",
        stage="lead",
        amount="12500.00",
        currency="EUR",
        next_step="Send brief",
    )

    name: Name
    stage: Stage = "lead"
    account_id: UUID | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    close_date: dt.date | None = None
    next_step: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] | None = None
    probability_pct: Percent | None = None
    notes: Text | None = None


class OpportunityChange(VersionedInput):
    """Fields to change; of a mirrored opportunity only `notes` and `probability_pct`."""

    model_config = example(
        project_id=_PROJECT, expected_version=1, probability_pct="60", notes="Waiting for legal."
    )

    name: Name = Field(default_factory=str)
    account_id: UUID | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    close_date: dt.date | None = None
    next_step: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] | None = None
    probability_pct: Percent | None = None
    notes: Text | None = None


class StageInput(ProjectInput):
    """A move to a stage from the one that the caller saw."""

    model_config = example(project_id=_PROJECT, stage="proposal", expected_stage="qualified")

    stage: Stage
    expected_stage: Stage | Literal["unmapped"]


class BaseCurrencyInput(Input):
    """The currency that the account scope counts in."""

    model_config = example(base_currency="EUR")

    base_currency: Currency


class ProbabilitiesInput(Input):
    """Percentages of open stages; null returns a stage to its default. A stage that is left out stays as it is."""

    model_config = example(lead="15", negotiation="80")

    lead: Percent | None = None
    qualified: Percent | None = None
    proposal: Percent | None = None
    negotiation: Percent | None = None

    def chosen(self) -> dict[str, Decimal | None]:
        """The stages that were named."""
        return self.model_dump(exclude_unset=True)


class RateInput(Input):
    """From `valid_on` on, one unit of `from_currency` is worth `rate` units of `to_currency`."""

    model_config = example(from_currency="USD", to_currency="EUR", valid_on="2026-01-05", rate="0.92")

    from_currency: Currency
    to_currency: Currency
    valid_on: dt.date
    rate: Annotated[Decimal, Field(gt=0, max_digits=20, decimal_places=10)]

    @model_validator(mode="after")
    def _two_currencies(self) -> "RateInput":
        if self.from_currency == self.to_currency:
            raise ValueError("a currency has no rate to itself")
        return self
