"""Who may ask how often: the rate limits by name, with the numbers of the settings.

- `get`: reads of one session. `key`: everything with one API key. `events`: what one session's pages send.
- `post`: changes from one address, before anything else is looked at. `webhook`: deliveries from one address.
- `anonymous`: from one address without a live session or key, and /health from outside private networks.
/metrics answers private networks or its bearer token only and is not limited; files of the front end are not either.
"""

from models.infra.rate_limit import RateLimit
from models.infra.settings import get_settings


def reads() -> RateLimit:
    """Reads of a session."""
    return RateLimit("get", get_settings().rate_limit_get)


def changes() -> RateLimit:
    """Changes from an address."""
    return RateLimit("post", get_settings().rate_limit_post)


def anonymous() -> RateLimit:
    """Requests from an address that proves nothing."""
    return RateLimit("anonymous", get_settings().rate_limit_anonymous)


def keys() -> RateLimit:
    """Requests with an API key."""
    return RateLimit("key", get_settings().rate_limit_key)


def webhooks() -> RateLimit:
    """Deliveries from an address."""
    return RateLimit("webhook", get_settings().rate_limit_webhook)


def events() -> RateLimit:
    """Events of a session's pages."""
    return RateLimit("events", get_settings().rate_limit_events)
