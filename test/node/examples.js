'use strict';

// The examples that ship with Ping++'s official server SDK, run as they are against the sandbox: those of every resource that it
// serves. Only what a merchant fills in is changed: the keys, the app, the channel, and which objects they name; and no two order
// numbers are the same, though all are made in one moment. Environment:
//   BASE              where the sandbox is: http://127.0.0.1:port
//   KEY               sk_test_… or sk_live_…
//   APP               app_…
//   PRIVATE_KEY_PATH  the merchant's private key; the sandbox knows its public half
//   PINGPP_KEY_PATH   the public key that webhooks verify with
//   WX_LITE           appid:secret of the mini program
// One JSON line per check on stdout: {"check","ok","detail"}. The exit code is 1 when any check failed.
//
// Not run: wx_pub_oauth_with_server.js, which calls a function that the SDK has no more.

const fs = require('fs');
const http = require('http');
const https = require('https');
const Module = require('module');
const path = require('path');

const { BASE, KEY, APP, PRIVATE_KEY_PATH, PINGPP_KEY_PATH, WX_LITE } = process.env;
for (const name of ['BASE', 'KEY', 'APP', 'PRIVATE_KEY_PATH', 'PINGPP_KEY_PATH', 'WX_LITE']) {
  if (!process.env[name]) {
    console.error(`set ${name}`);
    process.exit(2);
  }
}
const base = new URL(BASE);
const sdk = path.dirname(require.resolve('pingpp/package.json'));
const examples = path.join(sdk, 'example');

// A client of the examples': it speaks to the sandbox, and signs whether the example says so or not.
const original = require('pingpp');
const lib = require.resolve('pingpp');
require.cache[lib].exports = (key) => {
  const c = original(key);
  c.setHost(base.hostname, base.port, 'http');
  c.setTimeout(20000);
  c.setPrivateKeyPath(PRIVATE_KEY_PATH);
  c.setPrivateKeyPath = () => {};
  c.setTimeout = () => {};
  return c;
};
const pingpp = require.cache[lib].exports(KEY);

// What the example that runs asks, and what is answered; heard is told of each.
let asking = null;
const request = http.request;
http.request = (options, ...more) => {
  const req = request(options, ...more);
  const by = asking;
  if (!by) return req;
  const listen = (answer) => { by.answers.push(answer); by.heard(); };
  req.once('response', (res) => {
    let body = '';
    res.on('data', (chunk) => { body += chunk; });
    const answer = () => listen({ call: `${options.method} ${options.path.split('?')[0]}`, status: res.statusCode, body });
    res.once('close', () => setTimeout(setTimeout, 1, answer, 1)); // the SDK tells the example by a timer, which comes first
  });
  req.once('error', (err) => listen({ call: options.path, status: 0, body: String(err) }));
  return req;
};
https.request = (options, ...more) => { // WeChat is the sandbox too
  if (options.host !== 'api.weixin.qq.com') throw new Error(`an example calls ${options.host}`);
  return http.request({ ...options, host: base.hostname, port: base.port }, ...more);
};
let servers = [];
const createServer = http.createServer;
http.createServer = (...args) => {
  const server = createServer(...args);
  servers.push(server);
  return server;
};

let clock = Date.now();
global.exampleTime = () => { clock += 1000; return clock; };

