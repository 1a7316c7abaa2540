'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test, describe, beforeEach, afterEach } = require('node:test');

const { Phone, PACKAGE } = require('./phone.js');
const { Shop, charge, chargeID, problem, html, lost, usual } = require('./shop.js');

const order = 'A1001';
const LOGIN = 'POST /pay/openid';
const CREATE = 'POST /pay/charges';
const ASK = 'GET /pay/charges/ID';
const NOTIFY = 'GET /notify/charges/ID';

test('both builds have at most 5 KB, and no file is missing', () => {
  const about = JSON.parse(fs.readFileSync(path.join(PACKAGE, 'package.json'), 'utf8'));
  for (const file of [about.main, about.module]) {
    const size = fs.statSync(path.join(PACKAGE, file)).size;
    assert.ok(size <= 5 * 1024, `${file} has ${size} bytes`);
  }
  assert.ok(fs.existsSync(path.join(PACKAGE, about.types)));
  assert.equal(path.dirname(about.main), about.miniprogram);
  assert.deepEqual(about.dependencies || {}, {});
});

for (const readme of ['README.md', 'README.zh-CN.md']) {
  test(`the program of ${readme} pays`, async () => {
    const [, text] = fs.readFileSync(path.join(PACKAGE, readme), 'utf8').match(/```js\n([^]*?)```/);
    const shop = await new Shop().start();
    const phone = new Phone({ hosts: shop.hosts });
    let app;
    let page;
    new Function('require', 'App', 'getApp', 'Page', text.replace('// pages/', '{ // pages/').concat('}'))(
      () => ({ create: (options) => phone.create(options) }), (options) => { app = options; }, () => app, (options) => { page = options; });
    app.onLaunch();
    const shown = [];
    await page.onPay.call({ data: { orderNo: order }, setData: (change) => shown.push(change) });
    assert.deepEqual(shown, [{ done: true, text: '支付成功' }]);
    shop.next(CREATE, problem(404, 'order_not_found'));
    await page.onPay.call({ data: { orderNo: order }, setData: (change) => shown.push(change) });
    assert.deepEqual(shown[1], { done: false, text: 'detail of order_not_found' });

    shop.statuses = ['created'];
    const before = phone.ahead;
    const left = { data: { orderNo: order }, setData: (change) => shown.push(change) };
    phone.user = () => page.onUnload.call(left); // and the sheet never says that it was closed
    await page.onPay.call(left);
    assert.deepEqual(shown[2], { done: false, text: '支付结果确认中' });
    assert.ok(phone.ahead - before < 10_000, 'the page that is left holds up the next order');
    await shop.stop();
  });
}

