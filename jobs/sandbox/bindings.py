"""How the demo's projects are found in the vendors' records: the routing rules a user would enter.

Most projects are taken by inbox, team and list. Two share the hotline inbox (one routes it by label, the
other by the company domains of its contacts), and one project is known in Attio by its companies' domains.
"""

from dataclasses import dataclass
from typing import Final

from jobs.sandbox.attio.seed import list_slug
from jobs.sandbox.world.authored import ProjectWorld, StudioWorld

# The project whose companies are routed by domain in Attio, though it has a list too.
DOMAIN_ROUTED_IN_ATTIO: Final = "voltline"


@dataclass(frozen=True, slots=True)
class ProjectBinding:
    """The rules of one project; empty tuples where a kind of rule is not used."""

    slug: str
    client: str
    lang: str
    color: str
    chatwoot_inboxes: tuple[str, ...]
    chatwoot_labels: tuple[str, ...]
    chatwoot_company_domains: tuple[str, ...]
    linear_team: str
    attio_list: str | None
    attio_company_domains: tuple[str, ...]


def demo_bindings(studio: StudioWorld) -> tuple[ProjectBinding, ...]:
    """The bindings of all client projects, in the studio's order; the leads' project has none."""
    return tuple(
        _binding(studio, project) for project in studio.projects.values() if project.info.team is not None
    )


def _binding(studio: StudioWorld, project: ProjectWorld) -> ProjectBinding:
    info, hotline = project.info, studio.hotline
    domains = tuple(domain for company in project.companies.values() for domain in company.domains)
    by_domain = info.slug == DOMAIN_ROUTED_IN_ATTIO
    return ProjectBinding(
        slug=info.slug,
        client=info.client,
        lang=info.lang,
        color=info.color,
        chatwoot_inboxes=tuple(name for _, name in info.inboxes),
        chatwoot_labels=(f"project-{info.slug}",) if hotline and hotline.by_label == info.slug else (),
        chatwoot_company_domains=domains if hotline and hotline.by_domain == info.slug else (),
        linear_team=info.team or "",
        attio_list=None if by_domain else list_slug(info.slug),
        attio_company_domains=domains if by_domain else (),
    )
