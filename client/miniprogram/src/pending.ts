import type { Adapter } from './types';

const STORED = 'pay.pending';

/** read is the charge of each order whose end is not known, remembered over a program that is killed while the user pays. */
export function read(adapter: Adapter): Record<string, string> {
  return adapter.getStorageSync(STORED) as any || {};
}

/** keep remembers an order's charge; none: its end is known. */
export function keep(adapter: Adapter, orderNo: string | number, chargeID?: string): void {
  const all = read(adapter);
  if (chargeID) all[orderNo] = chargeID;
  else delete all[orderNo];
  adapter.setStorageSync(STORED, all);
}
