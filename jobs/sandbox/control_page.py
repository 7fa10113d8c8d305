"""The sandbox's pages for people: what is served where, and a switch for every fault. Forms only, no script."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from starlette.responses import HTMLResponse, Response

from jobs.sandbox.serving.fault_kinds import KINDS, VENDORS, FaultKind, kinds_of
from jobs.sandbox.serving.faults import Fault
from jobs.sandbox.serving.html import STYLE

PATH: Final = "/_sandbox/control"
_NAMES: Final = {"chatwoot": "Chatwoot", "linear": "Linear", "attio": "Attio"}
_MORE_STYLE: Final = """
header div,main{max-width:64rem}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.35rem .6rem .35rem 0;
border-top:1px solid var(--line);vertical-align:top}th{color:var(--soft);font-weight:400}form{display:inline}form.wide{
display:flex;flex-wrap:wrap;gap:.6rem;align-items:end}label{display:grid;font-size:.85rem;color:var(--soft)}input,select,
button{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--line);border-radius:.4rem;padding:.2rem .5rem}
input[size="5"]{width:6rem}button{cursor:pointer;border-color:var(--accent)}button:hover,:focus-visible{outline:2px solid
var(--accent)}code{overflow-wrap:anywhere}.on td{background:var(--mark)}.said{background:var(--mark);padding:.6rem .9rem;
border-radius:.6rem}
"""


def index_page(origins: Mapping[str, str]) -> Response:
    """What the three servers are, and the way to the switches."""
    rows = "".join(
        f"<tr><td>{_NAMES[vendor]}</td><td><code>{escape(origin)}</code></td></tr>"
        for vendor, origin in origins.items()
    )
    return _page(
        "The vendors' look-alikes",
        f"<p>Local servers that answer like Chatwoot, Linear and Attio, with the demo's records.</p>"
        f"<table>{rows}</table>"
        f'<p><a href="{PATH}">Faults and webhooks</a>: make a vendor fail, and see what the product says to it.</p>',
    )


def control_page(
    faults: Sequence[Fault],
    targets: Sequence[Mapping[str, Any]],
    requests: Sequence[Mapping[str, Any]],
    said: str = "",
    status: int = 200,
) -> Response:
    """The switches; `said` is shown on top, for what was refused or is shown only once."""
    told = f'<p class="said" role="status">{escape(said)}</p>' if said else ""
    body = told + _in_force(faults) + _schedule() + "".join(_vendor(v, faults) for v in VENDORS)
    return _page("Faults and webhooks", body + _webhooks(targets) + _requests(requests), status)


def _in_force(faults: Sequence[Fault]) -> str:
    rows = "".join(
        f'<tr class="on"><td>{_NAMES[f.vendor]}</td><td>{escape(f.kind)}</td><td><code>{escape(f.route)}</code>'
        f"{f' with {escape(f.contains)}' if f.contains else ''}</td><td>{_schedule_of(f)}</td><td>{f.hits}</td>"
        f"<td>{_button('end', 'Switch off', id=f.id)}</td></tr>"
        for f in faults
    )
    head = "<tr><th>Vendor</th><th>Fault</th><th>Requests to</th><th>Schedule</th><th>Hit so far</th><th></th></tr>"
    shown = (
        f"<table>{head}{rows}</table><p>{_button('clear', 'Switch all off')}</p>" if rows else "<p>None.</p>"
    )
    return f"<h2>In force</h2>{shown}<p>{_button('tick', 'Let the next things happen at the vendors')}</p>"


def _schedule_of(fault: Fault) -> str:
    parts = [f"after {fault.skip} more"] if fault.skip else []
    parts.append("until switched off" if fault.times is None else f"{fault.times} more times")
    if fault.probability < 1:
        parts.append(f"each with probability {fault.probability:g}, seed {fault.seed}")
    if KINDS[fault.kind].seconds is not None:
        parts.append(f"{fault.seconds:g} s")
    return ", ".join(parts)


def _schedule() -> str:
    vendors = "".join(f'<option value="{v}">{_NAMES[v]}</option>' for v in VENDORS)
    kinds = "".join(f"<option>{escape(name)}</option>" for name in KINDS)
    return (
        "<h2>Switch a fault on</h2>"
        f'<form class="wide" method="post" action="{PATH}"><input type="hidden" name="action" value="add">'
        f'<label>Vendor<select name="vendor">{vendors}</select></label>'
        f'<label>Fault<select name="kind">{kinds}</select></label>'
        '<label>Path (* and ?)<input name="route" placeholder="*"></label>'
        '<label>Body contains<input name="contains"></label>'
        '<label>Let pass first<input name="skip" size="5" inputmode="numeric" placeholder="0"></label>'
        '<label>Times (or forever)<input name="times" size="5" placeholder="1"></label>'
        '<label>Probability<input name="probability" size="5" inputmode="decimal" placeholder="1"></label>'
        '<label>Seed<input name="seed" size="5" inputmode="numeric" placeholder="0"></label>'
        '<label>Seconds (slow, timeout)<input name="seconds" size="5" inputmode="decimal"></label>'
        "<button>Switch on</button></form>"
    )


def _vendor(vendor: str, faults: Sequence[Fault]) -> str:
    rows = "".join(
        _kind(vendor, kind, [f for f in faults if (f.vendor, f.kind) == (vendor, kind.name)])
        for kind in kinds_of(vendor)
    )
    return f"<h2>{_NAMES[vendor]}</h2><table>{rows}</table>"


def _kind(vendor: str, kind: FaultKind, own: Sequence[Fault]) -> str:
    once = _button("add", "Once", vendor=vendor, kind=kind.name, times=1)
    on = _button("add", "Until off", vendor=vendor, kind=kind.name, times="forever")
    off = "".join(_button("end", "Switch off", id=fault.id) for fault in own)
    return (
        f"<tr{' class=on' if own else ''}><td><code>{escape(kind.name)}</code></td><td>{escape(kind.effect)}</td>"
        f"<td>{off or f'{once} {on}'}</td></tr>"
    )


def _webhooks(targets: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{_NAMES[t['vendor']]}</td><td><code>{escape(t['url'])}</code></td><td>{t['sent']} sent, "
        f"{t['accepted']} accepted, {t['refused']} refused, {t['dropped']} dropped</td>"
        f"<td>{_button('unhook', 'Remove', id=t['id'])}</td></tr>"
        for t in targets
    )
    vendors = "".join(f'<option value="{v}">{_NAMES[v]}</option>' for v in VENDORS)
    return (
        f"<h2>Webhooks</h2>{f'<table>{rows}</table>' if rows else ''}"
        f'<form class="wide" method="post" action="{PATH}"><input type="hidden" name="action" value="hook">'
        f'<label>Vendor<select name="vendor">{vendors}</select></label>'
        '<label>Deliver to<input name="url" size="40" placeholder="http://127.0.0.1:3000/api/webhooks/…"></label>'
        '<label>Secret (made if empty)<input name="secret" autocomplete="off"></label><button>Deliver</button></form>'
    )


def _requests(requests: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(str(r['at'])[11:19])}</td><td>{_NAMES[str(r['vendor'])]}</td><td><code>{escape(str(r['method']))} "
        f"{escape(str(r['path']))}</code></td><td>{r['status'] or 'cut'}</td><td>{escape(str(r['fault']))}</td></tr>"
        for r in requests
    )
    head = "<tr><th>UTC</th><th>Vendor</th><th>Request</th><th>Answer</th><th>Fault</th></tr>"
    return f"<h2>The last requests</h2>{f'<table>{head}{rows}</table>' if rows else '<p>None yet.</p>'}"


def _button(action: str, label: str, **fields: object) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(str(value), quote=True)}">'
        for name, value in {"action": action, **fields}.items()
    )
    return f'<form method="post" action="{PATH}">{hidden}<button>{escape(label)}</button></form>'


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,"><meta name="viewport" '
        f'content="width=device-width,initial-scale=1"><title>{escape(title)}</title><style>{STYLE}{_MORE_STYLE}</style>'
        f"</head><body><header><div><small>Sandbox</small><h1>{escape(title)}</h1></div></header>"
        f"<main>{body}</main></body></html>",
        status,
        headers={"Cache-Control": "no-store"},
    )