// fill is what a merchant would write into an example.
function fill(source, values) {
  const put = (pattern, value) => { source = source.replace(pattern, () => value); };
  put(/sk_test_\w+/g, KEY);
  put(/app_\w{16}/g, APP);
  put(/new Date\(\)\.getTime\(\)/g, 'exampleTime()');
  put(/\.listen\(\d+, "[\d.]+"\)/g, ".listen(0, '127.0.0.1')");
  put(/<WX_LITE_APP_ID>/, WX_LITE.split(':')[0]);
  put(/<WX_LITE_APP_SECRET>/, WX_LITE.split(':')[1]);
  if (values.channel) put(/var channel = '\w+'/, `var channel = '${values.channel}'`);
  if (values.charge) put(/ch_\w{24}/g, values.charge);
  if (values.refund) put(/re_\w{24}/g, values.refund);
  if (values.event) put(/evt_\w{24}/g, values.event);
  if (values.order) put(/"20\d{17}"/g, `"${values.order}"`);
  if (values.code) put(/<CODE>/, values.code);
  if (values.webhook) {
    put(/var raw_data = '.*';/, `var raw_data = ${JSON.stringify(values.webhook.body)};`);
    put(/var signature = '.*';/, `var signature = '${values.webhook.signature}';`);
    put(/var pub_key_path = .*;/, `var pub_key_path = ${JSON.stringify(PINGPP_KEY_PATH)};`);
  }
  return source;
}

let said = '';

