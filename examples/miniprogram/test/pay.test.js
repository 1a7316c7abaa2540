'use strict';

const assert = require('node:assert/strict');
const { test, beforeEach, afterEach } = require('node:test');

const { Phone } = require('./phone.js');
const { Shop, charge, chargeID, problem, html, lost, usual } = require('./shop.js');

const order = 'A1001';
const LOGIN = 'POST /pay/openid';
const CREATE = 'POST /pay/charges';
const ASK = 'GET /pay/charges/ID';

let shop;
beforeEach(async () => { shop = await new Shop().start(); });
afterEach(() => shop.stop());

const newPhone = (options) => new Phone({ hosts: shop.hosts, ...options });

// loggedIn is a phone whose launch is over.
async function loggedIn(options) {
  const phone = newPhone(options).launch();
  phone.pay = phone.require('pay.js');
  await phone.pay.login();
  return phone;
}

const openPage = async (options) => {
  const phone = await loggedIn(options);
  return phone.open('pages/order/order', { order_no: order });
};

test('launch logs in once and keeps the session', async () => {
  const phone = await loggedIn();
  assert.equal(phone.logins, 1);
  assert.deepEqual(shop.asked(LOGIN)[0].query, { code: 'code+/1' });

  const later = newPhone({ storage: phone.storage }).launch();
  assert.equal(await later.require('pay.js').login(), 'session-1 of code+/1');
  assert.equal(later.logins, 0);
  assert.equal(shop.asked(LOGIN).length, 1);
});

test('a session that is about to expire is replaced', async () => {
  const phone = await loggedIn();
  phone.ahead = 7150 * 1000;
  assert.equal(await phone.pay.login(), 'session-2 of code+/2');
});

test('calls at the same time share one login', async () => {
  const pay = newPhone().require('pay.js');
  const tokens = await Promise.all([pay.login(), pay.login(), pay.login()]);
  assert.equal(new Set(tokens).size, 1);
  assert.equal(shop.asked(LOGIN).length, 1);
});

test('an order is paid when the server says so', async () => {
  shop.statuses = ['created', 'created', 'paid'];
  const phone = await loggedIn();
  const answer = await phone.pay.payOrder(order);
  assert.equal(answer.result, 'paid');
  assert.equal(answer.charge.id, chargeID);

  const [create] = shop.asked(CREATE);
  assert.equal(create.session, 'session-1 of code+/1');
  assert.match(create.headers['content-type'], /^application\/json/);
  assert.deepEqual(JSON.parse(create.body), { order_no: order, channel: 'wx_lite' });
  assert.deepEqual(phone.handed, [charge], 'the SDK gets the very bytes');
  assert.equal(phone.sheets.length, 1);
  assert.deepEqual(shop.asked(ASK).map((r) => r.query), Array(3).fill({ wait: '25s', client: 'success' }));
  assert.deepEqual(phone.pauses, [1000, 1000]);
});

test('an order that another payment has paid is paid', async () => {
  shop.statuses = ['created'];
  shop.orderPaid = true;
  const phone = await loggedIn();
  const answer = await phone.pay.payOrder(order);
  assert.equal(answer.result, 'paid');
  assert.equal(answer.charge.paid, false);
  assert.equal(shop.asked(ASK).length, 1);
});

test('a test charge is paid without the sheet', async () => {
  const testCharge = charge.replace('"livemode":true', '"livemode":false');
  shop.next(CREATE, (res) => res.end(testCharge));
  const phone = await loggedIn();
  assert.equal((await phone.pay.payOrder(order)).result, 'paid');
  assert.equal(phone.sheets.length, 0);
  assert.equal(shop.asked('GET /notify/charges/ID').length, 1);
});

test('right after the launch the saved code does in place of a session', async () => {
  let release;
  shop.next(LOGIN, (res, answer) => { release = answer; });
  const phone = newPhone().launch();
  const pay = phone.require('pay.js');
  while (!release) await new Promise(setImmediate);
  const paid = pay.payOrder(order);
  while (!phone.handed.length) await new Promise(setImmediate);
  release();
  assert.equal((await paid).result, 'paid');
  const [create] = shop.asked(CREATE);
  assert.equal(create.session, undefined);
  assert.equal(JSON.parse(create.body).code, 'code+/1');
  assert.equal(shop.asked(ASK)[0].session, 'session-1 of code+/1');
  assert.equal(phone.logins, 1);
});

test('a login that failed at launch is made up for: with the saved code', async () => {
  shop.next(LOGIN, lost, lost, lost, lost);
  const phone = newPhone().launch();
  const pay = phone.require('pay.js');
  await assert.rejects(pay.login(), { code: 'network' });
  assert.equal((await pay.payOrder(order)).result, 'paid');
  assert.equal(phone.logins, 1);
});

