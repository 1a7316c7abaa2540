'use strict';

// A shop's /pay routes, as far as the mini program sees them, over real HTTP.

const http = require('node:http');
const { once } = require('node:events');

// Spacing, escapes and the order of the members are part of the test: they must reach Ping++'s SDK as they are.
const charge = '{ "id":"ch_101261123000000000000001", "object":"charge",\n "livemode":true,"paid":false,"app":"app_1Gqj58ynP0mHeX1q",' +
  '"channel":"wx_lite","order_no":"A1001","amount":100,"subject":"\\u8336 \\/ tea","big":12345678901234567890,"credential":{"object":"credential",' +
  '"wx_lite":{"appId":"wx0123456789abcdef","timeStamp":"1795363200","nonceStr":"n","package":"prepay_id=1","signType":"MD5","paySign":"S"}}}';
const chargeID = JSON.parse(charge).id;

class Shop {
  constructor() {
    this.requests = []; // {method, path, query, session, body}
    this.script = new Map(); // route → answers that come before the usual one
    this.statuses = ['paid']; // what the charge's status is, ask by ask; the last one stays
    this.orderPaid = false; // by another charge of the order
    this.sessions = 0;
    this.state = 'unpaid'; // of the order
  }

  async start() {
    this.server = http.createServer((req, res) => this.serve(req, res)).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.base = `http://127.0.0.1:${this.server.address().port}`;
    this.hosts = { 'https://shop.example.com': this.base, 'https://notify.pingxx.com': this.base };
    return this;
  }

  async stop() {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  // next scripts the answers to a route: functions of (res, usual).
  next(route, ...answers) {
    this.script.set(route, answers);
  }

  asked(route) {
    return this.requests.filter((r) => r.route === route);
  }

  async serve(req, res) {
    const url = new URL(req.url, this.base);
    let body = '';
    for await (const chunk of req) body += chunk;
    const route = `${req.method} ${url.pathname.replace(chargeID, 'ID')}`;
    const request = { route, query: Object.fromEntries(url.searchParams), session: req.headers['x-pay-session'], headers: req.headers, body };
    this.requests.push(request);
    const usual = () => this.usual(request, res);
    const answer = (this.script.get(route) || []).shift();
    if (answer) answer(res, usual);
    else usual();
  }

  usual({ route, query, session, body }, res) {
    switch (route) {
      case 'POST /pay/openid':
        this.sessions++;
        return json(res, 200, { openid: 'oABCDEF', session: `session-${this.sessions} of ${query.code}`, expires_in: 7200 });
      case 'POST /pay/charges':
        if (!session && !JSON.parse(body).code) return problem(401, 'session_missing')(res);
        return send(res, 201, 'application/json; charset=utf-8', charge);
      case 'GET /pay/charges/ID': {
        if (!session) return problem(401, 'session_missing')(res);
        const status = this.statuses.length > 1 ? this.statuses.shift() : this.statuses[0];
        return json(res, 200, { id: chargeID, order_no: 'A1001', amount: 100, status, order_paid: this.orderPaid || status === 'paid', paid: status === 'paid' });
      }
      case 'GET /pay/orders/A1001/state':
        if (!session) return problem(401, 'session_missing')(res);
        return json(res, 200, { order_no: 'A1001', status: this.state, charge_id: chargeID });
      case 'GET /notify/charges/ID':
        return send(res, 200, 'text/plain', 'success');
      case 'POST /api/cart':
        return json(res, 200, { session: session || '', body: JSON.parse(body) });
      case 'GET /api/text':
        return send(res, 404, 'text/plain', 'no such thing');
      default:
        return problem(404, 'not_found')(res);
    }
  }
}

function send(res, status, type, text, headers) {
  res.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store', ...headers });
  res.end(text);
}

const json = (res, status, value) => send(res, status, 'application/json; charset=utf-8', JSON.stringify(value));

// problem, html and lost are answers for Shop.next.
const problem = (status, code, { headers, ...members } = {}) => (res) => send(res, status, 'application/problem+json',
  JSON.stringify({ title: 'x', status, code, detail: `detail of ${code}`, ...members }), headers);
const html = (status) => (res) => send(res, status, 'text/html', '<html>Bad Gateway</html>');
const lost = (res) => res.destroy();
const usual = (res, answer) => answer();

module.exports = { Shop, charge, chargeID, problem, html, lost, usual };
