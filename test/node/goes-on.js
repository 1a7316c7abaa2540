'use strict';

// A list whose first pages have nothing, since what its filter chooses is far below. Environment: SITE, the console's base URL.

const { run, check, want } = require('./browser');

const { SITE } = process.env;

run(async (device) => {
  await check('it goes on by itself', async () => {
    const page = await device({ width: 1280 });
    await page.goto(SITE + 'orders');
    await page.goto(SITE + 'events?state=delivered');
    await page.waitForSelector('#r-list tbody tr');
    want(new URL(page.url()).searchParams.get('cursor'), 'xxx', 'the cursor');
    await page.goBack();
    want(new URL(page.url()).pathname.endsWith('/orders'), true, 'Back leads out of the list');
    await page.context().close();
  });

  await check('without JavaScript there is a link', async () => {
    const page = await device({ width: 1280, script: false });
    await page.goto(SITE + 'events');
    await page.click('a[rel=next]');
    want(new URL(page.url()).searchParams.get('cursor'), 'x', 'the cursor');
    await page.context().close();
  });
});
