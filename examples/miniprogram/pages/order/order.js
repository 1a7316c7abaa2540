const pay = require('../../pay.js');

const texts = {
  paid: '支付成功',
  held: '已收到付款，商家确认中',
  refunded: '订单已退款',
  reversed: '订单已撤销',
  expired: '支付已超时，如已付款请联系商家',
  cancelled: '已取消支付',
  failed: '支付未完成',
};

// Opened as pages/order/order?order_no=…
Page({
  data: { orderNo: '', busy: false, done: false, text: '' },

  onLoad(query) {
    this.setData({ orderNo: query.order_no || '' });
  },

  onUnload() {
    this.left = true;
  },

  async onPay() {
    if (this.data.busy || this.data.done) return;
    this.setData({ busy: true, text: '正在支付…' });
    let done = false;
    let text;
    try {
      const { result, message } = await pay.payOrder(this.data.orderNo, () => this.left);
      done = ['paid', 'held', 'refunded'].includes(result);
      text = result === 'failed' && message ? `${texts.failed}：${message}` : texts[result];
    } catch (err) {
      text = err.code === 'network' ? '网络不可用，付款结果未知，请稍后再试，不会重复扣款' : err.message;
    }
    if (!this.left) this.setData({ busy: false, done, text });
  },
});
