'use strict';

// The pages before a stand-in for the site and, when there is one, at a real one. Environment:
//   SHOP      where https://shop.example.com really is, before examples/node (NODE_EXTRA_CA_CERTS names its authority)
//   SANDBOX   the sandbox's base URL, where Ping++'s notify address is answered

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test, before, after, beforeEach, afterEach } = require('node:test');

const { build, Program, client } = require('./program.js');

const standIn = require(path.join(client, 'test/shop.js'));
const { chargeID, problem, html, lost } = standIn;

const no = 'A1001';
const CREATE = 'POST /pay/charges';
const orderPage = `pages/order/order?order_no=${no}`;

// Shop is the stand-in with a backend behind it, which has one order.
class Shop extends standIn.Shop {
  async start() {
    await super.start();
    this.order = { order_no: no, title: 'Green tea ×2', total: 3998, state: 'unpaid' };
    return this;
  }

  usual(request, res) {
    const json = (value) => { res.end(JSON.stringify(value)); };
    switch (request.route) {
      case 'GET /goods':
        return json({ goods: [{ id: 'tea', title: 'Green tea', price: 1999 }, { id: 'cup', title: 'Cup', price: 5 }] });
      case 'POST /orders':
        return json({ order_no: no });
      case 'GET /orders':
        return json({ orders: [this.order] });
      case `GET /orders/${no}`:
        return json(this.order);
      default:
        return super.usual(request, res);
    }
  }
}

let project;
let shop;
let program;
before(async () => { project = await build(); });
after(() => fs.rmSync(project, { recursive: true, force: true }));
beforeEach(async () => { shop = await new Shop().start(); });
afterEach(async () => {
  program.close();
  await shop.stop();
});

const launch = (options) => { program = new Program(project, { hosts: shop.hosts, ...options }).launch(); return program; };
const open = (url, options) => launch(options).open(url);

test('each environment has its own site, and an unknown one is the real', async () => {
  for (const [envVersion, site] of [['develop', 'https://localhost'], ['trial', 'https://trial.shop.example.com'], ['release', 'https://shop.example.com'], ['new', 'https://shop.example.com']]) {
    const { app } = launch({ envVersion, hosts: { [site]: shop.base } });
    shop.requests = [];
    await app.pay.login();
    assert.equal(shop.asked('POST /pay/openid').length, 1, envVersion);
    program.close();
  }
});

test('goods are put into the cart, which outlives the program, and an order is made of it', async () => {
  const goods = await open('pages/goods/goods');
  await goods.until(() => goods.text('price').length === 2);
  assert.deepEqual(goods.text('price'), ['¥19.99', '¥0.05']);
  await goods.tap('add', 0);
  await goods.tap('add', 0);
  await goods.tap('add', 1);
  program.close();

  const cart = await open('pages/cart/cart', { kept: program.phone.kept });
  await cart.until(() => cart.text('price').length === 3);
  assert.deepEqual(cart.text('price'), ['¥39.98', '¥0.05', '¥40.03']);
  await cart.tap('less', 1);
  assert.deepEqual(cart.text('price'), ['¥39.98', '¥39.98']);
  await Promise.all([cart.tap('order'), cart.tap('order')]);
  await cart.until(() => program.went.length > 0);
  assert.deepEqual(program.went, [`/${orderPage}&pay=1`]);
  assert.deepEqual(shop.asked('POST /orders').map(({ body }) => JSON.parse(body)), [{ items: { tea: 2 } }]);
  await cart.until(() => cart.all().includes('购物车是空的'));
});

test('an order that the shop does not take stays in the cart', async () => {
  const cart = await open('pages/cart/cart', { kept: new Map([['cart', '{"tea":1}']]) });
  await cart.until(() => cart.text('price').length === 2);
  for (const answer of [html(502), lost]) {
    shop.next('POST /orders', answer);
    await cart.tap('order');
    await cart.until(() => cart.text('text')[0] !== '');
    assert.doesNotMatch(cart.text('text')[0], /[a-z]/i);
  }
  assert.deepEqual(program.app.cart, { tea: 1 });
  assert.deepEqual(program.went, []);
});

test('the list shows the orders and opens one', async () => {
  const list = await open('pages/orders/orders');
  await list.until(() => list.text('price').length === 1);
  assert.match(list.all(), /Green tea ×2.*A1001.*¥39\.98.*待付款/);
  await list.tap('open');
  assert.deepEqual(program.went, [`/${orderPage}`]);
});

