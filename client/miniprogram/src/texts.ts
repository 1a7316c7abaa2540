const keys = 'paid refunded held over cancelled failed left network unknown'.split(' ');
const zh = '支付成功|订单已退款|已付款，商家确认中|支付已失效，请重新支付|已取消支付|支付未完成，请重试|支付结果确认中|网络不可用，请重试，不会重复扣款|暂时不可用，请稍后再试';
const en = 'Paid|Refunded|Paid; being checked|Too late; pay again|Cancelled|Not paid; try again|Being confirmed|No network; try again, you will not pay twice|Please try again later';

/** texts are the messages in a language: Chinese, unless it is another. */
export function texts(lang: string): (key: string) => string {
  const all = (/^zh/i.test(lang) ? zh : en).split('|');
  return (key) => all[keys.indexOf(key)] || all[3]!; // expired, reversed
}
