'use strict';

// Pay sheets that never say how they ended.

const assert = require('node:assert/strict');
const { test, describe, beforeEach, afterEach } = require('node:test');

const { Phone } = require('./phone.js');
const { Shop, charge, chargeID } = require('./shop.js');

const order = 'A1001';
const CREATE = 'POST /pay/charges';
const ASK = 'GET /pay/charges/ID';
const SECOND = 1000; // ms
const MINUTE = 60 * SECOND;

for (const shape of ['wx', 'uni', 'Taro']) {
  for (const opener of ['requestPayment', "Ping++'s SDK"]) {
    describe(`${shape}, ${opener}`, () => {
      let shop;
      let phone;
      let sheets; // how each is closed: 'ok' or 'fail cancel'
      let acts; // what the user does in each; nothing where there is none

      beforeEach(async () => {
        shop = await new Shop().start();
        shop.statuses = ['created'];
        sheets = [];
        acts = [];
        const opened = (close) => {
          sheets.push(close);
          (acts[sheets.length - 1] || (() => {}))(close);
        };
        phone = new Phone({ shape, hosts: shop.hosts, user: (sheet, close) => opened(close) });
        const pingpp = { createPayment: (text, callback) => opened((user) => callback(user === 'ok' ? 'success' : 'cancel', { msg: '' })) };
        phone.pay = phone.create(opener === 'requestPayment' ? {} : { pingpp });
        await phone.pay.login();
      });
      afterEach(async () => {
        phone.kill();
        await shop.stop();
      });

      const queries = () => shop.asked(ASK).map((r) => r.query);
      const until = async (holds) => { while (!holds()) await new Promise(setImmediate); };
      // after tells, from a time on, that nobody waits any more.
      const after = (ms) => {
        const at = phone.now() + ms;
        return () => phone.now() >= at;
      };
      const pays = (close) => {
        shop.statuses = ['paid'];
        phone.soon(() => close('ok'));
      };

      test('is given up once all who waited have left', async () => {
        const begun = phone.now();
        const both = await Promise.all([phone.pay.pay(order, { left: after(90 * SECOND), wait: SECOND }), phone.pay.pay(order, { left: after(30 * SECOND) })]);
        const took = phone.now() - begun;
        assert.ok(took >= 90 * SECOND && took < 5 * MINUTE, `${took} ms`);
        for (const { result, message, charge: known } of both) assert.deepEqual([result, message, known.id], ['left', '支付结果确认中', chargeID]);
        assert.deepEqual(queries(), [{}], 'the server is asked once');
        assert.deepEqual(phone.pay.pending(), [order], 'the charge is remembered');
      });

      test('is given up after five minutes, though nobody has left', async () => {
        const begun = phone.now();
        assert.equal((await phone.pay.pay(order)).result, 'left');
        assert.ok(phone.now() - begun >= 5 * MINUTE);
        assert.deepEqual(queries(), [{}]);
        assert.deepEqual(phone.pay.pending(), [order]);
      });

      test('the server may know how it ended', async () => {
        shop.statuses = ['paid'];
        assert.deepEqual([(await phone.pay.pay(order, { left: after(SECOND) })).result, phone.pay.pending()], ['paid', []]);
        shop.statuses = ['expired'];
        assert.deepEqual([(await phone.pay.pay(order)).result, phone.pay.pending()], ['expired', []]);
      });

      test('another order pays then', async () => {
        acts[1] = (close) => phone.soon(() => close('ok'));
        const stuck = phone.pay.pay(order);
        await until(() => sheets.length === 1);
        const other = chargeID.replace(/1$/, '2');
        shop.next(CREATE, (res) => res.end(charge.replace(chargeID, other)));
        shop.next(`GET /pay/charges/${other}`, (res) => res.end(JSON.stringify({ id: other, order_no: 'A1002', status: 'paid', order_paid: true })));
        assert.equal((await phone.pay.pay('A1002')).result, 'paid');
        assert.equal((await stuck).result, 'left');
        assert.equal(sheets.length, 2);
        assert.deepEqual(phone.pay.pending(), [order]);
      });

      test('who has left before the sheet opens sees none', async () => {
        const stuck = phone.pay.pay(order);
        await until(() => sheets.length === 1);
        assert.equal((await phone.pay.pay('A1002', { left: after(SECOND) })).result, 'left');
        assert.equal((await stuck).result, 'left');
        assert.equal(sheets.length, 1);
        assert.deepEqual(phone.pay.pending(), [order, 'A1002']);
      });

      test('the same order begins anew and pays once, whatever the first sheet says late', async () => {
        assert.equal((await phone.pay.pay(order, { left: after(SECOND) })).result, 'left');
        sheets[0]('ok');
        await new Promise(setImmediate);
        assert.equal(phone.busy, 0, 'nobody asks');
        assert.deepEqual(phone.pay.pending(), [order]);

        acts[1] = (close) => {
          sheets[0]('fail cancel');
          pays(close);
        };
        const { result, charge: paid } = await phone.pay.pay(order, { left: after(MINUTE) });
        assert.deepEqual([result, paid.id], ['paid', chargeID]);
        assert.equal(shop.asked(CREATE).length, 2);
        assert.equal(sheets.length, 2);
        if (opener === 'requestPayment') assert.deepEqual(phone.sheets[0], phone.sheets[1], 'the same can be paid once');
        assert.deepEqual(queries(), [{}, { wait: '3s' }, { wait: '25s', client: 'success' }]);
        assert.deepEqual(phone.pay.pending(), []);
        const asked = shop.requests.length;
        sheets[0]('ok');
        sheets[1]('ok');
        await new Promise(setImmediate);
        assert.equal(phone.busy, 0);
        assert.equal(shop.requests.length, asked);
      });

      test('who comes while it is given up joins nobody who has left', async () => {
        let release;
        shop.next(ASK, (res, answer) => { release = answer; });
        const first = phone.pay.pay(order, { left: after(SECOND) });
        await until(() => release);
        const second = phone.pay.pay(order);
        assert.notEqual(second, first);
        await until(() => sheets.length === 2);
        release();
        assert.equal((await first).result, 'left');
        assert.equal(phone.pay.pay(order), second, 'the second goes on');
        pays(sheets[1]);
        assert.equal((await second).result, 'paid');
        assert.equal(sheets.length, 2);
      });

      test('is watched while it is open, no longer', async () => {
        acts[0] = (close) => phone.soon(() => close('fail cancel'));
        let looked = 0;
        const left = () => { looked++; };
        assert.equal((await phone.pay.pay(order, { left })).result, 'cancelled');
        const before = looked;
        await until(() => !phone.timers.length);
        assert.equal(looked, before);
      });
    });
  }
}

describe('a program that breaks', () => {
  test('while it is asked whether it has left holds up no other order', async () => {
    const shop = await new Shop().start();
    const phone = new Phone({ hosts: shop.hosts, user: () => {} });
    const pay = phone.create();
    shop.statuses = ['created', 'paid'];
    const broken = pay.pay(order, { left: () => { throw new Error('no page'); } });
    assert.equal((await broken).result, 'failed');
    phone.user = 'ok';
    assert.equal((await pay.pay('A1002')).result, 'paid');
    await shop.stop();
  });
});
