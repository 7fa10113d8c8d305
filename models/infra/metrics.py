"""One Prometheus registry and every metric by name. `/metrics` renders it; alert rules refer to these names.

Two kinds (docs/observability.md): what this process did is added up over the web processes; what the installation is
(from the database and the queue, read when somebody asks) is the same at each of them. Every label has a known, small
set of values: routes by template, never paths, names or ids.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

registry = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=registry)

# The pool of the process that answers /metrics; the functions are set when its engine is made.
db_pool_total = Gauge("db_pool_total", "Connections the pool may open", registry=registry)
db_pool_idle = Gauge(
    "db_pool_idle", "Connections that are free: open and unused, or not opened yet", registry=registry
)
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
# Workers fork a child for every job: what it counted would end with it. These are made from the rows that runs leave.
job_runs_finished = Counter("job_runs_finished", "Finished job runs", ["job", "status"], registry=registry)
job_run_duration_seconds = Histogram(
    "job_run_duration_seconds",
    "Wall time of a finished job run, from its start to its end",
    ["job"],
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 900),
    registry=registry,
)
embedded_chunks = Counter("embedded_chunks", "Chunks that index runs embedded", registry=registry)
queue_depth = Gauge("queue_depth", "Jobs waiting in a queue", ["queue"], registry=registry)
workers_alive = Gauge("workers_alive", "Worker processes with a heartbeat", registry=registry)
part_up = Gauge("part_up", "1 while a part answers", ["part"], registry=registry)

# `reason` is wrong_credentials, throttled or not_configured.
login_failures = Counter("login_failures", "Logins that failed", ["reason"], registry=registry)
for _reason in ("wrong_credentials", "throttled", "not_configured"):
    # From 0 on: the first failure is a rise that a rule can see.
    login_failures.labels(_reason)
# `limit` is the name of a limit in the code, never whom it hit.
rate_limit_hits = Counter(
    "rate_limit_hits", "Requests and events refused by a limit", ["limit"], registry=registry
)

# `outcome` is one of tools_app.services.webhooks.OUTCOMES, `connector` one of the three or "unknown".
webhook_deliveries = Counter(
    "webhook_deliveries",
    "Webhook deliveries by what became of them",
    ["connector", "outcome"],
    registry=registry,
)
