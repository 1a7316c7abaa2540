const { ask, yuan } = require('../../shop.js');

Component({
  data: { lines: [], total: '', text: '', busy: false },

  methods: {
    async onShow() {
      try {
        this.goods = (await ask('/goods')).goods;
        this.setData({ text: '' });
        this.show();
      } catch (err) {
        this.setData({ text: err.message });
      }
    },

    // show is for the eye alone: what an order costs is the backend's to say.
    show() {
      const { cart } = getApp();
      const inside = this.goods.filter(({ id }) => cart[id]);
      this.setData({
        lines: inside.map(({ id, title, price }) => ({ id, title, price: yuan(price * cart[id]), count: cart[id] })),
        total: yuan(inside.reduce((sum, { id, price }) => sum + price * cart[id], 0)),
      });
    },

    onMore({ currentTarget }) {
      getApp().put(currentTarget.dataset.id, 1);
      this.show();
    },

    onLess({ currentTarget }) {
      getApp().put(currentTarget.dataset.id, -1);
      this.show();
    },

    async onOrder() {
      if (this.data.busy) return; // however often it is tapped
      this.setData({ busy: true, text: '' });
      const app = getApp();
      try {
        const { order_no: orderNo } = await ask('/orders', { items: app.cart });
        app.empty();
        this.show();
        wx.navigateTo({ url: `/pages/order/order?order_no=${encodeURIComponent(orderNo)}&pay=1` });
      } catch (err) {
        this.setData({ text: err.message });
      }
      this.setData({ busy: false });
    },
  },
});
