'use strict';

// The whole path against a real server, when there is one. Environment:
//   SHOP      where https://shop.example.com really is: https://localhost:8443 (NODE_EXTRA_CA_CERTS names its authority)
//   SANDBOX   where Ping++'s notify address is answered: the sandbox's base URL
//   CODE      what wx.login gives; the sandbox takes sandbox-<anything>, and the site takes a code that it has exchanged again
//   ORDER_NO  an order of that user at the shop's backend, not paid yet, in test mode
//   PINGPP    a built pingpp.js, or the installed package; default: a stand-in

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Phone } = require('./phone.js');

const { SHOP, SANDBOX, CODE, ORDER_NO, PINGPP } = process.env;

if (SHOP) {
  test(`an order is paid at ${SHOP}`, async () => {
    const phone = new Phone({
      hosts: { 'https://shop.example.com': SHOP, 'https://notify.pingxx.com': SANDBOX },
      codes: () => CODE,
      sdk: PINGPP,
    }).launch();
    const page = phone.open('pages/order/order', { order_no: ORDER_NO });
    await page.onPay();
    assert.equal(page.data.text, '支付成功');
    assert.equal(typeof phone.handed[0], 'string');

    const again = await phone.require('pay.js').payOrder(ORDER_NO);
    assert.equal(again.result, 'paid');
    assert.equal(phone.handed.length, 1, 'nobody pays twice');
  });
}