// run runs one example until it has had as many answers as it asks questions.
async function run(file, calls, values = {}) {
  const name = path.join(examples, file);
  const answers = [];
  asking = { answers, heard: () => {} };
  servers = [];
  said = '';
  const log = console.log;
  console.log = (...words) => { said += `${words.map(String).join(' ')}\n`; };
  try {
    const module = new Module(name);
    module.filename = name;
    module.paths = Module._nodeModulePaths(examples);
    module._compile(fill(fs.readFileSync(name, 'utf8'), values), name);
    await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${answers.length} of ${calls} answers came: ${JSON.stringify(answers)}`)), 60000);
      asking.heard = () => {
        if (answers.length < calls) return;
        clearTimeout(late);
        resolve();
      };
      asking.heard();
    });
  } finally {
    console.log = log;
    asking = null;
  }
  for (const { call, status, body } of answers) {
    if (status !== 200 || JSON.parse(body).error) throw new Error(`${call} answered ${status} ${body}`);
  }
  if (/fail/i.test(said)) throw new Error(said);
  return answers.map((a) => JSON.parse(a.body));
}

let failed = false;

async function check(name, what) {
  let line;
  try {
    line = { check: name, ok: true, detail: await what() };
  } catch (err) {
    failed = true;
    line = { check: name, ok: false, detail: String(err.stack || err) };
  }
  console.log(JSON.stringify(line));
}

function expect(what, got, want) {
  if (got !== want) throw new Error(`${what} is ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

// lever pulls one of the sandbox's own, on a connection that the SDK might use next.
function lever(method, target, body) {
  return new Promise((resolve, reject) => {
    const req = request(new URL(`/sandbox/${target}`, base), { method, headers: { 'Content-Type': 'application/json' } }, (res) => {
      let text = '';
      res.on('data', (chunk) => { text += chunk; });
      res.on('end', () => (res.statusCode < 300 ? resolve(text && JSON.parse(text)) : reject(new Error(`${target}: ${res.statusCode} ${text}`))));
    });
    req.on('error', reject);
    req.end(body ? JSON.stringify(body) : '');
  });
}

// post asks the server that an example has started.
async function post(server, target, body) {
  if (!server.listening) await new Promise((resolve) => { server.once('listening', resolve); });
  const answer = await fetch(`http://127.0.0.1:${server.address().port}${target}`, { method: 'POST', body, headers: { Connection: 'close' } });
  return { status: answer.status, text: await answer.text() };
}

async function charges() {
  const known = fs.readFileSync(path.join(examples, 'charge_extra.js'), 'utf8').matchAll(/^ {2}(\w+): \{/gm);
  for (const [, channel] of known) {
    await check(`charge_create.js ${channel}`, async () => {
      const [charge] = await run('charge_create.js', 1, { channel });
      expect('channel', charge.channel, channel);
      return charge.id;
    });
  }
  const made = (extra) => pingpp.charges.create({
    order_no: `E${global.exampleTime()}`, app: { id: APP }, channel: 'alipay', amount: 100, client_ip: '192.0.2.10', currency: 'cny', subject: 'Tea', body: 'Green tea', ...extra,
  });

  const unpaid = await made();
  await check('charge_list.js', async () => {
    const [list] = await run('charge_list.js', 1);
    expect('its newest', list.data[0].id, unpaid.id);
    expect('its length', list.data.length, 3);
  });
  await check('charge_retrieve.js', async () => expect('id', (await run('charge_retrieve.js', 1, { charge: unpaid.id }))[0].id, unpaid.id));
  await check('promise.js', async () => {
    const objects = (await run('promise.js', 2, { charge: unpaid.id })).map((o) => o.object).sort();
    expect('the answers', objects.join(), 'charge,list');
  });
  await check('charge_reverse.js', async () => expect('reversed', (await run('charge_reverse.js', 1, { charge: unpaid.id }))[0].reversed, true));

  const paid = await made();
  await lever('POST', `charges/${paid.id}/pay`);
  await check('refund.js', async () => {
    const [refund] = await run('refund.js', 1, { charge: paid.id });
    expect('amount', refund.amount, 1);
    expect('charge', refund.charge, paid.id);
  });
  const state = await lever('GET', 'state');
  const event = state.events.find((e) => e.type === 'charge.succeeded' && e.charge === paid.id);
  await check('event.js', async () => expect('id', (await run('event.js', 1, { event: event.id }))[0].id, event.id));
  await check('webhooks_verify.js', async () => {
    await run('webhooks_verify.js', 0, { webhook: event });
    expect('its verdict', said.trim(), 'verification succeeded');
  });
  await check('webhooks_server.js', async () => {
    await run('webhooks_server.js', 0);
    const answer = await post(servers[0], '/', event.body);
    servers[0].close();
    expect('the answer', `${answer.status} ${answer.text}`, '200 OK');
  });
  await check('server.js', async () => {
    await run('server.js', 0);
    const answer = await post(servers[0], '/pay', JSON.stringify({ channel: 'wx_pub', amount: 100, open_id: 'oABCDEFGHIJKLMNOPQRSTUVWXYZ_' }));
    servers[0].close();
    expect('the channel', JSON.parse(answer.text).channel, 'wx_pub');
  });
}

async function orders() {
  const made = async () => {
    const order = await pingpp.orders.create({
      merchant_order_no: `E${global.exampleTime()}`, app: APP, uid: '123', amount: 100, client_ip: '192.0.2.10', currency: 'cny', subject: 'Tea', body: 'Green tea',
    });
    return pingpp.orders.pay(order.id, { channel: 'alipay', charge_amount: 100 });
  };
  const unpaid = await made();
  await check('order/order.js', async () => {
    const got = await run('order/order.js', 8, { order: unpaid.id, charge: unpaid.charge });
    expect('canceled', got.filter((o) => o.status === 'canceled').length, 1);
  });
  const paid = await made();
  await lever('POST', `charges/${paid.charge}/pay`);
  const refunds = await pingpp.orders.createRefund(paid.id, { charge: paid.charge, charge_amount: 10, description: 'Tea' });
  await check('order/order_refunds.js', async () => {
    const got = await run('order/order_refunds.js', 3, { order: paid.id, refund: refunds.data[0].id });
    expect('lists', got.filter((o) => o.object === 'list').length, 2);
  });
}

async function main() {
  await charges();
  await orders();
  const { code } = await lever('POST', 'wechat/codes', { openid: 'oABCDEFGHIJKLMNOPQRSTUVWXYZ_' });
  await check('wx_lite_oauth.js', async () => expect('openid', (await run('wx_lite_oauth.js', 1, { code }))[0].openid, 'oABCDEFGHIJKLMNOPQRSTUVWXYZ_'));
}

main().then(() => process.exit(failed ? 1 : 0), (err) => {
  console.error(err);
  process.exit(1);
});
