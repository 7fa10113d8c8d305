# %% [markdown]
# # 05 · Does the vector index still find the nearest chunks under a filter, and what does that cost?
#
# An HNSW index walks a graph of neighbours; rows that a filter hides are walked over and thrown away. Here the index is
# used in any case (the planner may prefer a plain scan for small scopes) and compared with exact search, with its width
# (`ef_search`) and with iterative scans, which go on until enough rows have passed the filter.

# %% tags=["parameters"]
QUESTIONS: int | None = None
REPORTS = "../reports/notebooks"

# %%
import time
from datetime import timedelta

from models.infra.database import reading
from models.infra.settings import get_settings
from retrieval.embedding import embedding_model
from retrieval.evaluation import lab, metrics, pictures
from retrieval.evaluation.passages import read_passages
from retrieval.filters import Filters
from retrieval.retrievers import query_vector
from retrieval.store import SCAN, Scan, search_vectors

here = lab.open_lab(REPORTS, QUESTIONS)
model = embedding_model(get_settings())
with reading() as session:
    passages, _ = read_passages(session, here.everything, model.spec)
asked = [query_vector(model, question.question) for question in here.development[:60]]
here.describe()

# %% [markdown]
# ## The filters, and how much they let through

# %%
everything = Filters(here.everything)
sizes = {slug: sum(item.project_id == key for item in passages) for slug, key in here.world.projects.items()}
ordered = sorted((slug for slug in sizes if sizes[slug]), key=sizes.__getitem__)
smallest, typical = (here.world.projects[slug] for slug in (ordered[0], ordered[len(ordered) // 2]))
newest = max(item.written_at for item in passages if item.written_at)
filters = {
    "everything": everything,
    "one source": Filters(here.everything, groups=("issues",)),
    "one client": everything.within(typical),
    "the smallest project": everything.within(smallest),
    "last 30 days": Filters(here.everything, date_from=newest - timedelta(days=30)),
    "one client's issues of 30 days": Filters(
        everything.within(typical).scope, groups=("issues",), date_from=newest - timedelta(days=30)
    ),
}
K = 10
MOST = len(passages)


def search(chosen: Filters, scan: Scan, limit: int = K) -> tuple[list[list], list[float]]:
    """What is found for every question, and how long each took (ms)."""
    found, took = [], []
    with reading() as session:
        for vector in asked:
            started = time.perf_counter()
            found.append([key for key, _ in search_vectors(session, chosen, model.spec, vector, limit, scan)])
            took.append((time.perf_counter() - started) * 1000)
    return found, took


let_through = {}
for name, chosen in filters.items():
    with reading() as session:
        rows = search_vectors(session, chosen, model.spec, asked[0], MOST, Scan(way="exact"))
    let_through[name] = len(rows) / MOST
# A filter that lets nothing through has nothing to find.
filters = {name: chosen for name, chosen in filters.items() if let_through[name]}
lab.table(["filter", "rows it lets through"], [[name, f"{share:.1%}"] for name, share in let_through.items()])

# %% [markdown]
# ## Recall and time

# %%
exact = {name: search(chosen, Scan(way="exact")) for name, chosen in filters.items()}


def recall(name: str, found: list[list]) -> float:
    """Of the ten nearest by exact search (or of all, where fewer pass the filter) the share that was found."""
    pairs = [(set(rows), set(truth)) for rows, truth in zip(found, exact[name][0], strict=True) if truth]
    return sum(len(rows & truth) / len(truth) for rows, truth in pairs) / max(len(pairs), 1)


WIDTHS = (10, 20, 40, 100, 200, 400)
measured = {}
for name, chosen in filters.items():
    for iterative in (False, True):
        for width in WIDTHS:
            found, took = search(chosen, Scan(width, iterative, "index"))
            measured[name, iterative, width] = (recall(name, found), metrics.percentile(took, 0.5))
figure, (once, again, cost) = pictures.panels(3, width=13, height=4.8)
for axes, iterative, title in ((once, False, "Recall, one pass"), (again, True, "Recall, iterative scan")):
    for place, name in enumerate(filters):
        points = [measured[name, iterative, width][0] for width in WIDTHS]
        axes.plot(WIDTHS, points, "o-", color=pictures.COLOURS[place], markersize=4)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel(f"of the {K} nearest, the share found")
    axes.set_title(title)
for place, name in enumerate(filters):
    points = [measured[name, True, width][1] for width in WIDTHS]
    cost.plot(
        WIDTHS,
        points,
        "o-",
        color=pictures.COLOURS[place],
        markersize=4,
        label=f"{name} ({let_through[name]:.1%})",
    )
cost.set_ylim(0)
cost.set_ylabel("ms a search, median")
cost.set_title("Time, iterative scan")
for axes in (once, again, cost):
    axes.set_xscale("log")
    axes.set_xticks(WIDTHS, [str(width) for width in WIDTHS])
    axes.minorticks_off()
    axes.axvline(SCAN.ef_search, color=pictures.GREY, linestyle=":")
    axes.set_xlabel("ef_search (dotted: the product's)")
figure.legend(loc="outside lower center", ncols=len(filters), fontsize=9)
pictures.show(figure, here.folder, "05-recall")

# %% [markdown]
# ## As the product searches
#
# With the planner free to choose, at the product's settings.

# %%
product = {}
for name, chosen in filters.items():
    found, took = search(chosen, SCAN)
    product[name] = (
        recall(name, found),
        metrics.percentile(took, 0.5),
        metrics.percentile(exact[name][1], 0.5),
    )
lab.table(
    ["filter", "lets through", "recall@10", "ms, median", "ms, exact search"],
    [
        [name, f"{let_through[name]:.1%}", value, f"{ms:.1f}", f"{slow:.1f}"]
        for name, (value, ms, slow) in product.items()
    ],
)

# %%
worst = min(product, key=lambda name: product[name][0])
narrow = min(filters, key=let_through.__getitem__)
single, iterated = (measured[narrow, iterative, SCAN.ef_search][0] for iterative in (False, True))
lab.verdict(
    f"Over {MOST:,} chunks the product's search has a recall of at least {product[worst][0]:.3f} (worst: {worst}).",
    f"Under the narrowest filter ({narrow}, {let_through[narrow]:.1%} of the rows) one pass of the index finds {single:.0%}"
    f" of the nearest, the iterative scan {iterated:.0%}:",
    "going on until enough rows have passed is what keeps filtered search whole."
    if iterated > single
    else "at this size going on makes no difference.",
)
