'use strict';

// The whole path at a running site, when there is one. Environment:
//   SHOP      where https://shop.example.com really is (NODE_EXTRA_CA_CERTS names its authority)
//   SANDBOX   the sandbox's base URL, where Ping++'s notify address is answered
//   PINGPP    Ping++'s client SDK, built or as its package is installed; a further order is paid with it
//   ORDER_NO  the start of the numbers of orders at the shop's backend, not paid yet, in test mode

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Phone } = require('./phone.js');

const { SHOP, SANDBOX, ORDER_NO, PINGPP } = process.env;

if (SHOP) {
  for (const shape of ['wx', 'uni', 'Taro']) {
    test(`an order is paid at ${SHOP} under ${shape}`, async () => {
      const orderNo = ORDER_NO + shape;
      const phone = new Phone({ shape, hosts: { 'https://shop.example.com': SHOP, 'https://notify.pingxx.com': SANDBOX } });
      phone.nextCode = () => `sandbox-${shape}`;
      const pay = phone.create();
      await pay.login();
      assert.equal((await pay.orderState(orderNo)).status, 'unknown');
      const [first, second] = await Promise.all([pay.pay(orderNo), pay.pay(orderNo)]);
      assert.deepEqual([first.result, first.charge.order_no], ['paid', orderNo]);
      assert.equal(second, first);
      assert.deepEqual(await pay.orderState(orderNo), { order_no: orderNo, status: 'paid', charge_id: first.charge.id });
      assert.equal((await pay.pay(orderNo)).charge.id, first.charge.id, 'nobody pays twice');
    });
  }

  test(`an order is paid at ${SHOP} with Ping++'s SDK`, async () => {
    const phone = new Phone({ hosts: { 'https://shop.example.com': SHOP, 'https://notify.pingxx.com': SANDBOX } });
    phone.nextCode = () => 'sandbox-SDK';
    global.wx = phone.platform;
    const handed = [];
    const sdk = require(PINGPP);
    const pingpp = { createPayment: (charge, callback) => { handed.push(charge); sdk.createPayment(charge, callback); } };
    const pay = phone.create({ pingpp });
    assert.equal((await pay.pay(`${ORDER_NO}SDK`)).result, 'paid');
    assert.equal((await pay.pay(`${ORDER_NO}SDK`)).result, 'paid');
    assert.deepEqual(handed.map((charge) => typeof charge), ['string'], 'nobody pays twice');
  });
}
