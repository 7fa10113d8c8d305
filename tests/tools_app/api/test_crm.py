import httpx
from sqlmodel import select

from models.infra.clock import utcnow
from models.infra.database import transaction
from models.tables.crm import Opportunity, OpportunityStageEvent
from tests.tools_app.world import World


def test_unknown_stages_are_listed_with_their_deals_and_past_times(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    place = worlds["one"].places["alpha"]
    with transaction() as session:
        (deal,) = session.exec(select(Opportunity).where(Opportunity.project_id == place.project)).all()
        scoped = {"account_scope_id": place.scope, "project_id": place.project}
        gone = Opportunity(
            **scoped, name="Gone", stage="unmapped", vendor_stage="Nowhere", deleted_at=utcnow()
        )
        session.add_all([gone, Opportunity(**scoped, name="Known", stage="won", vendor_stage="Won")])
        session.add_all(
            OpportunityStageEvent(
                **scoped, opportunity_id=deal.id, stage=stage, vendor_stage=title, entered_at=utcnow()
            )
            for stage, title in (("unmapped", "Paused"), ("won", "Won"))
        )
    items = client.get("/api/crm/unmapped-stages?project_id=alpha").json()["items"]
    assert items == [
        {"stage": f"Stage {place.marker}", "deals": 1, "events": 0},
        {"stage": "Paused", "deals": 0, "events": 1},
    ]
    every = client.get("/api/crm/unmapped-stages?project_id=all").json()["items"]
    assert len(every) == 4
