'use strict';

// Ping++'s official server SDK against the sandbox. Environment:
//   BASE              where the sandbox is: http://127.0.0.1:port, or https with NODE_EXTRA_CA_CERTS
//   KEY               sk_test_… or sk_live_…
//   APP               app_…
//   PRIVATE_KEY_PATH  the merchant's private key; the sandbox knows its public half
// One JSON line per check on stdout: {"check","ok","detail"}. The exit code is 1 when any check failed.

const pingppSDK = require('pingpp');
const errors = require('pingpp/lib/Error');

const { BASE, KEY, APP, PRIVATE_KEY_PATH } = process.env;
for (const name of ['BASE', 'KEY', 'APP', 'PRIVATE_KEY_PATH']) {
  if (!process.env[name]) {
    console.error(`set ${name}`);
    process.exit(2);
  }
}
const base = new URL(BASE);
const protocol = base.protocol.replace(':', '');
const port = base.port || { http: '80', https: '443' }[protocol];

function client(key, sign = true) {
  const c = pingppSDK(key);
  c.setHost(base.hostname, port, protocol);
  // Without a limit, a server that keeps its connections open hangs this SDK for ever on Node 19 and later.
  c.setTimeout(10000);
  if (sign) c.setPrivateKeyPath(PRIVATE_KEY_PATH);
  return c;
}

const live = KEY.startsWith('sk_live_');
const run = Date.now().toString(36);
const params = (suffix, over = {}) => Object.assign({
  order_no: `N${run}${suffix}`,
  app: { id: APP },
  channel: 'wx_lite',
  amount: 100,
  client_ip: '192.0.2.10',
  currency: 'cny',
  subject: 'Tea <&> 茶',
  body: 'Green tea "loose"',
  extra: { open_id: 'oABCDEFGHIJKLMNOPQRSTUVWXYZ_' },
  metadata: { pay_order_no: `N${run}${suffix}` },
}, over);

let failed = false;

async function check(name, run) {
  let line;
  try {
    line = { check: name, ok: true, detail: await run() };
  } catch (err) {
    failed = true;
    line = { check: name, ok: false, detail: String(err.message || err) };
  }
  console.log(JSON.stringify(line));
  return line.ok;
}

