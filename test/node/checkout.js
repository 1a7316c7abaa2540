'use strict';

// Pays on the hosted checkout page. Environment: SITE and SANDBOX, base URLs; the orders' numbers say what the backend answers: see
// checkout_test.go.

const library = require('pingpp-js/src/utils');
const gateways = { alipay_wap: require('pingpp-js/src/channels/alipay_wap') };
const { run, check, want, decode, shot, contrast } = require('./browser');

const { SITE, SANDBOX } = process.env;
const address = (order) => `${SITE}/pay/checkout?order_no=${order}`;
const state = (page, name) => page.waitForSelector(`#checkout[data-state="${name}"]`);
const read = async (page) => decode(await page.locator('#qr').screenshot());

// live answers for a charge of live mode, which the sandbox's own page cannot pay. It returns what the page reports of it.
async function live(page, channel, credential) {
  const charge = {
    id: 'ch_live', object: 'charge', livemode: true, paid: false, channel, amount: 123456, subject: 'Tea', time_expire: Math.floor(Date.now() / 1000) + 7200,
    credential: { object: 'credential', [channel]: credential },
  };
  const reports = [];
  await page.route('**/pay/charges', (route) => route.fulfill({ status: 201, json: charge }));
  await page.route('**/pay/charges/ch_live?*', async (route) => {
    const report = new URL(route.request().url()).searchParams.get('client');
    if (report) reports.push(report);
    else await new Promise((later) => setTimeout(later, 1000));
    await route.fulfill({ status: 200, json: { id: 'ch_live', status: 'created', paid: false } }).catch(() => {});
  });
  return reports;
}

// opened is the address to which Ping++'s own library sends a payer.
function opened(channel, credential) {
  let address;
  Object.assign(library, { inWeixin: () => false, redirectTo: (url) => { address = url; } });
  gateways[channel].handleCharge({ channel, credential: { [channel]: JSON.parse(JSON.stringify(credential)) } });
  return address;
}

const encodedURLs = { notify_url: 'https%3A%2F%2Fnotify.pingxx.com%2Fnotify%2Fcharges%2Fch_live', return_url: 'https%3A%2F%2Fshop.example%2Fdone%3Fa%3D1' };
const alipayCredentials = {
  'its older gateway': {
    service: 'alipay.wap.create.direct.pay.by.user', _input_charset: 'utf-8', partner: '2088', out_trade_no: 'A1', total_fee: '0.01', subject: '绿茶 & tea', ...encodedURLs,
    sign: 'a+b/c==', sign_type: 'RSA', channel_url: 'https://mapi.alipay.com/gateway.do',
  },
  'its older gateway, by no name': { service: 'alipay.wap.create.direct.pay.by.user', partner: '2088', ...encodedURLs, sign: 'a+b/c==' },
  'its oldest gateway': { req_data: '<auth_and_execute_req><request_token>1</request_token></auth_and_execute_req>', sec_id: '0001', sign: 'a+b/c==' },
  'its present gateway': {
    app_id: '2008', method: 'alipay.trade.wap.pay', charset: 'UTF-8', biz_content: '{"subject":"绿茶","total_amount":"0.01"}', notify_url: 'https://notify.pingxx.com/notify/charges/ch_live',
    return_url: 'https://shop.example/done?a=1', sign: 'a+b/c==', channel_url: 'https://openapi.alipay.com/gateway.do',
  },
};

