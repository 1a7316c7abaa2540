'use strict';

// Walks the operator's console. Environment: SITE, its base URL with a prefix; LOCKED, that of a read-only one; ORDER and EVENT, of a payment whose
// delivery died; HELD, an event that is held; SHIPPED, an order whose shipping WeChat refused.

const axe = require('axe-core');
const { run, check, want, shot, contrast } = require('./browser');

const { SITE, LOCKED, ORDER, EVENT, HELD, SHIPPED } = process.env;

const pages = {
  front: '', orders: 'orders', events: 'events', dead: 'events?state=dead&type=charge.succeeded', charges: 'charges?status=paid', refunds: 'refunds', audit: 'audit', runs: 'runs',
  order: `find?q=${ORDER}`, shipping: 'shipping', due: 'shipping?state=waiting,failed&until=36h', shipped: `find?q=${SHIPPED}`, event: `event?id=${EVENT}`, held: `event?id=${HELD}`, health: 'health', act: 'act?action=replay&state=dead', again: 'act?action=replay&state=delivered&again=1',
};

// problems are what axe finds that keeps somebody out.
async function problems(page) {
  await page.addScriptTag({ content: axe.source });
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(', ')}`);
  });
  return found.join('; ');
}

const wide = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

run(async (device) => {
  for (const locale of ['en-US', 'zh-CN']) {
    for (const dark of [false, true]) {
      for (const width of [390, 1280]) {
        for (const script of [true, false]) {
          const name = `${locale.slice(0, 2)}-${dark ? 'dark' : 'light'}-${width}-${script ? 'js' : 'plain'}`;
          await check(`every page: ${name}`, async () => {
            const page = await device({ width, locale, dark, script });
            for (const [title, address] of Object.entries(pages)) {
              const answer = await page.goto(SITE + address);
              want(answer.status(), 200, `${title}'s status`);
              want(await page.getAttribute('html', 'lang'), locale === 'zh-CN' ? 'zh-CN' : 'en', `${title}'s language`);
              want(await wide(page), 0, `${title} is wider than the screen; the difference`);
              if (script) {
                want((await contrast(page)).join('; '), '', `${title}'s contrast`);
              }
              await shot(page, `console-${title}-${name}`);
            }
            await page.context().close();
          });
        }
      }
    }
  }

  await check('axe finds nothing serious', async () => {
    for (const dark of [false, true]) {
      for (const width of [390, 1280]) {
        const page = await device({ width, dark, quiet: true, bypass: true });
        for (const [title, address] of Object.entries(pages)) {
          await page.goto(SITE + address);
          want(await problems(page), '', `${title} at ${width}`);
        }
        await page.context().close();
      }
    }
  });

  await check('a page follows what happens, and rests by choice', async () => {
    const page = await device();
    await page.clock.install();
    await page.goto(SITE);
    const asked = () => page.waitForRequest((request) => request.resourceType() === 'fetch');
    const refreshed = asked();
    await page.clock.runFor(6000);
    await (await refreshed).response();
    await page.click('#live button');
    want(await page.textContent('#live button'), 'Resume updates', 'the button');
    let requests = 0;
    page.on('request', () => { requests++; });
    await page.clock.runFor(600000);
    want(requests, 0, 'requests while it rests');
    const again = asked();
    await page.click('#live button');
    await again;
    await page.context().close();
  });

  await check('the keyboard reaches the search first, and finds', async () => {
    const page = await device();
    await page.goto(SITE);
    await page.keyboard.press('Tab');
    want(await page.evaluate(() => document.activeElement.className), 'skip', 'the first stop');
    await page.focus('#q');
    await page.keyboard.type(ORDER);
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/order\?/);
    await page.context().close();
  });

  await check('nothing can be done in a read-only console', async () => {
    const page = await device();
    for (const address of Object.values(pages)) {
      await page.goto(LOCKED + address);
      want(await page.locator('form[method=post]').count(), 0, `the forms of ${address}`);
    }
    await page.context().close();
  });

  await check('decides without a script', async () => {
    const page = await device({ script: false, width: 390 });
    await page.goto(`${SITE}event?id=${HELD}`);
    await page.fill('form:has([value=release]) [name=reason]', 'paid the rest in cash');
    await page.click('form:has([value=release]) button');
    want(await page.textContent('.notice'), 'It is delivered.', 'the notice');
    await page.goto(`${SITE}events?state=dead`);
    await page.click('a[href^="act?action=replay"]');
    await page.click('form[action=begin] button');
    await page.waitForURL(/\/run\?id=run_/);
    await shot(page, 'console-run');
    await page.goto(`${SITE}health`);
    await page.click('form[action=check] button');
    want(await page.textContent('.notice'), 'Everything was looked at.', 'the notice');
    await page.goto(SITE);
    await page.click('nav a[href="health"]');
    await page.click('.r-fail summary');
    want(await page.isVisible('.r-fail .says'), true, 'what a finding looks at');
    await page.context().close();
  });
});