function expect(what, got, want) {
  if (got !== want) throw new Error(`${what} is ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

// refused expects the SDK to make one class of its own of the answer.
async function refused(className, call, members = {}) {
  let answer;
  try {
    answer = await call();
  } catch (err) {
    if (!(err instanceof errors[className])) {
      throw new Error(`got ${err.type || err.name} (${err.message}), want ${className}`);
    }
    for (const [name, want] of Object.entries(members)) expect(`error.${name}`, err[name], want);
    if (!err.message) throw new Error('the error has no message');
    return `${className}: ${err.message}`;
  }
  throw new Error(`succeeded: ${JSON.stringify(answer)}`);
}

// fault pulls one of the sandbox's levers.
async function fault(on, name, times = 1) {
  const resp = await fetch(new URL('/sandbox/faults', base), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ on, fault: name, times }),
  });
  if (!resp.ok) throw new Error(`fault ${on} ${name}: HTTP ${resp.status} ${await resp.text()}`);
}

// lever pulls one of the sandbox's own.
async function lever(path) {
  const resp = await fetch(new URL(`/sandbox/${path}`, base), { method: 'POST' });
  if (!resp.ok) throw new Error(`${path}: HTTP ${resp.status} ${await resp.text()}`);
  return resp.json();
}

async function refunds(pingpp) {
  let charge;
  let refund;

  await check('refund a charge', async () => {
    charge = await pingpp.charges.create(params('r'));
    await lever(`charges/${charge.id}/pay`);
    await fault('refund', 'stuck');
    refund = await pingpp.charges.createRefund(charge.id, { amount: 30, description: 'Wrong <size> 退', metadata: { pay_refund_no: 'R1' } });
    expect('object', refund.object, 'refund');
    expect('status', refund.status, 'pending');
    expect('succeed', refund.succeed, false);
    expect('amount', refund.amount, 30);
    expect('charge', refund.charge, charge.id);
    expect('charge_order_no', refund.charge_order_no, charge.order_no);
    expect('order_no', refund.order_no, refund.id.replace('re_', ''));
    expect('metadata.pay_refund_no', refund.metadata.pay_refund_no, 'R1');
    if (!/^re_\w{24}$/.test(refund.id)) throw new Error(`id is ${refund.id}`);
    return refund.id;
  });

  await check('the refund succeeds', async () => {
    await lever(`refunds/${refund.id}/succeed`);
    const got = await pingpp.charges.retrieveRefund(charge.id, refund.id);
    expect('status', got.status, 'succeeded');
    expect('succeed', got.succeed, true);
    const list = await pingpp.charges.listRefunds(charge.id, { limit: 3 });
    expect('the list', JSON.stringify(list.data), JSON.stringify([got]));
    expect('amount_refunded', (await pingpp.charges.retrieve(charge.id)).amount_refunded, 30);
    return got.transaction_no;
  });

  await check('a refund that the channel refuses is HTTP 200', async () => {
    await fault('refund', 'failed');
    const got = await pingpp.charges.createRefund(charge.id, { description: 'x' });
    expect('status', got.status, 'failed');
    expect('failure_code', got.failure_code, 'refund_refused_msg');
    return got.failure_msg;
  });

  await check('400 refund of more than is left', () => refused('PingppInvalidRequestError',
    () => pingpp.charges.createRefund(charge.id, { amount: 71, description: 'x' }), { param: 'amount' }));

  await check('400 refund without a description', () => refused('PingppInvalidRequestError',
    () => pingpp.charges.createRefund(charge.id, {}), { param: 'description' }));

  await check('reverse', async () => {
    const unpaid = await pingpp.charges.create(params('v', { channel: 'alipay_qr', extra: {} })); // WeChat's not within a minute
    expect('reversed', (await pingpp.charges.reverse(unpaid.id)).reversed, true);
    return refused('PingppInvalidRequestError', () => pingpp.charges.reverse(charge.id));
  });
}

async function orders(pingpp) {
  const orderParams = (suffix) => ({
    app: APP, merchant_order_no: `N${run}${suffix}`, amount: 100, currency: 'cny', client_ip: '192.0.2.10', subject: 'Tea', body: 'Green tea',
  });
  let order;

  await check('create an order', async () => {
    order = await pingpp.orders.create(orderParams('o'));
    expect('object', order.object, 'order');
    expect('status', order.status, 'created');
    expect('livemode', order.livemode, live);
    expect('app', order.app, APP);
    expect('amount', order.amount, 100);
    return order.id;
  });

  await check('pay the order', async () => {
    const paying = await pingpp.orders.pay(order.id, { channel: 'wx_lite', charge_amount: 100, extra: { open_id: 'oABCDEFGHIJKLMNOPQRSTUVWXYZ_' } });
    expect('charge_essentials.channel', paying.charge_essentials.channel, 'wx_lite');
    expect('typeof paySign', typeof paying.charge_essentials.credential.wx_lite.paySign, 'string');
    await lever(`charges/${paying.charge}/pay`);
    order = await pingpp.orders.retrieve(order.id);
    expect('status', order.status, 'paid');
    expect('amount_paid', order.amount_paid, 100);
    expect('charge', order.charge, paying.charge);
    const charges = await pingpp.orders.listCharges(order.id, { page: 1, per_page: 3 });
    expect('its charges', charges.data.map((c) => c.id).join(), paying.charge);
    expect('its charge', (await pingpp.orders.retrieveCharge(order.id, paying.charge)).paid, true);
    return paying.charge;
  });

  await check("400 an order's charge is not refunded by itself", () => refused('PingppInvalidRequestError',
    () => pingpp.charges.createRefund(order.charge, { description: 'x' }), { code: 'charge_request_invalid' }));

  await check('refund the order', async () => {
    await fault('refund', 'stuck');
    const made = await pingpp.orders.createRefund(order.id, { charge: order.charge, charge_amount: 40, description: 'x' });
    expect('object', made.object, 'list');
    expect('amount', made.data[0].amount, 40);
    await lever(`refunds/${made.data[0].id}/succeed`);
    expect('status', (await pingpp.orders.retrieveRefund(order.id, made.data[0].id)).status, 'succeeded');
    expect('the list', (await pingpp.orders.listRefunds(order.id, { page: 1, per_page: 3 })).data.length, 1);
    order = await pingpp.orders.retrieve(order.id);
    expect('amount_refunded', order.amount_refunded, 40);
    expect('order.status', order.status, 'refunded');
    return made.data[0].id;
  });

  await check('cancel an order', async () => {
    const other = await pingpp.orders.create(orderParams('p'));
    expect('status', (await pingpp.orders.cancel(other.id)).status, 'canceled');
    const list = await pingpp.orders.list({ app: APP, per_page: 2 });
    expect('the list', list.data.map((o) => o.id).join(), [other.id, order.id].join());
    return other.id;
  });
}

async function main() {
  const pingpp = client(KEY);
  let charge;

  await check('create', async () => {
    const want = params('a');
    charge = await pingpp.charges.create(want);
    expect('object', charge.object, 'charge');
    expect('livemode', charge.livemode, live);
    expect('paid', charge.paid, false);
    expect('app', charge.app, APP);
    for (const name of ['order_no', 'channel', 'amount', 'currency', 'client_ip', 'subject', 'body']) {
      expect(name, charge[name], want[name]);
    }
    expect('extra.open_id', charge.extra.open_id, want.extra.open_id);
    expect('metadata.pay_order_no', charge.metadata.pay_order_no, want.order_no);
    if (!/^ch_\w{24}$/.test(charge.id)) throw new Error(`id is ${charge.id}`);
    const credential = charge.credential.wx_lite;
    for (const name of ['appId', 'timeStamp', 'nonceStr', 'package', 'signType', 'paySign']) {
      expect(`typeof credential.wx_lite.${name}`, typeof credential[name], 'string');
    }
    return charge.id;
  });

  await check('retrieve', async () => {
    const got = await pingpp.charges.retrieve(charge.id);
    expect('charge', JSON.stringify(got), JSON.stringify(charge));
    return got.id;
  });

  await check('list', async () => {
    const other = await pingpp.charges.create(params('b'));
    const list = await pingpp.charges.list({ app: { id: APP }, limit: 2, channel: 'wx_lite', paid: false });
    expect('object', list.object, 'list');
    expect('url', list.url, '/v1/charges');
    expect('ids, newest first', list.data.map((c) => c.id).join(), [other.id, charge.id].join());
    const next = await pingpp.charges.list({ app: { id: APP }, limit: 1, starting_after: other.id });
    expect('the next page', next.data.map((c) => c.id).join(), charge.id);
    return `${list.data.length} charges`;
  });

  await check('401 wrong key', () => refused('PingppAuthenticationError',
    () => client(`${KEY}x`).charges.retrieve(charge.id), { rawType: 'invalid_request_error' }));

  await check('404 unknown charge', () => refused('PingppInvalidRequestError',
    () => pingpp.charges.retrieve('ch_000000000000000000000000'), { param: 'id' }));

  await check('400 bad amount', () => refused('PingppInvalidRequestError',
    () => pingpp.charges.create(params('c', { amount: -1 })), { param: 'amount' }));

  await check('400 extra is a list', () => refused('PingppInvalidRequestError',
    () => pingpp.charges.create(params('d', { extra: ['x'] })), { param: 'extra' }));

  await check('400 not signed', () => refused('PingppInvalidRequestError',
    () => client(KEY, false).charges.retrieve(charge.id)));

  await check('402 order number used with another amount', () => refused('PingppChannelError',
    () => pingpp.charges.create(params('a', { amount: 101 })), { rawType: 'channel_error' }));

  await check('403 rate limit', async () => {
    await fault('get_charge', '403');
    return refused('PingppRateLimitError', () => pingpp.charges.retrieve(charge.id));
  });

  await check('one 502 is repeated', async () => {
    await fault('get_charge', '502');
    return (await pingpp.charges.retrieve(charge.id)).id;
  });

  await check('502 twice', async () => {
    await fault('get_charge', '502', 2);
    return refused('PingppAPIError', () => pingpp.charges.retrieve(charge.id));
  });

  await check('200 with an error', async () => {
    await fault('get_charge', '200_error');
    return refused('PingppError', () => pingpp.charges.retrieve(charge.id));
  });

  await refunds(pingpp);
  await orders(pingpp);

  await check('still in order', async () => (await pingpp.charges.retrieve(charge.id)).id);
}

main().then(() => process.exit(failed ? 1 : 0), (err) => {
  console.error(err);
  process.exit(1);
});
