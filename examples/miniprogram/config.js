// Where the shop is, in each environment. Its host must be a request domain of the mini program.
const environments = {
  // WeChat's developer tools, and previews. notify: where a charge of a test key is paid without the pay sheet; caddypay's sandbox answers there.
  develop: { site: 'https://localhost', notify: 'http://localhost:8484' },
  // The trial version: a copy of the shop, whose site has Ping++'s test key. Charges are paid at https://notify.pingxx.com, a request domain then.
  trial: { site: 'https://trial.shop.example.com' },
  // The version that everybody gets: real money.
  release: { site: 'https://shop.example.com' },
};

const { envVersion } = wx.getAccountInfoSync().miniProgram;

module.exports = environments[envVersion] || environments.release;
