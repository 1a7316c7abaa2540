import type { Adapter, PayError } from './types';

declare function setTimeout(f: () => void, ms: number): unknown;

const TRIES = 4; // of a call that the network lost or the server asked to repeat
const MAX_PAUSE = 10_000; // ms

export interface Answer {
  status: number;
  body: string;
  json: any; // what the body says; nothing, if it is no JSON
}

export interface Call {
  url: string;
  method?: string;
  header?: Record<string, string>;
  data?: unknown;
  any?: boolean; // the answer need not be JSON
}

/** pause waits so many ms. */
export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Failure is an error; with `after` (ms), the call may be repeated after it. `json` is what was answered. */
export type Failure = PayError & { after?: number; json?: any };

export function failure(code: string, message: string, raw?: string, status = 0, more?: { after: number; chargeID?: string; json?: any }): Failure {
  return Object.assign(Error(message), { code, raw, status }, more);
}

/** Send sends a request, and rejects where it is not answered 2xx. What the network lost, or the server asks to repeat, is tried so many times. */
export type Send = (call: Call, tries?: number) => Promise<Answer>;

/** sending sends requests in a language. */
export function sending(adapter: Adapter, lang: string, text: (key: string) => string): Send {
  const once = ({ url, method, header, data, any }: Call) => new Promise<Answer>((resolve, reject) => {
    quiet(adapter.request({
      url,
      method: method || 'GET',
      header: Object.assign({ 'content-type': 'application/json', 'accept-language': lang }, header),
      data: data && JSON.stringify(data),
      dataType: 'text', // or the charge would be parsed
      success: ({ statusCode: status, data: got, header: about }) => {
        const body = typeof got === 'string' ? got : JSON.stringify(got);
        const json = parsed(body);
        if (status >= 200 && status < 300 && (json || any)) { // else something on the way to the site has answered
          resolve({ status, body, json });
          return;
        }
        const { code = 'unknown', detail, charge_id: chargeID } = json || {}; // application/problem+json
        let seconds = 0;
        for (const name in about) if (/^retry-after$/i.test(name)) seconds = +about[name]!;
        const again = seconds > 0 && (status === 503 || status === 429 || code === 'charge_in_progress');
        reject(failure(code, detail || text('unknown'), body, status, { after: again ? Math.min(seconds * 1000, MAX_PAUSE) : 0, chargeID, json }));
      },
      fail: ({ errMsg }) => reject(failure('network', text('network'), errMsg, 0, { after: 1000 })),
    }));
  });

  return async (call, tries = TRIES) => {
    for (;;) {
      try {
        return await once(call);
      } catch (err) {
        const { after } = err as Failure;
        if (!after || --tries < 1) throw err;
        await pause(after);
      }
    }
  };
}

/** quiet: Taro's calls also return a promise, which nobody looks at. */
export function quiet(promise: unknown): void {
  const p = promise as Promise<unknown> | undefined;
  if (p && p.catch) p.catch(() => {});
}

function parsed(text: string): any {
  try {
    return JSON.parse(text);
  } catch (err) {
    // It is something else.
  }
}
