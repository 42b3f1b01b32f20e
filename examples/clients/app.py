"""An app that asks tollgate about each request, over TCP or a Unix socket: POST /auth/v1/verify.

    TOLLGATE=http://127.0.0.1:8080 TOLLGATE_TOKEN=tgs_… PORT=8000 python3 examples/clients/app.py

TOLLGATE may be unix:/run/tollgate.sock. PORT 0 takes any; the first line printed is the address.
"""

import json
import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

TOLLGATE = os.environ.get("TOLLGATE", "http://127.0.0.1:8080")
TOKEN = os.environ.get("TOLLGATE_TOKEN") or sys.exit("set TOLLGATE_TOKEN: tollgate token create --quiet --scope verify")
PATIENCE = 5  # seconds

# Where there is no verdict to be had, the request is refused.
CLOSED = {
    "valid": False,
    "answer": {
        "status": 503,
        "headers": {"Content-Type": "text/plain"},
        "body": "This request cannot be checked right now.\n",
    },
}


class UnixAdapter(HTTPAdapter):
    """Carries requests over one Unix socket, whatever host their URL names."""

    def __init__(self, path):
        super().__init__()

        class UnixConnection(HTTPConnection):
            def _new_conn(self):
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                sock.settimeout(self.timeout)
                sock.connect(path)
                return sock

        self.pool = HTTPConnectionPool("localhost")
        self.pool.ConnectionCls = UnixConnection

    def get_connection_with_tls_context(self, *_, **__):
        return self.pool

    get_connection = get_connection_with_tls_context  # its name before requests 2.32


session = requests.Session()  # connections are kept and used again
session.trust_env = False  # no proxy and no .netrc: they would get to see keys, or replace the token
session.headers["Authorization"] = f"Bearer {TOKEN}"
if TOLLGATE.startswith("unix:"):
    session.mount("http://", UnixAdapter(TOLLGATE.removeprefix("unix:")))
    TOLLGATE = "http://localhost"


def ask(request):
    """tollgate's verdict on a request: {"valid", "account", "answer", …}."""
    try:
        reply = session.post(f"{TOLLGATE}/auth/v1/verify", json=request, timeout=PATIENCE, allow_redirects=False)
        if reply.status_code != 200:
            return closed(f"status {reply.status_code}")
        verdict = reply.json()
        refuses = 400 <= verdict["answer"]["status"] <= 599
        return verdict if verdict["valid"] is True or refuses else closed("a refusal that looks like a pass")
    except Exception as error:  # whatever it was. Its text is not logged: it may quote what was sent.
        return closed(type(error).__name__)


def closed(why):
    print(f"no verdict from tollgate: {why}", file=sys.stderr)
    return CLOSED


def credential(headers):
    """The bearer key. What cannot be read as one is asked as an empty key, which is `malformed`."""
    given = headers.get_all("Authorization") or []
    if not given:
        return None
    scheme, _, key = given[0].partition(" ")
    return key.strip() if len(given) == 1 and scheme.lower() == "bearer" else ""


class App(BaseHTTPRequestHandler):
    timeout = 30

    def handle_request(self):
        verdict = ask(
            {
                "key": credential(self.headers),
                "method": self.command,
                "path": self.path,  # as it came, with its query
                "ip": self.client_address[0],
            }
        )
        answer = verdict["answer"]
        if verdict["valid"] is True:
            account = verdict["account"] and verdict["account"]["id"]
            self.send(200, {"Content-Type": "application/json", **answer["headers"]}, json.dumps({"account": account}))
        else:
            self.send(answer["status"], answer["headers"], answer["body"])

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_request

    def send(self, status, headers, body):
        body = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value.encode().decode("latin-1"))  # on the wire it is UTF-8
        # tollgate names no headers of the connection; the length is that of the bytes.
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: request lines can hold keys that somebody put into the query."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), App)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