test('a login that failed at launch is made up for: with a new one when that is too old', async () => {
  shop.next(LOGIN, lost, lost, lost, lost);
  const phone = newPhone().launch();
  const pay = phone.require('pay.js');
  await assert.rejects(pay.login(), { code: 'network' });
  phone.ahead = 5 * 60 * 1000;
  assert.equal((await pay.payOrder(order)).result, 'paid');
  assert.equal(phone.logins, 2);
  assert.equal(JSON.parse(shop.asked(CREATE).at(-1).body).code, undefined);
});

test('a login that failed at launch is made up for: unless wx.login itself fails', async () => {
  const phone = newPhone({ codes: () => '' }).launch();
  await assert.rejects(phone.require('pay.js').payOrder(order), { code: 'login_failed', message: 'login:fail timeout' });
});

for (const code of ['session_missing', 'session_expired', 'session_invalid']) {
  test(`${code} leads to one fresh login`, async () => {
    const phone = await loggedIn();
    shop.next(CREATE, problem(401, code));
    assert.equal((await phone.pay.payOrder(order)).result, 'paid');
    assert.equal(phone.logins, 2);
    assert.deepEqual(shop.asked(CREATE).map((r) => r.session), ['session-1 of code+/1', 'session-2 of code+/2']);

    shop.next(ASK, problem(401, code));
    assert.equal((await phone.pay.payOrder(order)).result, 'paid', 'also while waiting');
    assert.equal(phone.logins, 3);

    shop.next(CREATE, problem(401, code), problem(401, code));
    await assert.rejects(phone.pay.payOrder(order), { code, status: 401, message: `detail of ${code}` });
    assert.equal(phone.logins, 4);
  });
}

for (const code of ['code_invalid', 'code_missing']) {
  test(`${code} leads to one fresh code`, async () => {
    shop.next(LOGIN, problem(401, code));
    const phone = newPhone();
    const pay = phone.require('pay.js');
    assert.equal(await pay.login(), 'session-1 of code+/2');

    phone.ahead = 8000 * 1000;
    shop.next(LOGIN, problem(401, code), problem(401, code));
    await assert.rejects(pay.login(), { code });
    assert.equal(phone.logins, 4);
  });
}

test('a saved code that the charge call refuses is replaced', async () => {
  shop.next(LOGIN, lost, lost, lost, lost);
  shop.next(CREATE, problem(401, 'code_invalid'));
  const phone = newPhone().launch();
  const pay = phone.require('pay.js');
  await assert.rejects(pay.login(), { code: 'network' });
  assert.equal((await pay.payOrder(order)).result, 'paid');
  assert.equal(phone.logins, 2);
  assert.equal(shop.asked(CREATE)[1].session, 'session-1 of code+/2');
});

test('an order that is paid already is checked, not paid again', async () => {
  const phone = await loggedIn();
  shop.next(CREATE, problem(409, 'order_already_paid', { charge_id: chargeID }));
  const answer = await phone.pay.payOrder(order);
  assert.equal(answer.result, 'paid');
  assert.equal(phone.handed.length, 0);
  assert.deepEqual(shop.asked(ASK).map((r) => r.query), [{}]);

  shop.next(CREATE, problem(409, 'order_already_paid'));
  await assert.rejects(phone.pay.payOrder(order), { code: 'order_already_paid' });
});

test('the server is asked again when it says when', async () => {
  const phone = await loggedIn();
  shop.next(CREATE,
    problem(409, 'charge_in_progress', { headers: { 'Retry-After': '1' } }),
    problem(503, 'provider_unavailable', { headers: { 'retry-after': '5' } }),
    problem(429, 'rate_limited', { headers: { 'Retry-After': '3600' } }));
  assert.equal((await phone.pay.payOrder(order)).result, 'paid');
  assert.deepEqual(phone.pauses, [1000, 5000, 10000]);

  const busy = problem(503, 'wechat_busy', { headers: { 'Retry-After': '2' } });
  shop.next(CREATE, busy, busy, busy, busy);
  await assert.rejects(phone.pay.payOrder(order), { code: 'wechat_busy' });
});

