'use strict';

// Ping++'s official server SDK looks at a refund, and makes another of the same charge. Environment: BASE, KEY, APP and PRIVATE_KEY_PATH as for
// server-sdk.js, CHARGE, REFUND (re_…), and AMOUNT in fen of the other. It writes both as one JSON list.

const pingppSDK = require('pingpp');

const { BASE, KEY, PRIVATE_KEY_PATH, CHARGE, REFUND, AMOUNT } = process.env;
const base = new URL(BASE);
const protocol = base.protocol.replace(':', '');
const pingpp = pingppSDK(KEY);
pingpp.setHost(base.hostname, base.port || { http: '80', https: '443' }[protocol], protocol);
pingpp.setTimeout(10000);
pingpp.setPrivateKeyPath(PRIVATE_KEY_PATH);

(async () => {
  const seen = await pingpp.charges.retrieveRefund(CHARGE, REFUND);
  const made = await pingpp.charges.createRefund(CHARGE, { amount: Number(AMOUNT), description: 'from the dashboard' });
  console.log(JSON.stringify([seen, made]));
})().catch((err) => {
  console.error(err);
  process.exit(1);
});
