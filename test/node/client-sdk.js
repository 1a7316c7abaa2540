'use strict';

// Ping++'s official client SDK, its channels for mini programs, with a simulated wx. Environment:
//   CHARGE   a file with what /pay/charges answered, byte for byte
//   MODE     test: the SDK asks Ping++'s notify address, which is answered by SANDBOX
//            live: the SDK opens the pay sheet, wx.requestPayment, whose user pays
//   SANDBOX  the sandbox's base URL (MODE=test); https needs NODE_EXTRA_CA_CERTS
//   PINGPP   a built pingpp.js to use; default: the sources of the package pingpp-js
// One JSON line per check on stdout: {"check","ok","detail"}. The exit code is 1 when any check failed.

const fs = require('fs');
const path = require('path');

const { CHARGE, MODE, SANDBOX, PINGPP } = process.env;
if (!CHARGE || !['test', 'live'].includes(MODE) || (MODE === 'test' && !SANDBOX)) {
  console.error('set CHARGE, MODE=test or MODE=live, and SANDBOX for MODE=test');
  process.exit(2);
}

const fields = ['appId', 'timeStamp', 'nonceStr', 'package', 'signType', 'paySign'];
const signatures = { MD5: /^[0-9A-F]{32}$/, 'HMAC-SHA256': /^[0-9A-F]{64}$/, RSA: /^[0-9A-Za-z+/]{300,}={0,2}$/ };

let used; // which of wx's calls the SDK made
let broken; // what was wrong with it

global.wx = {
  request({ url, method = 'GET', success, fail, complete }) {
    used = `wx.request ${method} ${url}`;
    const asked = new URL(url);
    if (MODE !== 'test') broken = 'a live charge asks the notify address';
    if (asked.origin !== 'https://notify.pingxx.com') broken = `wx.request to ${asked.origin}`;
    fetch(new URL(asked.pathname + asked.search, SANDBOX), { method }).then(async (resp) => {
      let data = await resp.text();
      try {
        data = JSON.parse(data); // as wx.request does by default, where it can
      } catch {
        // Then it is text.
      }
      return { data, statusCode: resp.status, header: Object.fromEntries(resp.headers), errMsg: 'request:ok' };
    }).then((res) => {
      if (success) success(res);
      if (complete) complete(res);
    }, (err) => {
      broken = `no answer from the sandbox: ${err.cause || err}`;
      if (fail) fail({ errMsg: 'request:fail' });
      if (complete) complete({ errMsg: 'request:fail' });
    });
  },

  requestPayment(sheet) {
    used = 'wx.requestPayment';
    if (MODE !== 'live') broken = 'a test charge opens the pay sheet';
    for (const name of fields.slice(1)) { // the SDK keeps appId to itself
      if (typeof sheet[name] !== 'string' || sheet[name] === '') broken = `${name} is not a string`;
    }
    if (!/^\d{10}$/.test(sheet.timeStamp)) broken = `timeStamp is ${sheet.timeStamp}`;
    if (!/^prepay_id=.+/.test(sheet.package)) broken = `package is ${sheet.package}`;
    if (sheet.nonceStr.length > 32) broken = `nonceStr has ${sheet.nonceStr.length} characters`;
    const form = signatures[sheet.signType];
    if (!form) broken = `signType is ${sheet.signType}`;
    else if (!form.test(sheet.paySign)) broken = `paySign is no ${sheet.signType}`;
    setImmediate(() => {
      const res = broken ? { errMsg: `requestPayment:fail ${broken}` } : { errMsg: 'requestPayment:ok' };
      const done = broken ? sheet.fail : sheet.success;
      if (done) done(res);
      if (sheet.complete) sheet.complete(res);
    });
  },
};

const pingpp = require(PINGPP ? path.resolve(PINGPP) : 'pingpp-js');

function pay(charge) {
  used = broken = undefined;
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`the callback was not called within 20 s; used ${used}`)), 20000).unref();
    pingpp.createPayment(charge, (result, err) => {
      if (broken) reject(new Error(broken));
      else if (result !== 'success') reject(new Error(`${result}: ${JSON.stringify(err)}; used ${used}`));
      else resolve(used);
    });
  });
}

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
}

async function main() {
  const text = fs.readFileSync(CHARGE, 'utf8');
  await check('charge', () => {
    const charge = JSON.parse(text);
    if (charge.livemode !== (MODE === 'live')) throw new Error(`livemode is ${charge.livemode}`);
    const credential = charge.credential[charge.channel];
    for (const name of fields) {
      if (typeof credential[name] !== 'string') throw new Error(`credential.${charge.channel}.${name} is ${typeof credential[name]}`);
    }
    return charge.id;
  });
  await check(`${MODE}, as text`, () => pay(text));
  await check(`${MODE}, freshly parsed`, () => pay(JSON.parse(text)));
}

main().then(() => process.exit(failed ? 1 : 0), (err) => {
  console.error(err);
  process.exit(1);
});
