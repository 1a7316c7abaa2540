'use strict';

// EVENT=event.json HEADERS=headers.json SECRET=whsec_… node verify-event.js
// Verifies what a backend received with the library that standardwebhooks.com publishes for JavaScript, and whether it refuses it altered.

const fs = require('fs');
const { Webhook } = require('standardwebhooks');

const body = fs.readFileSync(process.env.EVENT);
const headers = JSON.parse(fs.readFileSync(process.env.HEADERS, 'utf8'));

function verifies(changed, altered = body, secret = process.env.SECRET) {
  try {
    new Webhook(secret).verify(altered, { ...headers, ...changed });
    return true;
  } catch (err) {
    if (err.name === 'WebhookVerificationError' || err.constructor.name === 'WebhookVerificationError') return false;
    throw err;
  }
}

function check(name, got, want) {
  console.log(JSON.stringify({ check: name, ok: got === want, detail: `it verifies: ${got}` }));
}

check('as it came', verifies({}), true);
check('another body', verifies({}, Buffer.concat([body, Buffer.from(' ')])), false);
check('another amount', verifies({}, Buffer.from(body.toString().replace(/"amount": ?100/, '"amount":1'))), false);
check('another id', verifies({ 'webhook-id': `${headers['webhook-id']}x` }), false);
check('another time', verifies({ 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) }), false);
check('another signature', verifies({ 'webhook-signature': `v1,${'A'.repeat(43)}=` }), false);
check('another secret', verifies({}, body, `whsec_${Buffer.alloc(32, 'x').toString('base64')}`), false);