run(async (device) => {
  for (const [name, credential] of Object.entries(alipayCredentials)) {
    await check(`Alipay is opened as Ping++'s own library opens it: ${name}`, async () => {
      const phone = await device({ width: 390, agent: 'phone', locale: 'zh-CN' });
      await live(phone, 'alipay_wap', credential);
      await phone.route(/^https:\/\/[a-z]+\.alipay\.com\//, (route) => route.fulfill({ status: 204 }));
      await phone.goto(address('N20021'));
      await state(phone, 'choose');
      const [request] = await Promise.all([phone.waitForRequest(/alipay\.com/), phone.click('[data-channel="alipay_wap"]')]);
      want(request.url(), opened('alipay_wap', credential), 'the address');
      if (credential.return_url && credential.return_url.includes('%')) want(request.url(), /[&?]return_url=https%253A%252F%252Fshop\.example%252Fdone%253Fa%253D1&/, 'return_url');
      await phone.context().close();
    });
  }

  await check("what WeChat's sheet says is reported", async () => {
    const page = await device({ width: 390, agent: 'wechat', locale: 'zh-CN' });
    await page.addInitScript(() => { // WeChat calls back with what it has to say
      window.says = 'get_brand_wcpay_request:cancel';
      window.WeixinJSBridge = { invoke: (method, params, done) => setTimeout(() => done({ err_msg: window.says }), 0) };
    });
    const reports = await live(page, 'wx_pub', { appId: 'wx1', timeStamp: '1', nonceStr: 'n', package: 'prepay_id=1', signType: 'MD5', paySign: 'p' });
    await page.goto(address('N20022')); // opens the sheet by itself
    await state(page, 'waiting');
    const says = ['get_brand_wcpay_request:fail', 'system:access_denied', 'get_brand_wcpay_request:fail_no permission', undefined, 'get_brand_wcpay_request:ok'];
    for (let n = 0; ; n++) {
      for (const begin = Date.now(); reports.length <= n && Date.now() - begin < 60000;) await page.waitForTimeout(20);
      if (n === says.length) break;
      await page.evaluate((word) => { window.says = word; }, says[n]);
      await page.click('#pay-wechat');
    }
    want(reports.join(' '), 'cancel fail fail fail fail success', 'the reports');
    await page.context().close();
  });

  await check('a desktop pays by QR code', async () => {
    const desk = await device();
    await desk.goto(address('N20001'));
    await state(desk, 'waiting');
    want(await desk.textContent('#amount'), '1,234.56', 'the amount');
    want(await desk.textContent('#subject'), '绿茶 Tea <&>', 'the subject');
    await shot(desk, 'checkout-waiting-1280');
    const link = await read(desk);
    want(link, /\/mock\.php\?ch_id=ch_[0-9]+&channel=wx_pub_qr$/, 'the code');
    const id = new URL(link).searchParams.get('ch_id');
    const png = await desk.request.get(`${SITE}/pay/charges/${id}/qr.png`);
    want(png.headers()['content-type'], 'image/png', 'the type of qr.png');
    want(png.headers()['cache-control'], 'no-store', 'the caching of qr.png');
    want(decode(await png.body()), link, 'the code in qr.png');

    const phone = await device({ width: 390, agent: 'phone', locale: 'zh-CN' });
    await phone.goto(link);
    await shot(phone, 'mock-390');
    await phone.click('button.cancel');
    await phone.waitForSelector('text=已取消');
    want((await desk.getAttribute('#checkout', 'data-state')), 'waiting', 'the page after a cancellation');
    await phone.goto(link);
    await phone.click('button.pay');
    await phone.waitForSelector('text=支付成功');
    await shot(phone, 'mock-paid-390');

    await state(desk, 'paid');
    await shot(desk, 'checkout-paid-1280');
    await desk.waitForURL(`${SITE}/orders?from=pay&order_no=N20001`);
    const gone = await desk.request.get(`${SITE}/pay/charges/${id}/qr.svg`);
    want(gone.status(), 409, 'the picture of a paid charge');
    want((await gone.json()).code, 'order_already_paid', 'its code');
    const stranger = await (await device()).request.get(`${SITE}/pay/charges/${id}/qr.svg`);
    want(stranger.status(), 401, 'the picture for a stranger');

    const again = await desk.evaluate((order) => fetch('/pay/charges', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ order_no: order, channel: 'alipay_qr' }),
    }).then((answer) => answer.json()), 'N20001');
    want(again.code, 'order_already_paid', 'another try to pay');
  });

  await check('another channel may be picked, and an old code paid', async () => {
    const desk = await device({ locale: 'zh-CN', dark: true });
    await desk.goto(address('N20002'));
    await state(desk, 'waiting');
    const first = await read(desk);
    await desk.click('[data-channel="alipay_qr"]');
    await desk.waitForSelector('[data-hint="alipay_qr"].now');
    await state(desk, 'waiting');
    want(await read(desk), /channel=alipay_qr$/, 'the code');
    await shot(desk, 'checkout-waiting-dark-1280');
    const phone = await device({ width: 390, agent: 'phone' });
    await phone.goto(first);
    await phone.click('button.pay');
    await state(desk, 'paid');
  });

  await check('a page learns that another browser has paid', async () => {
    const [desk, other] = [await device(), await device()];
    await desk.goto(address('N20014'));
    await state(desk, 'waiting');
    await other.goto(address('N20014'));
    await state(other, 'waiting');
    const phone = await device({ width: 390, agent: 'phone' });
    await phone.goto(await read(other));
    await phone.click('button.pay');
    await state(other, 'paid');
    await state(desk, 'other');
    want(await desk.isVisible('text=Another payment of this order succeeded'), true, 'what it says');
    await shot(desk, 'checkout-other-1280');
  });

  await check('an expired code is made anew', async () => {
    const desk = await device();
    await desk.clock.install();
    await desk.goto(address('N20003'));
    await state(desk, 'waiting');
    const link = await read(desk);
    await desk.clock.fastForward('03:00:00');
    await state(desk, 'expired');
    await shot(desk, 'checkout-expired-1280');
    await desk.click('#renew');
    await state(desk, 'waiting');
    want(await read(desk), link, 'the code of an order that may still be paid');
    const phone = await device({ width: 390, locale: 'zh-CN', dark: true });
    await phone.clock.install();
    await phone.goto(address('N20013'));
    await state(phone, 'waiting');
    await phone.clock.fastForward('03:00:00');
    await state(phone, 'expired');
    await shot(phone, 'checkout-expired-390');
  });

  for (const [channel, order] of [['wx_wap', 'N20004'], ['alipay_wap', 'N20009'], ['upacp_wap', 'N2001000']]) {
    await check(`a phone pays through ${channel} and comes back`, async () => {
      const phone = await device({ width: 390, agent: 'phone', locale: 'zh-CN' });
      await phone.goto(address(order));
      await state(phone, 'choose');
      await shot(phone, 'checkout-choose-390');
      await phone.click(`[data-channel="${channel}"]`);
      await phone.waitForURL(/\/mock\.php\?/);
      await phone.click('button.cancel'); // leads to the page again, which offers the channels
      await state(phone, 'choose');
      await phone.click(`[data-channel="${channel}"]`);
      await phone.waitForURL(/\/mock\.php\?/);
      await phone.click('button.pay');
      await phone.waitForURL(/\/orders\?from=pay&order_no=/);
    });
  }

  await check('a phone that goes back to the page may open the channel again', async () => {
    const phone = await device({ width: 390, agent: 'phone', locale: 'zh-CN' });
    await phone.route('**/mock.php?*', (route) => route.fulfill({ status: 204 })); // as if another app had opened
    await phone.goto(address('N20011'));
    await state(phone, 'choose');
    await phone.click('[data-channel="wx_wap"]');
    await state(phone, 'waiting');
    want(await phone.isVisible('#again'), true, 'whether the channel can be opened again');
    await shot(phone, 'checkout-opened-390');
  });

  await check('a page inside WeChat logs in and pays', async () => {
    const page = await device({ width: 390, agent: 'wechat', locale: 'zh-CN' });
    await page.goto(address('N20012'));
    await state(page, 'waiting');
    await shot(page, 'checkout-wechat-390');
    await page.click('#pay-wechat');
    await state(page, 'paid');
    await shot(page, 'checkout-paid-390');
    await page.waitForURL(/\/orders\?from=pay&order_no=N20012/);
  });

  await check('what cannot be paid says so', async () => {
    for (const [order, expected, status, code] of [['NONE0001', 'notfound', 404, ''], ['PAID0001', 'already', 200, ''], ['GONE0001', 'refused', 409, 'order_closed'], ['DOWN0001', 'refused', 502, 'backend_unavailable']]) {
      for (const width of [390, 1280]) {
        const page = await device({ width, locale: width === 390 ? 'zh-CN' : 'en-US' });
        const answer = await page.goto(address(order));
        want(answer.status(), status, `the status of ${order}`);
        await state(page, expected);
        if (code) want(await page.textContent('#code'), code, 'the code');
        await shot(page, `checkout-${order.slice(0, 4).toLowerCase()}-${width}`);
        await page.context().close();
      }
    }
    const page = await device();
    want((await page.goto(`${SITE}/pay/checkout`)).status(), 404, 'the page without an order');
    want((await page.goto(address('..%2Fadmin'))).status(), 404, 'the page of a strange order');
  });

  await check('a refusal of the channel says so', async () => {
    const desk = await device();
    const fault = await desk.request.post(`${SANDBOX}/sandbox/faults`, { data: { on: 'create_charge', fault: '402' } });
    want(fault.status(), 204, 'the lever');
    await desk.goto(address('N20008'));
    await state(desk, 'refused');
    want(await desk.textContent('#code'), 'charge_rejected', 'the code');
    want(await desk.isVisible('#retry'), false, 'whether the channel that refused is tried again');
    want(await desk.isDisabled('[data-channel="wx_pub_qr"]'), true, 'whether that channel is closed');
    await shot(desk, 'checkout-refused-1280');
    want((await contrast(desk)).join('\n'), '', 'what cannot be read');
    await desk.click('[data-channel="alipay_qr"]'); // the others are open
    await state(desk, 'waiting');
    want(await read(desk), /channel=alipay_qr$/, 'the code');
  });

  await check('a failure that may pass leaves all channels open, and the button to try again', async () => {
    const phone = await device({ width: 390, locale: 'zh-CN' });
    await phone.route('**/pay/charges', (route) => route.fulfill({ status: 503, json: { code: 'provider_unavailable', detail: '支付服务暂时不可用，请稍后重试。' } }));
    await phone.goto(address('N20031'));
    await state(phone, 'refused');
    want(await phone.isVisible('#retry'), true, 'whether there is a button to try again');
    want(await phone.locator('[data-channel]:visible:enabled').count(), 2, 'the open channels');
    await shot(phone, 'checkout-unavailable-390');
    await phone.unroute('**/pay/charges');
    await phone.click('#retry');
    await state(phone, 'waiting');
    want((await contrast(phone)).join('\n'), '', 'what cannot be read');
  });

  await check('without JavaScript nothing turns, and the page says why', async () => {
    const page = await device({ width: 390, locale: 'zh-CN', script: false });
    await page.goto(address('N20032'));
    want(await page.isVisible('.on-loading .spinner'), false, 'whether a spinner turns');
    want(await page.isVisible('.noscript'), true, 'whether it says why');
    want(await page.textContent('#amount'), '1,234.56', 'the amount');
    await shot(page, 'checkout-noscript-390');
    await page.goto(address('DOWN0002'));
    await page.click('#retry'); // a link
    want(await page.textContent('#code'), 'backend_unavailable', 'the code');
  });

  await check('the page has the name and the colour of the shop', async () => {
    const page = await device();
    await page.goto(address('N20033'));
    await state(page, 'waiting');
    want(await page.textContent('header .shop'), 'Tea house', 'the name');
    want(await page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue('--accent').trim()), '#0a7d4b', 'the colour');
  });

  await check('the policy lets nothing else run', async () => {
    const desk = await device({ quiet: true });
    const policy = (await desk.goto(address('N20005'))).headers()['content-security-policy'];
    want(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';/, 'the policy');
    await desk.evaluate(() => {
      const s = document.createElement('script');
      s.textContent = 'window.broken = true';
      document.body.append(s);
    }).catch(() => {});
    want(String(await desk.evaluate(() => window.broken)), 'undefined', 'an inline script');
    await desk.context().close();
  });

  for (const [width, name] of [[390, 'checkout-loading-390'], [1280, 'checkout-loading-1280']]) {
    await check(`loading at ${width}`, async () => {
      const page = await device({ width });
      await page.route('**/pay/charges', () => {});
      await page.goto(address('N20006'));
      await state(page, 'loading');
      await shot(page, name);
    });
  }
  await check('at 390 nothing is cut off', async () => {
    const page = await device({ width: 390, locale: 'zh-CN' });
    await page.goto(address('N20007'));
    await state(page, 'waiting');
    await shot(page, 'checkout-waiting-390');
    want(await page.evaluate(() => document.documentElement.scrollWidth), 390, 'the width of the page');
  });
});
