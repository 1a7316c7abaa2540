'use strict';

// A simulated platform: WeChat's own `wx`, or what uni-app and Taro make of it. It loads the package as a mini program does, and answers login,
// request (over real HTTP), requestPayment and storage.

const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

const PACKAGE = process.env.PACKAGE || path.dirname(__dirname); // the package as it is installed

class Phone {
  // shape: wx, uni or Taro. hosts: where the hosts that the program names really are. user: what happens in the pay sheet, the tail of an errMsg: 'ok',
  // 'fail cancel', 'fail …', or a function of the sheet that says so later. language: the phone's. kept: the storage of an earlier program.
  constructor({ shape = 'wx', hosts, user = 'ok', language = 'zh_CN', kept = new Map() }) {
    Object.assign(this, { shape, hosts, user, language, kept });
    this.logins = 0;
    this.ahead = 0; // of the clock, in ms
    this.pauses = []; // in ms; none is waited for
    this.sheets = []; // what requestPayment got
    this.open = 0; // sheets at a time
    this.mostOpen = 0;
    this.nextCode = () => `code+/${this.logins}`;
    this.platform = this.shaped({
      login: (o) => this.login(o),
      request: (o) => this.request(o),
      requestPayment: (o) => this.requestPayment(o),
    });
  }

  // shaped makes what the framework gives of calls that take { success, fail }.
  shaped(calls) {
    const platform = {
      getStorageSync: (key) => (this.kept.has(key) ? JSON.parse(this.kept.get(key)) : ''),
      setStorageSync: (key, value) => { this.kept.set(key, JSON.stringify(value)); },
      removeStorageSync: (key) => { this.kept.delete(key); },
      getAppBaseInfo: () => ({ language: this.language }),
    };
    for (const [name, call] of Object.entries(calls)) {
      platform[name] = this.shape !== 'Taro' ? (o) => { call(o); } : (o) => new Promise((resolve, reject) => {
        call({ ...o, success: (res) => { o.success(res); resolve(res); }, fail: (res) => { o.fail(res); reject(res); } });
      });
    }
    return platform;
  }

  // create loads the package anew, as a program that is launched does.
  create(options) {
    const file = path.join(PACKAGE, JSON.parse(fs.readFileSync(path.join(PACKAGE, 'package.json'), 'utf8')).main);
    const module = { exports: {} };
    const scope = {
      module,
      exports: module.exports,
      wx: this.shape === 'wx' ? this.platform : undefined,
      setTimeout: (f, ms) => {
        this.pauses.push(ms);
        this.ahead += ms;
        setImmediate(f);
      },
      Date: { now: () => Date.now() + this.ahead },
    };
    vm.compileFunction(fs.readFileSync(file, 'utf8'), Object.keys(scope), { filename: file })(...Object.values(scope));
    return module.exports.create({ base: 'https://shop.example.com/pay', ...(this.shape !== 'wx' && { adapter: this.platform }), ...options });
  }

  login({ success, fail }) {
    this.logins++;
    const code = this.nextCode();
    setImmediate(() => (code ? success({ code, errMsg: 'login:ok' }) : fail({ errMsg: 'login:fail timeout' })));
  }

  request({ url, method, header, data, dataType, success, fail }) {
    const asked = new URL(url);
    const host = this.hosts[asked.origin];
    if (!host) {
      setImmediate(() => fail({ errMsg: 'request:fail url not in domain list' }));
      return;
    }
    const run = async () => {
      const resp = await fetch(host + asked.pathname + asked.search, { method, headers: header, body: data, redirect: 'manual' });
      const text = await resp.text();
      return { data: dataType === 'text' ? text : JSON.parse(text), statusCode: resp.status, header: Object.fromEntries(resp.headers), errMsg: 'request:ok' };
    };
    run().then(success, () => fail({ errMsg: 'request:fail' }));
  }

  requestPayment({ success, fail, ...sheet }) {
    this.sheets.push(sheet);
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    const close = (user) => {
      this.open--;
      const res = { errMsg: `requestPayment:${user}` };
      if (user === 'ok') success(res);
      else fail(res);
    };
    if (typeof this.user === 'function') this.user(sheet, close);
    else setImmediate(() => close(this.user));
  }
}

module.exports = { Phone, PACKAGE };
