'use strict';

// A simulated WeChat: it loads the mini program's files as the base library does, each in a function that gets require, wx,
// App and Page, and answers wx.login, wx.request (over real HTTP), wx.requestPayment and storage.

const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

const root = path.dirname(__dirname);

class Phone {
  // hosts: where the hosts that the mini program names really are. user: what happens in the pay sheet, an errMsg tail:
  // 'ok', 'fail cancel', 'fail …'. sdk: a built pingpp.js; without it a stand-in that knows the wx_lite channel.
  constructor({ hosts, user = 'ok', storage = new Map(), codes, sdk }) {
    Object.assign(this, { hosts, user, storage, sdk });
    this.nextCode = codes || (() => `code+/${this.logins}`);
    this.logins = 0; // calls of wx.login
    this.sheets = []; // what wx.requestPayment was given
    this.handed = []; // what pingpp.createPayment was given
    this.pauses = []; // what setTimeout was given, in ms; the pauses themselves are skipped
    this.ahead = 0; // ms that this phone's clock is ahead
    this.modules = new Map();
    this.wx = {
      login: (o) => this.login(o),
      request: (o) => this.request(o),
      requestPayment: (o) => this.requestPayment(o),
      getStorageSync: (key) => (this.storage.has(key) ? JSON.parse(this.storage.get(key)) : ''),
      setStorageSync: (key, value) => this.storage.set(key, JSON.stringify(value)),
      removeStorageSync: (key) => this.storage.delete(key),
    };
  }

  launch() {
    let app;
    this.load(path.join(root, 'app.js'), { App: (o) => { app = o; } });
    app.onLaunch();
    return this;
  }

  // open shows a page, as wx.navigateTo would.
  open(name, query) {
    let page;
    this.load(path.join(root, `${name}.js`), { Page: (o) => { page = o; } });
    page.data = structuredClone(page.data);
    page.shown = [];
    page.setData = (change) => {
      Object.assign(page.data, change);
      page.shown.push(change);
    };
    page.onLoad(query);
    return page;
  }

  require(name) {
    return this.load(path.join(root, name));
  }

  load(file, globals = {}) {
    if (path.basename(file) === 'pingpp.js' && !this.modules.has(file)) this.modules.set(file, { exports: this.pingpp() });
    if (!this.modules.has(file)) {
      const module = { exports: {} };
      this.modules.set(file, module);
      const scope = {
        module,
        exports: module.exports,
        require: (name) => this.load(path.resolve(path.dirname(file), name)),
        wx: this.wx,
        setTimeout: (f, ms) => {
          this.pauses.push(ms);
          setImmediate(f);
        },
        Date: { now: () => Date.now() + this.ahead },
        ...globals,
      };
      const run = vm.compileFunction(fs.readFileSync(file, 'utf8'), Object.keys(scope), { filename: file });
      run(...Object.values(scope));
    }
    return this.modules.get(file).exports;
  }

  pingpp() {
    const real = this.sdk && this.realSDK();
    return {
      createPayment: (charge, callback) => {
        this.handed.push(charge);
        (real || this.standIn()).createPayment(charge, callback);
      },
    };
  }

  realSDK() {
    global.wx = this.wx;
    delete require.cache[require.resolve(this.sdk)];
    return require(this.sdk);
  }

  // standIn does what the SDK does with a wx_lite charge.
  standIn() {
    return {
      createPayment: (text, callback) => {
        const charge = JSON.parse(text);
        if (!charge.livemode) {
          this.wx.request({
            url: `https://notify.pingxx.com/notify/charges/${charge.id}?livemode=false`,
            success: (res) => (res.data === 'success' ? callback('success', { msg: '' }) : callback('fail', { msg: 'testmode_notify_fail' })),
            fail: () => callback('fail', { msg: 'network_err' }),
          });
          return;
        }
        this.wx.requestPayment(Object.assign({}, charge.credential.wx_lite, {
          complete: ({ errMsg }) => {
            if (errMsg === 'requestPayment:ok') callback('success', { msg: '' });
            else if (errMsg === 'requestPayment:fail cancel') callback('cancel', { msg: '用户取消支付' });
            else callback('fail', { msg: errMsg });
          },
        }));
      },
    };
  }

  login({ success, fail }) {
    this.logins++;
    const value = this.nextCode();
    setImmediate(() => (value ? success({ code: value, errMsg: 'login:ok' }) : fail({ errMsg: 'login:fail timeout' })));
  }

  request({ url, method = 'GET', header = {}, data, dataType = 'json', timeout = 60000, success, fail }) {
    const asked = new URL(url);
    const host = this.hosts[asked.origin];
    if (!host) {
      setImmediate(() => fail({ errMsg: 'request:fail url not in domain list' }));
      return;
    }
    const run = async () => {
      const resp = await fetch(host + asked.pathname + asked.search, {
        method, headers: header, body: data, redirect: 'manual', signal: AbortSignal.timeout(timeout),
      });
      const text = await resp.text();
      return { data: parsed(text, dataType), statusCode: resp.status, header: Object.fromEntries(resp.headers), errMsg: 'request:ok' };
    };
    run().then(success, () => fail({ errMsg: 'request:fail' }));
  }

  requestPayment(sheet) {
    this.sheets.push(sheet);
    setImmediate(() => sheet.complete({ errMsg: `requestPayment:${this.user}` }));
  }
}

// parsed is wx.request's own idea of a body: by default it tries JSON.
function parsed(text, dataType) {
  if (dataType !== 'json') return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

module.exports = { Phone };
