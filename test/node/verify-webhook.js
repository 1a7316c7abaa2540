'use strict';

// node verify-webhook.js BODY-FILE SIGNATURE PUBLIC-KEY-FILE
// Verifies a webhook as the example of Ping++'s server SDK shows it, and prints true or false.

const crypto = require('crypto');
const fs = require('fs');

if (process.argv.length !== 5) {
  console.error('usage: node verify-webhook.js BODY-FILE SIGNATURE PUBLIC-KEY-FILE');
  process.exit(2);
}
const [bodyFile, signature, keyFile] = process.argv.slice(2);

const verifier = crypto.createVerify('RSA-SHA256').update(fs.readFileSync(bodyFile, 'utf8'), 'utf8');
console.log(verifier.verify(fs.readFileSync(keyFile, 'utf8'), signature, 'base64'));
