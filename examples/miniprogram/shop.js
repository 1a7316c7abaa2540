// What the shop's own backend answers, and how it is shown.

// ask calls the backend behind the site, which learns the user from X-WX-OPENID. It rejects with what can be shown.
async function ask(path, data) {
  const { status, data: answer } = await getApp().pay.request({ path, data, method: data ? 'POST' : 'GET' });
  if (status < 200 || status > 299 || typeof answer !== 'object') throw new Error('商城暂时无法使用，请稍后再试');
  return answer;
}

// yuan writes an amount of fen.
function yuan(fen) {
  return `¥${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, '0')}`;
}

const states = { unpaid: '待付款', paid: '已付款，等待发货', refunded: '已退款' };

// order is one as pages show it.
function order({ order_no: orderNo, title, total, state }) {
  return { orderNo, title, state, price: yuan(total), stateText: states[state] || state };
}

module.exports = { ask, yuan, order };