for (const shape of ['wx', 'uni', 'Taro']) {
  describe(shape, () => {
    let shop;
    beforeEach(async () => { shop = await new Shop().start(); });
    afterEach(() => shop.stop());
    const newPhone = (options) => new Phone({ shape, hosts: shop.hosts, ...options });

    // loggedIn is a phone whose launch is over.
    async function loggedIn(options, made) {
      const phone = newPhone(options);
      phone.pay = phone.create(made);
      await phone.pay.login();
      return phone;
    }
    const queries = (route) => shop.asked(route).map((r) => r.query);

    test('the launch logs in once and keeps the session', async () => {
      const phone = await loggedIn();
      assert.equal(phone.logins, 1);
      assert.deepEqual(queries(LOGIN), [{ code: 'code+/1' }]);
      const later = newPhone({ kept: phone.kept });
      assert.equal(await later.create().login(), 'session-1 of code+/1');
      assert.equal(later.logins, 0);
      phone.ahead = 7150 * 1000; // the session is about to expire
      assert.equal(await phone.pay.login(), 'session-2 of code+/2');
    });

    test('calls at the same time share one login', async () => {
      const pay = newPhone().create();
      const tokens = await Promise.all([pay.login(), pay.login(), pay.orderState(order).then(() => pay.login())]);
      assert.equal(new Set(tokens).size, 1);
      assert.equal(shop.asked(LOGIN).length, 1);
    });

    test('an order is paid when the server says so', async () => {
      shop.statuses = ['created', 'created', 'paid'];
      const phone = await loggedIn();
      const { result, message, charge: paid } = await phone.pay.pay(order);
      assert.deepEqual([result, message, paid.id], ['paid', '支付成功', chargeID]);
      const [create] = shop.asked(CREATE);
      assert.equal(create.session, 'session-1 of code+/1');
      assert.match(create.headers['content-type'], /^application\/json/);
      assert.equal(create.headers['accept-language'], 'zh_CN');
      assert.deepEqual(JSON.parse(create.body), { order_no: order, channel: 'wx_lite' });
      assert.deepEqual(phone.sheets, [JSON.parse(charge).credential.wx_lite]);
      assert.deepEqual(queries(ASK), Array(3).fill({ wait: '25s', client: 'success' }));
      assert.deepEqual(phone.pay.pending(), []);
    });

    test("Ping++'s SDK gets the very bytes", async () => {
      const handed = [];
      const pingpp = { createPayment: (text, callback) => { handed.push(text); setImmediate(() => callback('success', { msg: '' })); } };
      const phone = await loggedIn({}, { pingpp });
      assert.equal((await phone.pay.pay(order)).result, 'paid');
      assert.deepEqual(handed, [charge]);
      assert.equal(phone.sheets.length, 0);

      shop.statuses = ['created'];
      for (const [said, result] of [['cancel', 'cancelled'], ['fail', 'failed']]) {
        pingpp.createPayment = (text, callback) => setImmediate(() => callback(said, { msg: 'invalid_charge' }));
        const outcome = await phone.pay.pay(order);
        assert.deepEqual([outcome.result, outcome.raw], [result, 'invalid_charge']);
        assert.doesNotMatch(outcome.message, /invalid/);
      }
      pingpp.createPayment = () => { throw new Error('no charge'); };
      assert.equal((await phone.pay.pay(order)).result, 'failed');
    });

    test('a test charge is paid without the sheet', async () => {
      const testCharge = charge.replace('"livemode":true', '"livemode":false');
      shop.next(CREATE, (res) => res.end(testCharge), (res) => res.end(testCharge));
      const phone = await loggedIn();
      assert.equal((await phone.pay.pay(order)).result, 'paid');
      assert.equal(phone.sheets.length, 0);
      assert.deepEqual(queries(NOTIFY), [{ livemode: 'false' }]);
      assert.equal(shop.asked(NOTIFY)[0].session, undefined, 'the session is only for the site');

      shop.statuses = ['created'];
      shop.next(NOTIFY, problem(404, 'gone'));
      assert.equal((await phone.pay.pay(order)).result, 'failed');
    });

    test('an order that another payment has paid is paid', async () => {
      shop.statuses = ['created'];
      shop.orderPaid = true;
      const phone = await loggedIn();
      const { result, charge: mine } = await phone.pay.pay(order);
      assert.deepEqual([result, mine.paid], ['paid', false]);

      shop.next(CREATE, problem(409, 'order_already_paid', { charge_id: chargeID }));
      shop.statuses = ['held'];
      assert.equal((await phone.pay.pay(order)).result, 'held');
      shop.next(CREATE, problem(409, 'order_already_paid'));
      await assert.rejects(phone.pay.pay(order), { code: 'order_already_paid', status: 409, message: 'detail of order_already_paid' });
      assert.equal(phone.sheets.length, 1);
    });

    test('right after the launch the saved code does in place of a session', async () => {
      let release;
      shop.next(LOGIN, (res, answer) => { release = answer; });
      const phone = newPhone();
      const pay = phone.create();
      const login = pay.login();
      while (!release) await new Promise(setImmediate);
      const paid = pay.pay(order);
      while (!phone.sheets.length) await new Promise(setImmediate);
      release();
      assert.equal((await paid).result, 'paid');
      await login;
      const [create] = shop.asked(CREATE);
      assert.equal(create.session, undefined);
      assert.equal(JSON.parse(create.body).code, 'code+/1');
      assert.equal(shop.asked(ASK)[0].session, 'session-1 of code+/1');
      assert.equal(phone.logins, 1);
    });

    test('a login that failed at launch is made up for', async () => {
      shop.next(LOGIN, lost, lost, lost, lost);
      const phone = newPhone();
      const pay = phone.create();
      await assert.rejects(pay.login(), { code: 'network', status: 0 });
      assert.equal((await pay.pay(order)).result, 'paid');
      assert.equal(phone.logins, 1);

      const late = newPhone();
      shop.next(LOGIN, lost, lost, lost, lost);
      const paying = late.create();
      await assert.rejects(paying.login(), { code: 'network' });
      late.ahead += 5 * 60 * 1000; // the saved code is too old now
      assert.equal((await paying.pay(order)).result, 'paid');
      assert.equal(late.logins, 2);
      assert.equal(JSON.parse(shop.asked(CREATE).at(-1).body).code, undefined);

      const without = newPhone();
      without.nextCode = () => '';
      await assert.rejects(without.create().pay(order), { code: 'login_failed', raw: 'login:fail timeout', message: '暂时不可用，请稍后再试' });
    });

    for (const code of ['session_missing', 'session_expired', 'session_invalid']) {
      test(`${code} leads to one fresh login`, async () => {
        const phone = await loggedIn();
        shop.next(CREATE, problem(401, code));
        assert.equal((await phone.pay.pay(order)).result, 'paid');
        assert.deepEqual(shop.asked(CREATE).map((r) => r.session), ['session-1 of code+/1', 'session-2 of code+/2']);
        shop.next(ASK, problem(401, code));
        assert.equal((await phone.pay.pay(order)).result, 'paid', 'also while waiting');
        assert.equal(phone.logins, 3);
        shop.next(CREATE, problem(401, code), problem(401, code));
        await assert.rejects(phone.pay.pay(order), { code, status: 401 });
        assert.equal(phone.logins, 4);
      });
    }

    test('a code that is no good leads to one fresh code', async () => {
      shop.next(LOGIN, problem(401, 'code_invalid'));
      const phone = newPhone();
      const pay = phone.create();
      assert.equal(await pay.login(), 'session-1 of code+/2');
      phone.ahead = 8000 * 1000;
      shop.next(LOGIN, problem(401, 'code_invalid'), problem(401, 'code_invalid'));
      await assert.rejects(pay.login(), { code: 'code_invalid' });
      assert.equal(phone.logins, 4);

      const other = newPhone();
      shop.next(LOGIN, lost, lost, lost, lost);
      shop.next(CREATE, problem(401, 'code_invalid'));
      const paying = other.create();
      await assert.rejects(paying.login(), { code: 'network' });
      assert.equal((await paying.pay(order)).result, 'paid', 'also where the charge call refuses it');
      assert.equal(JSON.parse(shop.asked(CREATE).at(-1).body).code, undefined);
    });

    test('the server is asked again when it says when', async () => {
      const phone = await loggedIn();
      shop.next(CREATE,
        problem(409, 'charge_in_progress', { headers: { 'Retry-After': '1' } }),
        problem(503, 'provider_unavailable', { headers: { 'retry-after': '5' } }),
        problem(429, 'rate_limited', { headers: { 'Retry-After': '3600' } }));
      assert.equal((await phone.pay.pay(order)).result, 'paid');
      assert.deepEqual(phone.pauses, [1000, 5000, 10000]);
      const busy = problem(503, 'wechat_busy', { headers: { 'Retry-After': '2' } });
      shop.next(CREATE, busy, busy, busy, busy);
      await assert.rejects(phone.pay.pay(order), { code: 'wechat_busy' });
    });

    test('what cannot be helped is reported at once', async () => {
      const phone = await loggedIn();
      for (const [status, code] of [[400, 'order_invalid'], [402, 'charge_rejected'], [404, 'order_not_found'], [409, 'order_closed'],
        [502, 'backend_unavailable'], [503, 'no_retry_after'], [504, 'provider_timeout']]) {
        shop.next(CREATE, problem(status, code));
        await assert.rejects(phone.pay.pay(order), { code, status, message: `detail of ${code}` });
      }
      for (const [status, body] of [[502, '<html>Bad Gateway</html>'], [200, '<html>Bad Gateway</html>'], [200, '{"code":404}'], [404, '{"code":"no","detail":"Not Found"}'], [404, 'null']]) {
        shop.next(CREATE, (res) => res.writeHead(status).end(body)); // something on the way to the site
        await assert.rejects(phone.pay.pay(order), {
          code: 'unknown', status, message: '暂时不可用，请稍后再试', raw: `https://shop.example.com/pay/charges ${status}: ${body}`,
        });
      }
      assert.equal(phone.sheets.length, 0);
      assert.deepEqual(phone.pauses, []);
    });

    test('a base that is mistyped shows in what the developer sees, without a login code', async () => {
      for (const lang of ['zh', 'en']) {
        const pay = newPhone().create({ base: 'https://shop.example.com/py', lang });
        for (const [status, body] of [[404, `<html>\n<p>/py/openid?code=code%2B%2F1</p> ${'is not here '.repeat(1000)}`], [200, '{"code":0,"data":{}}']]) {
          shop.next('POST /py/openid', (res) => res.writeHead(status).end(body));
          const err = await pay.login().then(() => assert.fail(), (e) => e);
          assert.deepEqual([err.code, err.status, err.message], ['unknown', status, lang === 'zh' ? '暂时不可用，请稍后再试' : 'Please try again later']);
          assert.ok(err.raw.startsWith(`https://shop.example.com/py/openid ${status}: ${body.slice(0, 10)}`), err.raw);
          assert.ok(err.raw.length <= 200);
          assert.doesNotMatch(err.raw, /code%2B/);
        }
      }
      assert.equal(shop.asked('POST /py/openid').length, 4);
    });

    test('a base with a slash at its end is no other', async () => {
      const pay = newPhone().create({ base: 'https://shop.example.com/pay//' });
      assert.equal((await pay.pay(order)).result, 'paid');
      assert.equal((await pay.request({ path: '/api/text' })).data, 'no such thing');
      const root = newPhone().create({ base: 'https://shop.example.com/' });
      assert.equal((await root.request({ path: '/api/text' })).status, 404);
      assert.deepEqual([...new Set(shop.requests.map((r) => r.route.split(' ')[1].split('/')[1]))].sort(), ['api', 'openid', 'pay']);
    });

    test('without a base it says so', () => {
      for (const options of [{ base: undefined }, { base: '' }, { base: '/pay' }, { base: 'shop.example.com/pay' }]) {
        assert.throws(() => newPhone().create(options), /^Error: base is missing or no URL like https:\/\/shop\.example\.com\/pay$/);
      }
    });

    test('a lost network is waited for', async () => {
      const phone = await loggedIn();
      shop.next(CREATE, lost, lost);
      assert.equal((await phone.pay.pay(order)).result, 'paid', 'before the payment');
      shop.next(ASK, lost, lost, lost, lost, lost, html(502), html(200), problem(503, 'ledger_unavailable', { headers: { 'Retry-After': '2' } }), usual);
      assert.equal((await phone.pay.pay(order)).result, 'paid', 'after it, also a server that restarts');
      assert.equal(phone.sheets.length, 2);
    });

    test('a lost network is not waited for for ever, and the charge is remembered', async () => {
      const phone = await loggedIn();
      shop.next(ASK, ...Array(200).fill(lost));
      await assert.rejects(phone.pay.pay(order, { wait: 3600_000 }), { code: 'network', message: '网络不可用，请重试，不会重复扣款', raw: 'request:fail' });
      assert.ok(phone.pauses.reduce((a, b) => a + b, 0) > 3 * 60 * 1000, 'for minutes, though');
      assert.deepEqual(phone.pay.pending(), [order]);
    });

    test('what the sheet reports is not believed', async () => {
      shop.statuses = ['created'];
      for (const [user, result, query] of [['fail cancel', 'cancelled', { client: 'cancel' }], ['fail sign error', 'failed', { wait: '5s', client: 'fail' }]]) {
        const phone = await loggedIn({ user });
        shop.requests = [];
        const outcome = await phone.pay.pay(order);
        assert.deepEqual([outcome.result, outcome.raw], [result, `requestPayment:${user}`]);
        assert.doesNotMatch(outcome.message, /[a-z]/i);
        assert.deepEqual(queries(ASK), [query]);
        shop.statuses = ['paid'];
        assert.equal((await phone.pay.pay(order)).result, 'paid', 'the server knows better');
        shop.statuses = ['created'];
      }
      // "Success", although the platform cannot pay at all.
      const phone = await loggedIn();
      const outcome = await phone.pay.pay(order, { wait: 30_000 });
      assert.equal(outcome.result, 'left');
      assert.deepEqual(phone.pay.pending(), [order]);
      const before = queries(ASK).length;
      await phone.pay.pay(order, { wait: 2000 });
      assert.deepEqual(queries(ASK).slice(before).filter(({ client }) => client).map(({ wait }) => wait === '2s' || wait === '1s').filter((ok) => !ok), [], 'no answer is waited for longer');
    });

    test('an order number may be a number', async () => {
      const phone = await loggedIn();
      const [a, b] = await Promise.all([phone.pay.pay(1001), phone.pay.pay('1001')]);
      assert.equal(a, b, 'one flow');
    });

    for (const status of ['expired', 'held', 'refunded', 'reversed']) {
      test(`the wait ends when the charge is ${status}`, async () => {
        shop.statuses = ['created', status];
        const phone = await loggedIn();
        assert.equal((await phone.pay.pay(order)).result, status);
      });
    }

    test('the wait ends when nobody looks any more', async () => {
      shop.statuses = ['created'];
      const phone = await loggedIn();
      const gone = () => shop.asked(ASK).length >= 3;
      const both = await Promise.all([phone.pay.pay(order, { left: gone }), phone.pay.pay(order, { left: () => shop.asked(ASK).length >= 5 })]);
      assert.deepEqual(both.map(({ result }) => result), ['left', 'left'], 'not before all have left');
      assert.equal(shop.asked(ASK).length, 5);
    });

    test('calls for one order share one payment, and sheets open one at a time', async () => {
      const phone = await loggedIn();
      const same = await Promise.all([phone.pay.pay(order), phone.pay.pay(order)]);
      assert.equal(same[0], same[1]);
      assert.equal(shop.asked(CREATE).length, 1);
      assert.equal(phone.sheets.length, 1);
      await Promise.all([phone.pay.pay(order), phone.pay.pay('A1002'), phone.pay.pay('A1003')]);
      assert.equal(phone.sheets.length, 4);
      assert.equal(phone.mostOpen, 1);
    });

    test('a program that is killed while the user pays remembers the charge', async () => {
      const phone = await loggedIn({ user: () => {} }); // the sheet never reports
      phone.pay.pay(order);
      while (!phone.sheets.length) await new Promise(setImmediate);
      phone.kill();
      const launched = newPhone({ kept: phone.kept });
      const pay = launched.create();
      assert.deepEqual(pay.pending(), [order]);
      shop.requests = [];
      assert.equal((await pay.pay(order)).result, 'paid');
      assert.deepEqual(queries(ASK), [{ wait: '3s' }]);
      assert.equal(shop.asked(CREATE).length, 0, 'nobody is charged again');
      assert.equal(launched.sheets.length, 0);
      assert.deepEqual(pay.pending(), []);
    });

    test('a remembered charge that nobody paid is tried again', async () => {
      for (const [statuses, answer] of [[['created', 'paid'], usual], [['expired', 'paid'], usual], [['paid'], problem(404, 'charge_not_found')]]) {
        const phone = newPhone({ kept: new Map([['pay.pending', JSON.stringify({ [order]: chargeID })]]) });
        shop.statuses = statuses;
        shop.next(ASK, answer);
        assert.equal((await phone.create().pay(order)).result, 'paid');
        assert.equal(phone.sheets.length, 1);
      }
    });

    test('the state of an order begins no payment', async () => {
      const phone = newPhone({ kept: new Map([['pay.pending', JSON.stringify({ [order]: chargeID })]]) });
      const pay = phone.create();
      assert.deepEqual(await pay.orderState(order), { order_no: order, status: 'unpaid', charge_id: chargeID });
      assert.deepEqual(pay.pending(), [order]);
      shop.state = 'paid';
      assert.equal((await pay.orderState(order)).status, 'paid');
      assert.deepEqual(pay.pending(), []);
      assert.equal(shop.asked(CREATE).length, 0);
      shop.next(`GET /pay/orders/${order}/state`, problem(503, 'ledger_unavailable'));
      await assert.rejects(pay.orderState(order), { code: 'ledger_unavailable' });
    });

    test("request calls the shop's own backend with the session", async () => {
      const phone = await loggedIn();
      const { status, data } = await phone.pay.request({ path: '/api/cart', method: 'POST', data: { tea: 2 }, header: { 'x-shop': '1' } });
      assert.deepEqual([status, data], [200, { session: 'session-1 of code+/1', body: { tea: 2 } }]);
      assert.equal(shop.asked('POST /api/cart')[0].headers['x-shop'], '1');
      assert.deepEqual(await phone.pay.request({ path: '/api/text' }), { status: 404, data: 'no such thing' });
      shop.next('POST /api/cart', lost);
      await assert.rejects(phone.pay.request({ path: '/api/cart', method: 'POST', data: {} }), { code: 'network' });
      assert.equal(shop.asked('POST /api/cart').length, 2, 'what may have been done is not done again');
      shop.next('POST /api/cart', problem(401, 'session_expired'));
      assert.equal((await phone.pay.request({ path: '/api/cart', method: 'POST', data: {} })).data.session, 'session-2 of code+/2');
    });

    test("messages are in the user's language", async () => {
      const phone = await loggedIn({ language: 'en', user: 'fail cancel' });
      shop.statuses = ['created'];
      assert.equal((await phone.pay.pay(order)).message, 'Cancelled');
      assert.equal(shop.asked(CREATE)[0].headers['accept-language'], 'en');
      const forced = phone.create({ lang: 'zh' });
      assert.equal((await forced.pay(order)).message, '已取消支付');
      shop.statuses = ['expired'];
      assert.equal((await phone.pay.pay(order)).message, 'Too late; pay again');
    });
  });
}
