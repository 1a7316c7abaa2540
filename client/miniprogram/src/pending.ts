import type { Adapter } from './types';

const STORED = 'pay.pending';

/** pending remembers the charge of each order whose end is not known, over a program that is killed while the user pays. */
export function pending(adapter: Adapter) {
  const read = () => (adapter.getStorageSync(STORED) || {}) as Record<string, string>;
  /** keep remembers an order's charge; none: its end is known. */
  const keep = (orderNo: string, chargeID?: string) => {
    const all = read();
    if (chargeID) all[orderNo] = chargeID;
    else delete all[orderNo];
    adapter.setStorageSync(STORED, all);
  };
  return { read, keep };
}
