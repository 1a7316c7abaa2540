'use strict';

// The mini program as WeChat runs it: built as the developer tools build it, with Caddy's package from npm pack's tarball, its pages rendered by
// miniprogram-simulate, and a simulated phone.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');

const root = path.dirname(__dirname);
const client = path.resolve(root, '../../client/miniprogram');
const from = createRequire(path.join(client, 'package.json')); // what builds the package is installed there

const { Phone } = require(path.join(client, 'test/phone.js'));

// build installs and packs the program in a folder of its own.
async function build() {
  const project = fs.mkdtempSync(path.join(os.tmpdir(), 'shop-'));
  fs.cpSync(root, project, { recursive: true, filter: (file) => !/(\.tgz|[/\\](test|node_modules|miniprogram_npm|package-lock\.json))$/.test(file) });
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', project], { cwd: client, ...quiet }); // dist is there: the package's own tests build it
  execFileSync('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], { cwd: project, ...quiet });
  const ci = from('miniprogram-ci');
  fs.writeFileSync(path.join(project, 'key'), 'none: building npm signs nothing');
  const warnings = await ci.packNpm(new ci.Project({
    appid: 'wx0123456789abcdef', type: 'miniProgram', projectPath: project, privateKeyPath: path.join(project, 'key'), ignores: ['node_modules/**/*'],
  }), { reporter: () => {} });
  if (warnings.length) throw new Error(JSON.stringify(warnings));
  // Node finds miniprogram_npm as the base library does.
  fs.rmSync(path.join(project, 'node_modules'), { recursive: true });
  fs.renameSync(path.join(project, 'miniprogram_npm'), path.join(project, 'node_modules'));
  browse(); // not before: WeChat's build takes this for a browser then
  return project;
}

let simulate;

function browse() {
  const { window } = new (from('jsdom').JSDOM)('<!doctype html><body></body>', { pretendToBeVisual: true });
  for (const name of ['window', 'document', 'Event', 'CustomEvent', 'Node', 'HTMLElement', 'Element', 'requestAnimationFrame']) global[name] = window[name] || window;
  simulate = from('miniprogram-simulate');
}

// Program is one launch on one phone.
class Program {
  constructor(project, { envVersion = 'release', ...options }) {
    this.project = project;
    this.phone = new Phone(options);
    this.envVersion = envVersion;
    this.toasts = [];
    this.went = []; // where navigateTo led
    this.pages = [];
  }

  launch() {
    const { platform } = this.phone;
    this.wx = global.wx = Object.assign(platform, {
      getAccountInfoSync: () => ({ miniProgram: { envVersion: this.envVersion } }),
      showToast: ({ title }) => this.toasts.push(title),
      navigateTo: ({ url }) => this.went.push(url),
      stopPullDownRefresh: () => {},
    });
    for (const file of Object.keys(require.cache)) if (file.startsWith(this.project)) delete require.cache[file];
    global.App = (app) => { this.app = app; };
    global.getApp = () => this.app;
    require(path.join(this.project, 'app.js'));
    this.app.onLaunch();
    return this;
  }

  // open renders a page and shows it; url as navigateTo gets it, without the first slash.
  async open(url) {
    const [name, query = ''] = url.split('?');
    const page = simulate.render(simulate.load(path.join(this.project, name), { rootPath: this.project }));
    const parent = document.createElement('div');
    page.attach(parent);
    this.pages.push(page);
    const text = (name) => [...parent.querySelectorAll(`.main--${name}`)].map((e) => e.textContent.trim());
    const shown = {
      page: page.instance,
      parent,
      text,
      all: () => parent.textContent.replace(/\s+/g, ' '),
      // tap taps what a person sees, by its class.
      tap: async (name, nth = 0) => {
        const found = page.querySelectorAll(`.${name}`)[nth];
        if (!found) throw new Error(`there is no ${name} in ${parent.innerHTML}`);
        found.dispatchEvent('tap');
        await new Promise(setImmediate);
      },
      // until waits for what the page shows.
      until: async (holds) => {
        for (const end = Date.now() + 60_000; !holds(); await new Promise((resolve) => setTimeout(resolve, 5))) {
          if (Date.now() > end) throw new Error(`never: ${holds} of ${parent.innerHTML}`);
        }
      },
    };
    const { onLoad, onShow } = page.instance;
    if (onLoad) onLoad.call(page.instance, Object.fromEntries(new URLSearchParams(query)));
    shown.over = onShow.call(page.instance);
    return shown;
  }

  // close ends the program.
  close() {
    for (const page of this.pages) {
      if (page.instance.onUnload) page.instance.onUnload();
      page.detach();
    }
  }
}

module.exports = { build, Program, client };
