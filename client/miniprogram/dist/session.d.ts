import { type Answer, type Call, type Send } from './http';
import type { Adapter } from './types';
/** sessions logs the user in, and sends what needs a session. */
export declare function sessions(adapter: Adapter, base: string, send: Send, text: (key: string) => string): {
    login: () => Promise<string>;
    authorized: (call: Call, tries?: number, data?: {
        code?: string;
    }) => Promise<Answer>;
};
