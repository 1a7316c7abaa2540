const { ask, order } = require('../../shop.js');

const EVERY = 3000; // ms

// What caddypay says of the payment, where that is more than the shop knows yet.
const payments = { paid: '支付成功，等待商家确认', held: '已收到付款，商家确认中', refunded: '已退款', closed: '订单已关闭' };

// Opened as pages/order/order?order_no=…, with &pay=1 to pay at once.
Component({
  data: { orderNo: '', order: null, status: '', statusText: '', text: '', busy: false },

  methods: {
    onLoad(query) {
      this.setData({ orderNo: decodeURIComponent(query.order_no || '') });
      this.payAtOnce = query.pay === '1';
    },

    onShow() {
      this.shown = true;
      const watching = this.watch();
      if (!this.payAtOnce) return watching;
      this.payAtOnce = false;
      return this.onPay();
    },

    // The pay sheet hides the page too: nothing ends here but the looking.
    onHide() {
      this.shown = false;
      clearTimeout(this.timer);
    },

    onUnload() {
      this.left = true;
      this.onHide();
    },

    // watch shows the order, again and again while something may come by itself: a payment that was begun, or that the shop has not heard of.
    async watch() {
      clearTimeout(this.timer);
      const { pay } = getApp();
      const no = this.data.orderNo;
      let again = true;
      try {
        const [shop, { status }] = await Promise.all([ask(`/orders/${encodeURIComponent(no)}`), pay.orderState(no)]);
        const shown = order(shop);
        const behind = shown.state === 'unpaid' && payments[status];
        this.setData({ order: shown, status, statusText: behind || shown.stateText });
        again = pay.pending().includes(no) || status === 'paid' && shown.state === 'unpaid' || status === 'held';
      } catch (err) {
        if (!this.data.order) this.setData({ text: err.message });
      }
      if (!this.shown) return;
      clearTimeout(this.timer);
      if (again) this.timer = setTimeout(() => this.watch(), EVERY);
    },

    async onPay() {
      if (this.data.busy) return; // however often it is tapped
      this.setData({ busy: true, text: '正在支付…' });
      const { message } = await getApp().pay.pay(this.data.orderNo, { left: () => this.left }).catch((err) => err);
      if (this.left) return;
      this.setData({ busy: false, text: message });
      await this.watch();
    },
  },
});
