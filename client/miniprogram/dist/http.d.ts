import type { Adapter, PayError } from './types';
export interface Answer {
    status: number;
    body: string;
    json: any;
}
export interface Call {
    url: string;
    method?: string;
    header?: Record<string, string>;
    data?: unknown;
    any?: boolean;
}
/** pause waits so many ms. */
export declare const pause: (ms: number) => Promise<void>;
/** Failure is an error; with `after` (ms), the call may be repeated after it. `json` is what was answered. */
export type Failure = PayError & {
    after?: number;
    json?: any;
};
export declare function failure(code: string, message: string, raw?: string, status?: number, more?: {
    after: number;
    chargeID?: string;
    json?: any;
}): Failure;
/** Send sends a request, and rejects where it is not answered 2xx. What the network lost, or the server asks to repeat, is tried so many times. */
export type Send = (call: Call, tries?: number) => Promise<Answer>;
/** sending sends requests in a language. */
export declare function sending(adapter: Adapter, lang: string, text: (key: string) => string): Send;
/** quiet: Taro's calls also return a promise, which nobody looks at. */
export declare function quiet(promise: unknown): void;
