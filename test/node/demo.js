'use strict';

// Clicks through the demo's page. Environment: SITE, its address.

const { run, check, want, decode, shot, contrast } = require('./browser');

const { SITE } = process.env;
const steps = ['login', 'openid', 'order_quote', 'charge_created', 'user_paid', 'webhook_verified', 'event_stored', 'event_delivered', 'client_confirmed'];

async function allLit(page) {
  for (const step of steps) await page.waitForSelector(`#step-${step}.lit`);
}

run(async (device) => {
  for (const [width, locale, dark] of [[1280, 'en-US', false], [390, 'zh-CN', false], [1280, 'zh-CN', true]]) {
    const name = `${width}${dark ? '-dark' : ''}`;
    await check(`the phone buys at ${name}`, async () => {
      const page = await device({ width, locale, dark });
      const aborted = [];
      page.on('requestfailed', (request) => aborted.push(request.url()));
      await page.goto(SITE);
      await page.waitForSelector('#orders .pill');
      await shot(page, `demo-${name}`);
      await page.click('label:has([value="cup"])');
      await page.click('#buy');
      await page.waitForSelector('#phone[data-at="sheet"]');
      want(await page.textContent('#sum'), '45.00', 'the sum');
      await page.waitForSelector('#step-charge_created.lit');
      want(await page.locator('#step-user_paid.lit').count(), 0, 'the number of payments before one is made');
      want(await page.evaluate(() => document.activeElement.id), 'confirm', 'where the focus is');
      want(await page.isVisible('#now'), width < 500, 'whether the steps are told at the edge of the screen');
      if (width < 500) {
        want(await page.textContent('#now'), /4\/9/, 'what it says');
        const [now, confirm, height] = [await page.locator('#now').boundingBox(), await page.locator('#confirm').boundingBox(), page.viewportSize().height];
        want(now.y + now.height <= height && confirm.y + confirm.height <= now.y, true, `whether the button (${JSON.stringify(confirm)}) and the steps (${JSON.stringify(now)}) are both in sight`);
      }
      await page.waitForTimeout(300); // the sheet slides in; only the picture waits for it
      await shot(page, `demo-sheet-${name}`);
      await page.click('#confirm');
      await page.waitForSelector('#phone[data-at="done"]');
      await allLit(page);
      want(await page.textContent('#step-event_delivered .saw'), /\/internal\/pay\/events → success/, 'what was seen of the delivery');
      await page.waitForSelector('#orders tr:first-child .pill.paid');
      await shot(page, `demo-paid-${name}`);
      want((await contrast(page)).join('\n'), '', 'what cannot be read');
      want(await page.textContent('#log'), /¥45\.00/, 'what the shop was asked');
      want((await page.textContent('body')).includes(' fen'), false, 'whether an amount is in fen');
      want(aborted.join(' '), '', 'the aborted requests');
      want(await page.evaluate(() => document.documentElement.scrollWidth), width, 'the width of the page');
    });
  }

  await check('the phone may cancel and buy again', async () => {
    const page = await device();
    await page.goto(SITE);
    await page.click('#buy');
    await page.waitForSelector('#phone[data-at="sheet"]');
    await page.click('#cancel');
    await page.waitForSelector('#phone[data-at="shop"]');
    want(await page.textContent('#said'), /nothing was paid/, 'what the phone says');
    await page.click('#buy');
    await page.click('#confirm');
    await page.click('#again');
    await page.waitForSelector('#phone[data-at="shop"]');
  });

  await check('the pay sheet can be used by keys', async () => {
    const page = await device();
    await page.goto(SITE);
    const focus = () => page.evaluate(() => document.activeElement.id);
    await page.focus('#buy');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#phone[data-at="sheet"]');
    want(await focus(), 'confirm', 'where the focus is');
    for (const [key, id] of [['Tab', 'cancel'], ['Tab', 'confirm'], ['Shift+Tab', 'cancel']]) {
      await page.keyboard.press(key);
      want(await focus(), id, `where the focus is after ${key}`);
    }
    await page.keyboard.press('Escape');
    await page.waitForSelector('#phone[data-at="shop"]');
    want(await focus(), 'buy', 'where the focus is after Esc');
    want(await page.textContent('#said'), /nothing was paid/, 'what the phone says');
    want(await page.evaluate(() => document.getElementById('sheet').inert), true, 'whether the sheet is out of reach');
  });

  for (const [width, locale, kind, says] of [[1280, 'en-US', '302', /Attempt \d+: it answered 302/], [390, 'zh-CN', 'nothing', /次投递：后端没有响应/], [1280, 'en-US', '500', /it answered 500/]]) {
    await check(`a backend that answers ${kind} hears of the payment later`, async () => {
      const page = await device({ width, locale });
      await page.goto(SITE);
      await page.check(`[name="kind"][value="${kind}"]`);
      await page.click('#break');
      await page.waitForSelector('#outage[data-on]');
      await page.click('#buy');
      await page.click('#confirm');
      await page.waitForSelector('#phone[data-at="done"]'); // the payment is on record, whatever the backend does
      await page.waitForSelector('#step-event_delivered.wait');
      want(await page.textContent('#step-event_delivered .saw'), says, 'what is said of the delivery');
      want(await page.locator('#step-event_delivered.lit').count(), 0, 'whether it is delivered');
      want(await page.locator('#orders tr:first-child .pill.unpaid').count(), 1, 'whether the shop has the order as unpaid');
      await shot(page, `demo-broken-${kind}-${width}`);
      want((await contrast(page)).join('\n'), '', 'what cannot be read');
      await page.click('#break'); // mends
      await page.waitForSelector('#step-event_delivered.lit:not(.wait)', { timeout: 60000 });
      want(await page.textContent('#step-event_delivered .saw'), /success · X-Pay-Attempt: /, 'what was seen of the delivery');
      await page.waitForSelector('#orders tr:first-child .pill.paid');
      await shot(page, `demo-mended-${kind}-${width}`);
      await page.context().close();
    });
  }

  await check('WeChat keeps a live payment until its shipping is reported and receipt confirmed', async () => {
    const page = await device();
    await page.goto(SITE);
    await page.waitForSelector('#money_released.lit'); // the payment that the demo made itself
    const before = await page.textContent('#money_frozen .saw');
    want(await page.isDisabled('#receive'), true, 'whether there is nothing to confirm');
    await page.click('label:has([value="cup"])');
    await page.click('#live');
    await page.waitForSelector('#money_released:not(.lit)');
    await page.waitForSelector('#shipping_reported.lit');
    want(await page.textContent('#shipping_reported .saw'), /^pickup · Cup/, 'what was reported');
    want(await page.textContent('#money_frozen .saw'), /¥45\.00/, 'what is kept');
    want(await page.textContent('#money_frozen .saw') === before, false, 'whether it is the payment of before');
    await shot(page, 'demo-kept-1280');
    want((await contrast(page)).join('\n'), '', 'what cannot be read');
    await page.click('#receive');
    await page.waitForSelector('#money_released.lit');
    want(await page.isDisabled('#receive'), true, 'whether there is nothing left to confirm');
  });

  await check('without JavaScript the page says so', async () => {
    const page = await device({ width: 390, locale: 'zh-CN', script: false });
    await page.goto(SITE);
    want(await page.isVisible('.noscript'), true, 'whether it says so');
    await shot(page, 'demo-noscript-390');
  });

  await check('a desktop pays on the checkout page and comes back', async () => {
    const desk = await device();
    await desk.goto(SITE);
    await desk.click('#desktop');
    await desk.waitForSelector('#checkout[data-state="waiting"]');
    want(await desk.textContent('#amount'), '19.99', 'the amount');
    const link = decode(await desk.locator('#qr').screenshot());
    want(link.startsWith(`${SITE}mock.php?`), true, `whether the code ${link} leads to this machine`);
    want(await desk.getAttribute('#mock', 'href'), link, 'the link to the mock page');
    const phone = await device({ width: 390, agent: 'phone' });
    await phone.goto(link);
    await phone.click('button.pay');
    await phone.waitForSelector('text=Paid');
    await desk.waitForURL(`${SITE}?order_no=*`);
    await allLit(desk);
    await shot(desk, 'demo-from-checkout-1280');
  });
});
