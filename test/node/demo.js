'use strict';

// Clicks through the demo's page. Environment: SITE, its address.

const { run, check, want, decode, shot } = require('./browser');

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
      await page.goto(SITE);
      await page.waitForSelector('#orders .pill');
      await shot(page, `demo-${name}`);
      await page.click('label:has([value="cup"])');
      await page.click('#buy');
      await page.waitForSelector('#phone[data-at="sheet"]');
      want(await page.textContent('#sum'), '45.00', 'the sum');
      await page.waitForSelector('#step-charge_created.lit');
      want(await page.locator('#step-user_paid.lit').count(), 0, 'the number of payments before one is made');
      await page.waitForTimeout(300); // the sheet slides in; only the picture waits for it
      await shot(page, `demo-sheet-${name}`);
      await page.click('#confirm');
      await page.waitForSelector('#phone[data-at="done"]');
      await allLit(page);
      want(await page.textContent('#step-event_delivered .saw'), /\/internal\/pay\/events → success/, 'what was seen of the delivery');
      await page.waitForSelector('#orders tr:first-child .pill.paid');
      await shot(page, `demo-paid-${name}`);
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
