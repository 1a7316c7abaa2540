'use strict';

// Headless Chromium for the scripts beside this one, and what they have in common. Environment:
//   CHROMIUM  the browser; default /usr/bin/chromium
//   SHOTS     a folder for screenshots; none are made without it

const fs = require('fs');
const path = require('path');
const { chromium } = require('playwright-core');
const { PNG } = require('pngjs');
const jsQR = require('jsqr');

const { CHROMIUM = '/usr/bin/chromium', SHOTS } = process.env;

const agents = {
  phone: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
  wechat: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.50 NetType/WIFI Language/zh_CN',
};

const failed = [];

// check runs one check and writes its line.
async function check(name, run) {
  try {
    await run();
    console.log(JSON.stringify({ check: name, ok: true, detail: '' }));
  } catch (err) {
    failed.push(name);
    console.log(JSON.stringify({ check: name, ok: false, detail: String(err && err.stack || err) }));
  }
}

function want(got, expected, what) {
  const good = expected instanceof RegExp ? expected.test(got) : got === expected;
  if (!good) throw new Error(`${what} is ${JSON.stringify(got)}, want ${expected}`);
}

// decode reads a QR code from a PNG.
function decode(png) {
  const picture = PNG.sync.read(png);
  const code = jsQR(new Uint8ClampedArray(picture.data), picture.width, picture.height);
  if (!code) throw new Error('no QR code in the picture');
  return code.data;
}

async function shot(page, name) {
  if (!SHOTS) return;
  fs.mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });
}

// contrast returns the texts in sight that have less contrast than WCAG 2 asks for (AA): 4.5, and 3 for large ones.
function contrast(page) {
  return page.evaluate(() => {
    const numbers = (colour) => colour.match(/[0-9.]+/g).map(Number);
    const over = (top, ground) => { const a = top[3] === undefined ? 1 : top[3]; return [0, 1, 2].map((i) => top[i] * a + ground[i] * (1 - a)); };
    const light = (colour) => {
      const [r, g, b] = colour.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (e) => {
      const own = e ? numbers(getComputedStyle(e).backgroundColor) : [255, 255, 255];
      return own[3] === 0 ? ground(e.parentElement) : own[3] === undefined ? own : over(own, ground(e.parentElement));
    };
    const bad = [];
    for (const e of document.querySelectorAll('body *')) {
      const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent.trim()).join('');
      const style = getComputedStyle(e);
      if (!text || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || e.closest(':disabled, [aria-hidden="true"], noscript')) continue;
      const back = ground(e);
      const [a, b] = [light(over(numbers(style.color), back)), light(back)];
      const got = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const size = parseFloat(style.fontSize);
      const need = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
      if (got < need) bad.push(`${text.slice(0, 30)}: ${got.toFixed(2)}`);
    }
    return bad;
  });
}

// run gives a script its browser. device opens a page: {width, agent, locale, dark, quiet, script, bypass}; bypass lets scripts of a test in past the page's policy. A page that breaks its own policy or
// throws fails the script, unless it is quiet.
async function run(script) {
  const browser = await chromium.launch({
    executablePath: CHROMIUM, headless: true, chromiumSandbox: false,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const complaints = [];
  async function device({ width = 1280, agent, locale = 'en-US', dark = false, quiet = false, script = true, bypass = false } = {}) {
    const context = await browser.newContext({
      ignoreHTTPSErrors: true, bypassCSP: bypass, javaScriptEnabled: script, locale, colorScheme: dark ? 'dark' : 'light', userAgent: agents[agent],
      viewport: { width, height: width < 500 ? 844 : 800 }, deviceScaleFactor: width < 500 ? 2 : 1,
    });
    context.setDefaultTimeout(30000);
    const page = await context.newPage();
    if (quiet) return page;
    page.on('pageerror', (err) => complaints.push(`${page.url()}: ${err.message}`));
    page.on('console', (line) => {
      if (line.type() === 'error' && !/Failed to load resource/.test(line.text())) complaints.push(`${page.url()}: ${line.text()}`);
    });
    return page;
  }
  try {
    await script(device);
    await check('no page complains', () => want(complaints.join('\n'), '', 'the console'));
  } finally {
    await browser.close();
  }
  process.exit(failed.length ? 1 : 0);
}

module.exports = { run, check, want, decode, shot, contrast };
