"""Takes a payment provider's webhooks and tells tollgate: the plan and its end when an invoice is paid, tokens when some were bought,
the plan after the last one when a subscription ends. The events are shaped and signed as Stripe's are.

    TOLLGATE=http://127.0.0.1:8080 TOLLGATE_TOKEN=tgs_… WEBHOOK_SECRET=whsec_… PORT=8001 python3 examples/billing/webhook.py

The token needs the scopes admin (plans) and verify (tokens). At the provider, put the account into the metadata of a subscription
{"account": "acc_…", "plan": "pro"} and of a one-time purchase {"account": "acc_…", "tokens": "5000"}. PORT 0 takes any; the first
line printed is the address.
"""

import hashlib
import hmac
import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

TOLLGATE = os.environ.get("TOLLGATE", "http://127.0.0.1:8080")
TOKEN = os.environ.get("TOLLGATE_TOKEN") or sys.exit("set TOLLGATE_TOKEN: tollgate token create --quiet --scope admin --scope verify")
SECRET = os.environ.get("WEBHOOK_SECRET") or sys.exit("set WEBHOOK_SECRET to what the provider signs with")
PLAN_AFTER = os.environ.get("PLAN_AFTER", "free")
GRACE = timedelta(days=3)  # between the end of what was paid for and the end of the plan: a card may need a second try
TOLERANCE = 300  # seconds that a signature may be old
MOST = 1 << 20  # bytes of a body

session = requests.Session()
session.trust_env = False
session.headers["Authorization"] = f"Bearer {TOKEN}"


def tell(method, path, body, once=None):
    """One call to tollgate. What fails is raised: the provider then gets a 500, and comes again."""
    headers = {"Idempotency-Key": once} if once else {}
    reply = session.request(method, f"{TOLLGATE}/auth/v1{path}", json=body, headers=headers, timeout=10, allow_redirects=False)
    if reply.status_code != 200:
        raise RuntimeError(f"{method} {path}: {reply.status_code} {reply.text[:300]}")


def paid(invoice):
    """Each line of an invoice that belongs to an account: its plan, until some days after what was paid for."""
    for line in invoice["lines"]["data"]:
        account, plan = line["metadata"].get("account"), line["metadata"].get("plan")
        until = datetime.fromtimestamp(line["period"]["end"], timezone.utc) + GRACE
        if account and plan and until > datetime.now(timezone.utc):
            # Said twice it says the same: this needs no Idempotency-Key.
            tell("PATCH", f"/accounts/{account}", {"plan": plan, "plan_until": until.isoformat()})


def bought(checkout):
    """Tokens that were bought, once for each purchase, however often the event comes."""
    account, tokens = checkout["metadata"].get("account"), checkout["metadata"].get("tokens")
    if account and tokens and checkout["payment_status"] == "paid":
        purchase = checkout["id"]
        tell("POST", "/balance", {"account": account, "tokens": int(tokens), "reason": f"bought: {purchase}"}, once=purchase)


def ended(subscription):
    account = subscription["metadata"].get("account")
    if account:
        tell("PATCH", f"/accounts/{account}", {"plan": PLAN_AFTER, "plan_until": None})


EVENTS = {
    "invoice.paid": paid,
    "checkout.session.completed": bought,
    "checkout.session.async_payment_succeeded": bought,
    "customer.subscription.deleted": ended,
}


def is_signed(body, header):
    """`t=…,v1=…`: HMAC-SHA256 over the time, a dot and the body as it came."""
    parts = [part.partition("=") for part in (header or "").split(",")]
    at = next((value for name, _, value in parts if name == "t" and value.isdigit()), "0")
    wanted = hmac.new(SECRET.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    fresh = abs(time.time() - int(at)) <= TOLERANCE
    return fresh and any(hmac.compare_digest(value.encode(), wanted.encode()) for name, _, value in parts if name == "v1")


class Webhook(BaseHTTPRequestHandler):
    timeout = 30

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MOST:
            return self.answer(413)
        body = self.rfile.read(int(length))
        if not is_signed(body, self.headers.get("Stripe-Signature")):
            return self.answer(400)
        event = json.loads(body)
        handle = EVENTS.get(event["type"])
        try:
            if handle:
                handle(event["data"]["object"])
        except Exception as error:
            print(f"{event['id']} ({event['type']}) was not taken: {error}", file=sys.stderr, flush=True)
            return self.answer(500)
        self.answer(200)  # only now: what tollgate acknowledged is durable

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing: the provider's own pages list what it sent."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8001"))), Webhook)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
