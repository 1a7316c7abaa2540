"""A shop as there are many: one process, a table of orders, no framework and no package. Python 3.8 or later.

What caddypay wanted of it stands between the two marks; the rest was there before.
"""
import json
import os
import random
import re
import sqlite3
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

GOODS = {"tea": ("Green tea 绿茶", 1999), "cup": ("Cup 茶杯", 4500)}  # fen
SCHEMA = """CREATE TABLE IF NOT EXISTS orders (order_no TEXT PRIMARY KEY, title TEXT, total INTEGER, openid TEXT, state TEXT, charge TEXT);
CREATE TABLE IF NOT EXISTS shipments (order_no TEXT)"""


def connect():
    db = sqlite3.connect(os.environ.get("SHOP_DB", "shop.db"), timeout=10, isolation_level=None)
    db.row_factory = sqlite3.Row
    return db


# ==== payment: begin ====
import base64, hashlib, hmac
TOKEN, MODE = os.environ["PAY_BACKEND_TOKEN"].encode(), os.environ.get("PAY_MODE", "live")
SECRET = base64.b64decode(os.environ["PAY_EVENTS_SECRET"][len("whsec_"):])  # with it Caddy signs events, as standardwebhooks.com says
SCHEMA += "; CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY); CREATE TABLE IF NOT EXISTS refunds (charge TEXT, amount INTEGER)"


def payment(db, path, headers, body):
    if len(TOKEN) < 32 or not hmac.compare_digest(headers.get("X-Pay-Token", "").encode(), TOKEN) or headers.get("X-Pay-Mode") != MODE:
        return 403, "wrong X-Pay-Token or X-Pay-Mode"  # a stranger, or a free test payment for real goods
    if path.startswith("/internal/pay/orders/"):
        o = db.execute("SELECT *, (SELECT count(*) FROM shipments s WHERE s.order_no = o.order_no) shipped FROM orders o WHERE order_no = ?", (path[21:],)).fetchone()
        return (404, "no such order") if o is None else (200, {"order_no": o["order_no"], "amount": o["total"], "subject": o["title"], "openid": o["openid"],
                "status": {"unpaid": "payable", "paid": "paid"}.get(o["state"], "closed"), "fulfilled": o["shipped"]})
    at, right = headers.get("webhook-timestamp", "0"), hmac.new(SECRET, f'{headers.get("webhook-id")}.{headers.get("webhook-timestamp")}.'.encode() + body, hashlib.sha256)
    given = [base64.b64decode(s[3:]) for s in headers.get("webhook-signature", "").split() if s.startswith("v1,")]
    if abs(time.time() - int(at)) > 300 or not any(hmac.compare_digest(s, right.digest()) for s in given):
        return 403, "wrong webhook-signature"
    kind, no, it = headers.get("X-Pay-Event"), headers.get("X-Pay-Order-No"), json.loads(body)["data"]["object"]
    if db.execute("INSERT OR IGNORE INTO events VALUES (?)", (headers["webhook-id"],)).rowcount == 0:
        return 200, "success"  # it was told before
    if kind == "charge.succeeded":
        if db.execute("UPDATE orders SET state = 'paid', charge = ? WHERE order_no = ? AND total = ? AND state = 'unpaid'", (it["id"], no, it["amount"])).rowcount == 1:
            db.execute("INSERT INTO shipments VALUES (?)", (no,))
        elif not db.execute("SELECT 1 FROM orders WHERE order_no = ? AND charge = ?", (no, it["id"])).fetchone():
            return 409, "no order to be paid at this price"
    elif kind == "refund.succeeded":
        db.execute("INSERT INTO refunds VALUES (?, ?)", (it["charge"], it["amount"]))
        db.execute("UPDATE orders SET state = 'refunded' WHERE charge = ?1 AND total <= (SELECT sum(amount) FROM refunds WHERE charge = ?1)", (it["charge"],))
    return 200, "success"
# ==== payment: end ====


def serve(db, method, path, headers, body):
    if path.startswith("/internal/pay/"):
        return payment(db, path, headers, body)
    openid = headers.get("X-WX-OPENID")  # Caddy says who it is
    if not openid:
        return 401, "log in"
    if (method, path) == ("POST", "/orders"):
        product = GOODS.get(str(json.loads(body).get("product")))
        if product is None:
            return 404, "choose tea or cup"
        no = time.strftime("%Y%m%d%H%M%S") + str(random.randrange(100000, 1000000))
        db.execute("INSERT INTO orders VALUES (?, ?, ?, ?, 'unpaid', NULL)", (no, *product, openid))
        return 201, {"order_no": no}
    found = re.fullmatch(r"/orders/(\d+)", path)
    order = found and db.execute("SELECT order_no, title, total, state FROM orders WHERE order_no = ? AND openid = ?", (found[1], openid)).fetchone()
    return (200, dict(order)) if order else (404, "no such order")


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        path = unquote(self.path.partition("?")[0])
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with closing(connect()) as db:
                db.execute("BEGIN IMMEDIATE")
                status, value = serve(db, self.command, path, self.headers, body)
                db.execute("COMMIT" if status < 400 else "ROLLBACK")
        except Exception as err:  # nothing is committed then
            self.log_error("%r", err)
            status, value = 500, "error"
        text = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = answer

    def log_request(self, *_):
        pass  # Caddy has it in its log


if __name__ == "__main__":
    with closing(connect()) as db:
        db.executescript(SCHEMA)
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
