const { ask, order } = require('../../shop.js');

Component({
  data: { orders: [], text: '' },

  methods: {
    async onShow() {
      try {
        const { orders } = await ask('/orders');
        this.setData({ orders: orders.map(order), text: orders.length ? '' : '还没有订单' });
      } catch (err) {
        this.setData({ text: err.message });
      }
    },

    async onPullDownRefresh() {
      await this.onShow();
      wx.stopPullDownRefresh();
    },

    onOpen({ currentTarget }) {
      wx.navigateTo({ url: `/pages/order/order?order_no=${encodeURIComponent(currentTarget.dataset.no)}` });
    },
  },
});
