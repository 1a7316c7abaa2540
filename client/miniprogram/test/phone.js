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
    this.timers = []; // {at, ms, f}; none is waited for
    this.pauses = []; // in ms, of the timers that ran
    this.busy = 0; // what happens before any time goes by: answers under way, a user who acts at once
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
        this.timers.push({ at: this.now() + ms, ms, f });
        this.pass();
      },
      Date: { now: () => this.now() },
    };
    vm.compileFunction(fs.readFileSync(file, 'utf8'), Object.keys(scope), { filename: file })(...Object.values(scope));
    return module.exports.create({ base: 'https://shop.example.com/pay', ...(this.shape !== 'wx' && { adapter: this.platform }), ...options });
  }

  now() {
    return Date.now() + this.ahead;
  }

  // pass lets time go by once nothing else happens: the timer that is due first runs, then the next.
  pass() {
    if (this.passing) return;
    this.passing = true;
    setImmediate(() => {
      this.passing = false;
      if (this.busy || !this.timers.length) return; // what is over passes on
      const first = this.timers.reduce((a, b) => (b.at < a.at ? b : a));
      this.timers.splice(this.timers.indexOf(first), 1);
      this.ahead += Math.max(0, first.at - this.now());
      this.pauses.push(first.ms);
      first.f();
      this.pass();
    });
  }

  // kill ends the program: nothing of it runs any more.
  kill() {
    this.pass = () => {};
  }

  // over ends what was busy.
  over() {
    this.busy--;
    this.pass();
  }

  // soon does something before any time goes by.
  soon(f) {
    this.busy++;
    setImmediate(() => {
      this.over();
      f();
    });
  }

  login({ success, fail }) {
    this.logins++;
    const code = this.nextCode();
    this.soon(() => (code ? success({ code, errMsg: 'login:ok' }) : fail({ errMsg: 'login:fail timeout' })));
  }

  request({ url, method, header, data, dataType, success, fail }) {
    const asked = new URL(url);
    const host = this.hosts[asked.origin];
    if (!host) {
      this.soon(() => fail({ errMsg: 'request:fail url not in domain list' }));
      return;
    }
    const run = async () => {
      const resp = await fetch(host + asked.pathname + asked.search, { method, headers: header, body: data, redirect: 'manual' });
      const text = await resp.text();
      return { data: dataType === 'text' ? text : JSON.parse(text), statusCode: resp.status, header: Object.fromEntries(resp.headers), errMsg: 'request:ok' };
    };
    this.busy++;
    run().then((res) => { this.over(); success(res); }, () => { this.over(); fail({ errMsg: 'request:fail' }); });
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
    else this.soon(() => close(this.user));
  }
}

module.exports = { Phone, PACKAGE };