test('what cannot be helped is reported at once', async () => {
  const phone = await loggedIn();
  for (const [status, code] of [[400, 'order_invalid'], [402, 'charge_rejected'], [404, 'order_not_found'], [409, 'order_closed'],
    [502, 'backend_unavailable'], [503, 'no_retry_after'], [504, 'provider_timeout']]) {
    shop.next(CREATE, problem(status, code));
    await assert.rejects(phone.pay.payOrder(order), { code, status, message: `detail of ${code}` });
  }
  shop.next(CREATE, html(502));
  await assert.rejects(phone.pay.payOrder(order), { code: 'unknown', status: 502, message: 'HTTP 502' });
  assert.equal(phone.handed.length, 0);
  assert.deepEqual(phone.pauses, []);
});

test('a lost network is waited for: before the payment', async () => {
  const phone = await loggedIn();
  shop.next(CREATE, lost, lost);
  assert.equal((await phone.pay.payOrder(order)).result, 'paid');
  assert.equal(phone.handed.length, 1);
});

test('a lost network is waited for: after it, also a server that restarts', async () => {
  const phone = await loggedIn();
  shop.next(ASK, lost, lost, lost, lost, lost, html(502), problem(503, 'ledger_unavailable', { headers: { 'Retry-After': '2' } }), usual);
  assert.equal((await phone.pay.payOrder(order)).result, 'paid');
  assert.equal(phone.handed.length, 1);
});

test('a lost network is waited for: but not for ever', async () => {
  const phone = await loggedIn();
  shop.next(ASK, ...Array(200).fill(lost));
  await assert.rejects(phone.pay.payOrder(order), { code: 'network' });
  assert.ok(phone.pauses.reduce((a, b) => a + b, 0) > 3 * 60 * 1000, 'for minutes, though');
});

test('a user who closes the sheet has canceled', async () => {
  shop.statuses = ['created'];
  const phone = await loggedIn({ user: 'fail cancel' });
  assert.equal((await phone.pay.payOrder(order)).result, 'cancelled');
  assert.deepEqual(shop.asked(ASK).map((r) => r.query), [{ client: 'cancel' }]);

  shop.statuses = ['paid'];
  assert.equal((await phone.pay.payOrder(order)).result, 'paid', 'unless the server knows better');
});

test('a sheet that fails has failed', async () => {
  shop.statuses = ['created'];
  const phone = await loggedIn({ user: 'fail sign error' });
  const { result, message } = await phone.pay.payOrder(order);
  assert.equal(result, 'failed');
  assert.match(message, /sign error/);
  assert.deepEqual(shop.asked(ASK).map((r) => r.query), [{ wait: '5s', client: 'fail' }]);

  shop.statuses = ['paid'];
  assert.equal((await phone.pay.payOrder(order)).result, 'paid', 'unless the server knows better');
});

for (const status of ['expired', 'held', 'refunded', 'reversed']) {
  test(`the wait ends when the charge is ${status}`, async () => {
    shop.statuses = ['created', status];
    const phone = await loggedIn();
    assert.equal((await phone.pay.payOrder(order)).result, status);
  });
}

test('the wait ends when nobody looks any more', async () => {
  shop.statuses = ['created'];
  const phone = await loggedIn();
  assert.deepEqual(await phone.pay.payOrder(order, () => shop.asked(ASK).length === 3), { result: 'left' });
  assert.equal(shop.asked(ASK).length, 3);
});

test('the order page pays once, however often it is tapped', async () => {
  const page = await openPage();
  assert.equal(page.data.orderNo, order);
  const taps = [page.onPay(), page.onPay()];
  assert.equal(page.data.busy, true);
  await Promise.all(taps);
  assert.deepEqual(page.data, { orderNo: order, busy: false, done: true, text: '支付成功' });
  await page.onPay();
  assert.equal(shop.asked(CREATE).length, 1);
});

test('the order page lets a user who canceled try again', async () => {
  shop.statuses = ['created'];
  const page = await openPage({ user: 'fail cancel' });
  await page.onPay();
  assert.deepEqual(page.data, { orderNo: order, busy: false, done: false, text: '已取消支付' });
});

test('the order page shows why the sheet failed', async () => {
  shop.statuses = ['created'];
  const page = await openPage({ user: 'fail sign error' });
  await page.onPay();
  assert.match(page.data.text, /^支付未完成：.*sign error/);
});

test("the order page shows the server's words", async () => {
  const page = await openPage();
  shop.next(CREATE, problem(404, 'order_not_found'));
  await page.onPay();
  assert.equal(page.data.text, 'detail of order_not_found');
  assert.equal(page.data.busy, false);
});

test('the order page is left alone once it is closed', async () => {
  shop.statuses = ['created'];
  const page = await openPage();
  shop.next(ASK, (res, answer) => { page.onUnload(); answer(); });
  await page.onPay();
  assert.equal(page.shown.at(-1).busy, true);
});
