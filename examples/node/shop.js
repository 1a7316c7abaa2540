'use strict';
// A shop as there are many: one process, its orders in a file, no framework and no package. Node 18 or later.
// What caddypay wanted of it stands between the two marks; the rest was there before.
const { createHash, randomInt, timingSafeEqual } = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');

const file = process.env.SHOP_FILE || 'orders.json';
const goods = new Map([['tea', ['Green tea 绿茶', 1999]], ['cup', ['Cup 茶杯', 4500]]]); // fen
const load = () => new Map(fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : []);

// change is a transaction: what a function does to the orders is on the disk whole when it returns, or not at all when it throws. The shop is one
// process, which does nothing else meanwhile.
function change(f) {
  const orders = load();
  const result = f(orders);
  const fd = fs.openSync(`${file}.new`, 'w', 0o600);
  fs.writeFileSync(fd, JSON.stringify([...orders]));
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  fs.renameSync(`${file}.new`, file);
  return result;
}

// Refused is an error of who asks.
class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// ==== payment: begin ====
const { PAY_BACKEND_TOKEN = '', PAY_MODE = 'live' } = process.env;
if (PAY_BACKEND_TOKEN.length < 32) throw new Error('PAY_BACKEND_TOKEN has fewer than 32 characters');
const same = (a, b) => timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());

function payment(method, path, headers, body) {
  if (!same(headers['x-pay-token'] || '', PAY_BACKEND_TOKEN)) throw new Refused(403, 'wrong X-Pay-Token'); // a stranger
  if (headers['x-pay-mode'] !== PAY_MODE) throw new Refused(403, 'wrong X-Pay-Mode'); // a free test payment for real goods
  if (method === 'GET') {
    const order = load().get(decodeURIComponent(path.replace('/internal/pay/orders/', '')));
    if (!order) throw new Refused(404, 'no such order');
    const status = { unpaid: 'payable', paid: 'paid' }[order.state] || 'closed';
    return { order_no: order.order_no, amount: order.total, subject: order.title, openid: order.openid, status, fulfilled: order.shipped };
  }
  const { type, data: { object: it } } = JSON.parse(body);
  return change((orders) => {
    const order = orders.get(headers['x-pay-order-no']);
    if (type === 'charge.succeeded' && !(order && order.charge === it.id)) { // else it was told before
      if (!order || order.state !== 'unpaid' || order.total !== it.amount) throw new Refused(409, 'no order to be paid at this price');
      Object.assign(order, { state: 'paid', charge: it.id, shipped: order.shipped + 1, refunds: {} });
    }
    if (type === 'refund.succeeded' && order && order.charge === it.charge) {
      order.refunds[it.id] = it.amount;
      if (Object.values(order.refunds).reduce((a, b) => a + b) >= order.total) order.state = 'refunded';
    }
    return 'success';
  });
}
// ==== payment: end ====

function serve(method, path, headers, body) {
  if (path.startsWith('/internal/pay/')) return payment(method, path, headers, body);
  if (path === '/goods') return { goods: [...goods].map(([id, [title, price]]) => ({ id, title, price })) };
  const openid = headers['x-wx-openid']; // Caddy says who it is
  if (!openid) throw new Refused(401, 'log in');
  const shown = ({ order_no, title, total, state }) => ({ order_no, title, total, state });
  if (method === 'POST' && path === '/orders') {
    const { product, items = { [product]: 1 } } = JSON.parse(body); // how many of each
    const lines = Object.entries(items).map(([id, count]) => {
      if (!goods.has(id) || !Number.isInteger(count) || count < 1 || count > 99) throw new Refused(404, 'choose tea or cup, up to 99 of each');
      const [title, price] = goods.get(id);
      return { title: count > 1 ? `${title} ×${count}` : title, total: price * count };
    });
    if (!lines.length) throw new Refused(404, 'choose something');
    const no = new Date().toISOString().replace(/\D/g, '').slice(0, 14) + randomInt(100000, 1000000);
    const total = lines.reduce((sum, line) => sum + line.total, 0);
    change((orders) => orders.set(no, { order_no: no, title: lines.map((line) => line.title).join(', '), total, openid, state: 'unpaid', shipped: 0 }));
    return { order_no: no };
  }
  if (path === '/orders') return { orders: [...load().values()].filter((order) => order.openid === openid).reverse().map(shown) };
  const order = load().get(path.replace('/orders/', ''));
  if (!order || order.openid !== openid) throw new Refused(404, 'no such order');
  return shown(order);
}

http.createServer(async (req, res) => {
  let status = req.method === 'POST' && req.url === '/orders' ? 201 : 200;
  let value;
  try {
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    value = serve(req.method, req.url.split('?')[0], req.headers, Buffer.concat(chunks).toString());
  } catch (err) {
    status = err.status || 500;
    value = err.status ? err.message : 'error';
    if (!err.status) console.error(err);
  }
  const text = typeof value === 'string';
  res.writeHead(status, { 'Content-Type': text ? 'text/plain' : 'application/json' }).end(text ? value : JSON.stringify(value));
}).listen(Number(process.env.PORT || 8080), '127.0.0.1');
