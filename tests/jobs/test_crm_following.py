"""What was made here on mirrored rows: it follows them into another project, and what is ours stays as it was set."""

from typing import Any

from sqlalchemy import text

from models.infra.database import transaction
from tests.jobs.test_crm_mirror import Workspace, column, company, deal, everything, person


def own(workspace: Workspace) -> dict[str, Any]:
    """An own contact and opportunity on the mirrored account of project `one`, with an offer and a draft."""
    values = {"scope": workspace.scope.id, "project": workspace.project("one")}
    with transaction() as session:

        def insert(statement: str, **more: Any) -> Any:
            return session.execute(text(f"{statement} RETURNING id"), {**values, **more}).scalar_one()

        account = session.execute(text("SELECT id FROM crm_accounts")).scalar_one()
        made = {"account": account}
        made["contact"] = insert(
            "INSERT INTO crm_account_contacts (account_scope_id, project_id, account_id, name)"
            " VALUES (:scope, :project, :account, 'Own')",
            account=account,
        )
        made["opportunity"] = insert(
            "INSERT INTO crm_opportunities (account_scope_id, project_id, account_id, name, stage)"
            " VALUES (:scope, :project, :account, 'Own', 'lead')",
            account=account,
        )
        made["offer"] = insert(
            "INSERT INTO offers (account_scope_id, project_id, opportunity_id, title, status, currency, discount_pct)"
            " VALUES (:scope, :project, :opportunity, 'Offer', 'draft', 'EUR', 0)",
            opportunity=made["opportunity"],
        )
        made["message"] = insert(
            "INSERT INTO outbound_messages (account_scope_id, project_id, contact_id, channel, body, status)"
            " VALUES (:scope, :project, :contact, 'email', 'x', 'draft')",
            contact=made["contact"],
        )
    return made


def test_own_rows_follow_the_mirrored_account_they_hang_on(database: str) -> None:
    workspace = Workspace("studio")
    workspace.write("companies", company("acme", "one"))
    workspace.mirror()
    made = own(workspace)
    workspace.write("companies", company("acme", "two"))
    workspace.mirror()
    for table in ("crm_accounts", "crm_account_contacts", "crm_opportunities", "offers", "outbound_messages"):
        assert column(table, "project_id") == [workspace.project("two")], table
    assert column("crm_opportunities", "id") == [made["opportunity"]]
    assert column("offers", "opportunity_id") == [made["opportunity"]]


def test_what_is_ours_of_a_mirrored_row_stays_and_each_change_counts_its_version_up(database: str) -> None:
    workspace = Workspace("studio")
    workspace.write("companies", company("acme", "one"))
    workspace.write("people", person("anna", "acme"))
    workspace.write("deals", deal("site", "acme"))
    workspace.mirror()
    with transaction() as session:
        session.execute(text("UPDATE crm_accounts SET notes = 'ours'"))
        session.execute(text("UPDATE crm_opportunities SET notes = 'ours', probability_pct = 65"))
    workspace.mirror()
    assert column("crm_accounts", "version") == column("crm_opportunities", "version") == [1], (
        "nothing differed"
    )
    workspace.write("companies", company("acme", "one", name="Acme & Sons"))
    workspace.write("deals", deal("site", "acme", value="300.00"))
    workspace.mirror()
    assert everything("SELECT name, notes, version FROM crm_accounts") == [("Acme & Sons", "ours", 2)]
    (row,) = everything("SELECT amount, notes, probability_pct, version FROM crm_opportunities")
    assert (float(row[0]), row[1], float(row[2]), row[3]) == (300.0, "ours", 65.0, 2)
