const pay = require('./pay.js');

App({
  onLaunch() {
    // Logging in now makes paying faster later. When it fails, payOrder does it again.
    pay.login().catch(() => {});
  },
});
