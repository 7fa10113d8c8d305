"""One Prometheus registry and every metric by name. `/metrics` renders it; alert rules refer to these names."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

registry = CollectorRegistry(auto_describe=True)

# The pool of the process that answers /metrics; the functions are set when its engine is made.
db_pool_total = Gauge("db_pool_total", "Connections the pool may open", registry=registry)
db_pool_idle = Gauge("db_pool_idle", "Open connections nobody uses", registry=registry)
db_pool_waiting = Gauge("db_pool_waiting", "Callers waiting for a connection", registry=registry)

# prometheus_client appends `_total` to counters.
cache_hits = Counter("cache_hits", "Cache reads that found a value", registry=registry)
cache_misses = Counter("cache_misses", "Cache reads that found none, or no Redis", registry=registry)
cache_sets = Counter("cache_sets", "Cache writes", registry=registry)
cache_invalidations = Counter("cache_invalidations", "Cache keys deleted by invalidation", registry=registry)

cache_oversized = Counter("cache_oversized", "Values too large to be cached", registry=registry)
cache_computed = Counter("cache_computed", "Values computed because no cache had them", registry=registry)

# A gauge in spite of its name, which the operating rules fixed: streams that are open now.
sse_connections_total = Gauge("sse_connections_total", "Open event streams", registry=registry)

sse_dropped = Counter(
    "sse_dropped", "Event streams ended because their client did not read", registry=registry
)

connector_last_success_at = Gauge(
    "connector_last_success_at", "Unix time of the last successful sync", ["connector"], registry=registry
)
connector_error_rate = Gauge(
    "connector_error_rate",
    "Failed share of the last hour's units of work, 0 to 1",
    ["connector"],
    registry=registry,
)
circuit_open = Gauge(
    "connector_circuit_open", "1 while the breaker refuses calls", ["connector"], registry=registry
)

lightrag_query_duration_seconds = Histogram(
    "lightrag_query_duration_seconds",
    "Wall time of one question, from request to answer",
    ["mode", "cached"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 20),
    registry=registry,
)
http_request_duration_seconds = Histogram(
    "http_request_duration_seconds",
    "Wall time of one API request",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
    registry=registry,
)
job_runs_finished = Counter("job_runs_finished", "Finished job runs", ["job", "status"], registry=registry)
queue_depth = Gauge("queue_depth", "Jobs waiting in a queue", ["queue"], registry=registry)

# `outcome` is one of tools_app.services.webhooks.OUTCOMES, `connector` one of the three or "unknown".
webhook_deliveries = Counter(
    "webhook_deliveries",
    "Webhook deliveries by what became of them",
    ["connector", "outcome"],
    registry=registry,
)

# `limit` is one of the names in tools_app.services.limits.
rate_limited = Counter(
    "rate_limited", "Requests and events refused by a rate limit", ["limit"], registry=registry
)
login_failures = Counter("login_failures", "Logins refused, by why", ["reason"], registry=registry)
