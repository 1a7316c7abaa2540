const { create } = require('caddypay-miniprogram');
const { site, notify } = require('./config.js');

App({
  pay: create({ base: `${site}/pay`, notify }),

  cart: wx.getStorageSync('cart') || {}, // how many of each

  onLaunch() {
    // Logging in now makes paying faster later. When it fails, the other calls do it again.
    this.pay.login().catch(() => {});
  },

  // Whoever left while paying, or whose program was killed, learns what came of it.
  async onShow() {
    for (const orderNo of this.pay.pending()) {
      try {
        const { status } = await this.pay.orderState(orderNo);
        if (status === 'paid') wx.showToast({ title: `订单 ${orderNo.slice(-6)} 支付成功`, icon: 'none' });
      } catch (err) {
        return; // no network: the next time
      }
    }
  },

  // put changes how many of something are in the cart.
  put(id, more) {
    const count = Math.max(0, Math.min(99, (this.cart[id] || 0) + more));
    if (count) this.cart[id] = count;
    else delete this.cart[id];
    wx.setStorageSync('cart', this.cart);
  },

  empty() {
    this.cart = {};
    wx.removeStorageSync('cart');
  },
});
