import type { Adapter } from './types';
/** pending remembers the charge of each order whose end is not known, over a program that is killed while the user pays. */
export declare function pending(adapter: Adapter): {
    read: () => Record<string, string>;
    keep: (orderNo: string, chargeID?: string) => void;
};
