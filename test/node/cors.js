'use strict';

// Pays on a page of another origin. Environment: SITE, the shop; LISTED and UNLISTED, the origins of the same page; CODE, a login code; and
// SANDBOX.

const { run, check, want, decode } = require('./browser');

const { SITE, LISTED, UNLISTED, CODE, SANDBOX } = process.env;

// call is a fetch by the page. What the page may not read is {blocked}.
const call = (page, path, options = {}) => page.evaluate(async ([url, { method, body, headers, credentials }]) => {
  try {
    const answer = await fetch(url, {
      method, credentials, body: body && JSON.stringify(body), headers: { ...(body && { 'Content-Type': 'application/json' }), ...headers },
    });
    return { status: answer.status, session: answer.headers.get('X-Pay-Session'), orderNo: answer.headers.get('X-Pay-Order-No'), body: await answer.json() };
  } catch (err) {
    return { blocked: String(err) };
  }
}, [SITE + path, options]);

const post = (page, order, options) => call(page, '/pay/charges', { method: 'POST', body: { order_no: order, channel: 'wx_pub_qr' }, ...options });

run(async (device) => {
  const page = await device({ quiet: true }); // the browser complains of what it blocks
  const cookies = async () => JSON.stringify((await page.context().cookies()).map((c) => c.name + '=' + c.value));
  let session;

  await check('a page of a listed origin logs in', async () => {
    await page.goto(LISTED);
    const login = await call(page, '/pay/openid', { method: 'POST', body: { code: CODE } });
    want(login.status, 200, 'the login: ' + JSON.stringify(login));
    want(login.body.openid, 'o-of-a-page', 'the openid');
    session = { 'X-Pay-Session': login.body.session };
  });

  await check('it shows the code of a charge and waits until it is paid', async () => {
    const charge = await post(page, 'C10001', { headers: { ...session, 'Accept-Language': 'en' } });
    want(charge.status, 201, 'the charge: ' + JSON.stringify(charge));
    want(charge.orderNo, 'C10001', 'X-Pay-Order-No');
    const path = `/pay/charges/${charge.body.id}`;
    await page.evaluate(async ([url, headers]) => {
      const picture = await (await fetch(url, { headers })).blob();
      document.getElementById('qr').src = URL.createObjectURL(picture);
      await document.getElementById('qr').decode();
    }, [`${SITE}${path}/qr.png`, session]);
    want(decode(await page.locator('#qr').screenshot()), new RegExp(`ch_id=${charge.body.id}&`), 'the code on the page');

    const waiting = call(page, `${path}?wait=60s`, { headers: session });
    want((await fetch(`${SANDBOX}/sandbox/charges/${charge.body.id}/pay`, { method: 'POST' })).status, 200, 'paying');
    const paid = await waiting;
    want(paid.status, 200, 'the wait: ' + JSON.stringify(paid));
    want(paid.body.status, 'paid', 'the charge');
    const gone = await post(page, 'C10001', { headers: session });
    want(gone.body && gone.body.code, 'order_already_paid', 'what the page reads of an error');
  });

  await check('it pays without a login, and keeps its session itself', async () => {
    const charge = await post(page, 'C10002');
    want(charge.status, 201, 'the charge: ' + JSON.stringify(charge));
    const own = await call(page, `/pay/charges/${charge.body.id}`, { headers: { 'X-Pay-Session': charge.session } });
    want(own.status, 200, 'its own charge');
    want(await cookies(), '[]', 'the cookies');
  });

  await check("the cookie of the shop's own pages is no use to it", async () => {
    await page.goto(SITE);
    const charge = await post(page, 'C10003');
    want(charge.status, 201, "the shop's own page: " + JSON.stringify(charge));
    const before = await cookies();
    want(before, /__Host-pay_session=/, 'the cookies');
    await page.goto(LISTED);
    const path = `/pay/charges/${charge.body.id}`;
    want((await call(page, path)).body.code, 'session_missing', 'without credentials');
    want((await call(page, path, { credentials: 'include' })).blocked, /TypeError/, 'with credentials');
    want((await post(page, 'C10004', { credentials: 'include' })).blocked, /TypeError/, 'a charge with credentials');
    want(await cookies(), before, 'the cookies afterwards');
  });

  await check('a page of an origin that is not listed can do nothing', async () => {
    const other = await device({ quiet: true });
    await other.goto(UNLISTED);
    want((await call(other, '/pay/openid', { method: 'POST', body: { code: CODE } })).blocked, /TypeError/, 'a login');
    want((await call(other, `/pay/openid?code=${CODE}`)).blocked, /TypeError/, 'a login by GET');
    want((await post(other, 'UNLISTED1')).blocked, /TypeError/, 'a charge');
    want((await post(other, 'UNLISTED2', { headers: session })).blocked, /TypeError/, 'a charge with a session');
    want((await call(other, '/pay/charges/ch_1', { headers: session })).blocked, /TypeError/, 'a look at a charge');
    await other.context().close();
  });
});
