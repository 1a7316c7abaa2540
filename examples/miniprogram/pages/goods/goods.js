const { ask, yuan } = require('../../shop.js');

Component({
  data: { goods: [], text: '' },

  methods: {
    async onShow() {
      const { cart } = getApp();
      try {
        const { goods } = await ask('/goods');
        this.setData({ text: '', goods: goods.map(({ id, title, price }) => ({ id, title, price: yuan(price), count: cart[id] || 0 })) });
      } catch (err) {
        this.setData({ text: err.message });
      }
    },

    onAdd({ currentTarget }) {
      const app = getApp();
      app.put(currentTarget.dataset.id, 1);
      this.setData({ goods: this.data.goods.map((g) => Object.assign({}, g, { count: app.cart[g.id] || 0 })) });
    },
  },
});