test('the order page pays at once when it is told so, and shows how the order goes on', async () => {
  shop.statuses = ['created', 'paid'];
  const page = await open(`${orderPage}&pay=1`);
  shop.state = 'paid';
  await page.until(() => page.text('text')[0] === '支付成功' && page.text('status')[0] === '支付成功，等待商家确认');
  assert.equal(program.phone.sheets.length, 1);
  shop.order.state = 'paid'; // now the shop has heard of it
  await page.until(() => page.text('status')[0] === '已付款，等待发货');
  assert.deepEqual(page.text('pay'), [], 'there is nothing left to pay');
});

test('the order page pays once, however often it is tapped', async () => {
  const page = await open(orderPage);
  await page.until(() => page.text('pay').length === 1);
  await Promise.all([page.tap('pay'), page.tap('pay')]);
  await page.until(() => page.text('text')[0] === '支付成功');
  assert.equal(shop.asked(CREATE).length, 1);
});

test('the order page lets a user who cancelled try again', async () => {
  shop.statuses = ['created'];
  const page = await open(orderPage, { user: 'fail cancel' });
  await page.until(() => page.text('pay').length === 1);
  await page.tap('pay');
  await page.until(() => page.text('text')[0] === '已取消支付');
  program.phone.user = 'fail sign error';
  await page.tap('pay');
  await page.until(() => page.text('text')[0] === '支付未完成，请重试');
  program.phone.user = 'ok';
  shop.statuses = ['paid'];
  await page.tap('pay');
  await page.until(() => page.text('text')[0] === '支付成功');
});

test("the order page shows the server's words", async () => {
  const page = await open(orderPage);
  await page.until(() => page.text('pay').length === 1);
  shop.next(CREATE, problem(404, 'order_not_found'));
  await page.tap('pay');
  await page.until(() => page.text('text')[0] === 'detail of order_not_found');
  assert.equal(page.page.data.busy, false);
});

test('the order page is left alone once it is closed, and asks no more', async () => {
  shop.statuses = ['created'];
  const page = await open(orderPage);
  await page.until(() => page.text('pay').length === 1);
  shop.next('GET /pay/charges/ID', (res, answer) => { page.page.onUnload(); answer(); });
  await page.page.onPay();
  assert.equal(page.page.data.busy, true);
  assert.deepEqual(program.app.pay.pending(), [no], 'the charge is remembered');
});

test('an order is asked about again while something is due', async () => {
  const page = await open(orderPage);
  await page.over;
  assert.equal(page.page.timer, undefined);
  shop.state = 'paid'; // elsewhere: the shop will hear of it
  await page.page.watch();
  assert.ok(page.page.timer);
});

test('who comes back learns what became of the payment', async () => {
  const { app, toasts } = launch({ kept: new Map([['pay.pending', JSON.stringify({ [no]: chargeID })]]) });
  await app.onShow();
  assert.deepEqual(toasts, []);
  assert.deepEqual(app.pay.pending(), [no]);
  shop.next(`GET /pay/orders/${no}/state`, problem(503, 'ledger_unavailable'));
  await app.onShow();
  shop.state = 'paid';
  await app.onShow();
  assert.deepEqual(toasts, [`订单 ${no} 支付成功`]);
  assert.deepEqual(app.pay.pending(), []);
  assert.equal(shop.asked(CREATE).length, 0, 'nobody is charged by looking');
});

const { SHOP, SANDBOX } = process.env;

if (SHOP) {
  test(`an order is made and paid at ${SHOP}`, async () => {
    const hosts = { 'https://shop.example.com': SHOP, 'https://notify.pingxx.com': SANDBOX };
    launch({ hosts });
    program.phone.nextCode = () => 'sandbox-shopper';
    const goods = await program.open('pages/goods/goods');
    await goods.until(() => goods.text('price').length === 2);
    await goods.tap('add', 0);
    await goods.tap('add', 1);
    const cart = await program.open('pages/cart/cart');
    await cart.until(() => cart.text('price').at(-1) === '¥64.99');
    await cart.tap('order');
    await cart.until(() => program.went.length === 1);
    const page = await program.open(program.went[0].slice(1));
    await page.until(() => page.text('text')[0] === '支付成功' && page.text('status')[0] === '已付款，等待发货');
    const list = await program.open('pages/orders/orders');
    await list.until(() => /¥64\.99.*已付款，等待发货/.test(list.all()));
    console.log(`paid: ${page.page.data.orderNo}`);
  });
}
