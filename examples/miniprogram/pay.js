// The payment path of a mini program in two calls: login() when it launches, payOrder() on the order page.
//
// What WeChat's pay sheet reports is not believed: payOrder answers what the server knows from Ping++.

const pingpp = require('./pingpp.js'); // built for wx_lite: see README.md

const BASE = 'https://shop.example.com/pay'; // your site; its host must be a request domain of the mini program
const STORED = 'pay.session';
const CODE_LIFE = 4.5 * 60 * 1000; // ms; WeChat's codes live 5 minutes
const MAX_TRIES = 4; // of a call that the network lost or the server asked to repeat
const MAX_PAUSE = 10 * 1000; // ms

let session = wx.getStorageSync(STORED) || null; // {token, expires}
let code = null; // {value, expires}: what wx.login gave; good for a first charge even before it became a session
let loggingIn = null;

// login returns a session, a new one if need be. Calls at the same time share one login.
function login() {
  if (alive(session)) return Promise.resolve(session.token);
  if (!loggingIn) {
    loggingIn = exchange();
    const over = () => { loggingIn = null; };
    loggingIn.then(over, over);
  }
  return loggingIn;
}

// exchange makes a session of the saved code, or of a fresh one. A code that turns out to be no good is replaced, once.
async function exchange(again) {
  const value = alive(code) ? code.value : await freshCode();
  let answer;
  try {
    answer = await call('POST', `/openid?code=${encodeURIComponent(value)}`);
  } catch (err) {
    if (!/^code_/.test(err.code)) throw err; // the code stays: it may still be good
    if (code && code.value === value) code = null;
    if (again) throw err;
    return exchange(true);
  }
  const { session: token, expires_in: seconds } = JSON.parse(answer.text);
  session = { token, expires: Date.now() + (seconds - 60) * 1000 };
  wx.setStorageSync(STORED, session);
  return token;
}

function freshCode() {
  return new Promise((resolve, reject) => {
    wx.login({
      success: (res) => {
        code = { value: res.code, expires: Date.now() + CODE_LIFE };
        resolve(res.code);
      },
      fail: (res) => reject(failure('login_failed', res.errMsg)),
    });
  });
}

// payOrder takes an order from its number to the server's word about it. It resolves to {result, charge, message}:
//   paid, refunded, reversed, expired, held   what the server says (held: paid, and a person at the shop looks at it; paid also
//   when another payment of the order succeeded: charge.paid says whether it was this one)
//   cancelled   the user closed the pay sheet      failed   WeChat refused; message says why      left   stopped() said so
// It rejects with an error whose code is one of the server's (order_not_found, …) or "network", and whose message can be
// shown. After that, or when the user comes back later, call it again with the same number: nobody pays twice.
async function payOrder(orderNo, stopped = () => false) {
  let answer;
  try {
    answer = await authorized((headers, saved) => call('POST', '/charges',
      { headers, data: Object.assign({ order_no: orderNo, channel: 'wx_lite' }, saved) }), true);
  } catch (err) {
    if (err.code !== 'order_already_paid' || !err.chargeId) throw err;
    const charge = await ask(err.chargeId, '');
    return { result: charge.status, charge };
  }
  const seen = await openSheet(answer.text);
  return confirm(JSON.parse(answer.text).id, seen, stopped);
}

// openSheet hands the charge over as it came. Parsed, changed or wrapped, Ping++'s SDK may not know it again.
function openSheet(text) {
  return new Promise((resolve) => {
    pingpp.createPayment(text, (result, err) => resolve({ result, message: (err && err.msg) || '' }));
  });
}

// confirm asks until the server knows how it ended. The answers wait at the server, so this is one request per 25 seconds.
async function confirm(id, seen, stopped) {
  if (seen.result !== 'success') {
    const charge = await ask(id, seen.result === 'cancel' ? '?client=cancel' : '?wait=5s&client=fail');
    if (over(charge)) return { result: over(charge), charge };
    return { result: seen.result === 'cancel' ? 'cancelled' : 'failed', charge, message: seen.message };
  }
  for (let lost = 0; !stopped();) {
    try {
      const charge = await ask(id, '?wait=25s&client=success');
      if (over(charge)) return { result: over(charge), charge };
      lost = 0;
      await pause(1000);
    } catch (err) {
      // The user has paid: a lost connection, or a server that restarts, is no reason to give up soon.
      if (!(err.pause || err.status >= 500) || ++lost > 20) throw err;
      await pause(MAX_PAUSE);
    }
  }
  return { result: 'left' };
}

// over is how it has ended; empty while it has not.
function over(charge) {
  if (charge.status !== 'created') return charge.status;
  return charge.order_paid ? 'paid' : '';
}

async function ask(id, query) {
  const answer = await authorized((headers) => call('GET', `/charges/${id}${query}`, { headers }));
  return JSON.parse(answer.text);
}

// authorized makes a call with the session or, where the server takes it and there is no session yet, with the saved code.
// When the server knows neither, it logs in afresh, once.
async function authorized(send, codeWillDo) {
  const attempt = async () => {
    if (codeWillDo && !alive(session) && alive(code)) return send({}, { code: code.value });
    return send({ 'X-Pay-Session': await login() }, {});
  };
  try {
    return await attempt();
  } catch (err) {
    if (err.status !== 401) throw err;
    session = code = null;
    wx.removeStorageSync(STORED);
    return attempt();
  }
}

// call repeats what the network lost and what the server asks to repeat. That is safe: no call here does anything twice.
async function call(method, path, options) {
  for (let tries = 1; ; tries++) {
    try {
      return await request(method, path, options || {});
    } catch (err) {
      if (!err.pause || tries >= MAX_TRIES) throw err;
      await pause(err.pause);
    }
  }
}

function request(method, path, { headers, data }) {
  return new Promise((resolve, reject) => {
    wx.request({
      url: BASE + path,
      method,
      header: Object.assign({ 'content-type': 'application/json' }, headers),
      data: data && JSON.stringify(data),
      dataType: 'text', // or wx.request would parse the charge
      timeout: 40000, // ms; the longest wait is 25 s
      success: (res) => {
        if (res.statusCode >= 200 && res.statusCode < 300) resolve({ text: res.data, status: res.statusCode });
        else reject(problem(res));
      },
      fail: (res) => reject(failure('network', res.errMsg, 1000)),
    });
  });
}

// problem reads an error of the server: application/problem+json with a code for programs and a detail for people.
function problem(res) {
  let body = {};
  try {
    body = JSON.parse(res.data) || body;
  } catch (err) {
    // Not the server itself has answered, but something on the way to it.
  }
  const after = Object.keys(res.header || {}).find((name) => name.toLowerCase() === 'retry-after');
  const seconds = after && Number(res.header[after]);
  const repeat = seconds > 0 && (res.statusCode === 503 || res.statusCode === 429 || body.code === 'charge_in_progress');
  const err = failure(body.code || 'unknown', body.detail || `HTTP ${res.statusCode}`, repeat ? Math.min(seconds * 1000, MAX_PAUSE) : 0);
  err.status = res.statusCode;
  err.chargeId = body.charge_id;
  return err;
}

// failure is an error; with a pause (ms), the call may be repeated after it.
function failure(name, message, after) {
  const err = new Error(message);
  err.code = name;
  err.pause = after || 0;
  return err;
}

function alive(thing) {
  return thing !== null && Date.now() < thing.expires;
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

module.exports = { login, payOrder };
