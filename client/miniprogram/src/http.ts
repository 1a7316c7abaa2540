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
  has?: string; // a member of the JSON that is answered, or something else than the `pay` block has answered; none: it need not be JSON
}

/** now is the time in ms since 1970. */
export const now = () => Date.now();

/** pause waits so many ms. */
export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Failure is an error, with what was answered, if anything was; with `after` (ms), the call may be repeated after it. */
export type Failure = PayError & Answer & { after?: number };

export function failure(code: string, message: string, raw?: string, more?: Partial<Answer> & { after?: number; chargeID?: string }): Failure {
  return Object.assign(Error(message), { code, raw, status: 0 }, more) as Failure;
}

/** Send sends a request, and rejects where it is not answered 2xx. What the network lost, or the server asks to repeat, is tried so many times. */
export type Send = (call: Call, tries?: number) => Promise<Answer>;

/** sending sends requests in a language. */
export function sending(adapter: Adapter, lang: string, text: (key: string) => string): Send {
  const once = ({ url, method = 'GET', header, data, has }: Call) => new Promise<Answer>((resolve, reject) => {
    quiet(adapter.request({
      url,
      method,
      header: Object.assign({ 'content-type': 'application/json', 'accept-language': lang }, header),
      data: data && JSON.stringify(data),
      dataType: 'text', // or the charge would be parsed
      success: ({ statusCode: status, data: got, header: about }) => {
        const body = typeof got === 'string' ? got : JSON.stringify(got);
        const json = parsed(body);
        const { code, detail, charge_id: chargeID } = json && json.status === status ? json : {} as any; // application/problem+json
        let seconds = 0;
        for (const name in about) if (/^retry-after$/i.test(name)) seconds = +about[name]!;
        const answer = { status, body, json, chargeID, after: Math.min(seconds * 1000, MAX_PAUSE) };
        if (/^2/.test(status as any) && (!has || json && json[has])) return resolve(answer);
        // The developer sees who has answered, but no login code.
        const raw = `${url} ${status}: ${body}`.replace(/\?[^\s"'<]*/g, '').slice(0, 200);
        reject(failure(code || 'unknown', code && detail || text('unknown'), raw, answer));
      },
      fail: ({ errMsg }) => reject(failure('network', text('network'), errMsg, { after: 1000 })),
    }));
  });

  return async (call, tries = TRIES) => {
    for (;;) {
      try {
        return await once(call);
      } catch (err: any) {
        if (!err.after || --tries < 1) throw err;
        await pause(err.after);
      }
    }
  };
}

/** quiet: Taro's calls also return a promise, which nobody looks at. */
export function quiet(promise: unknown): void {
  Promise.resolve(promise).catch(() => {});
}

function parsed(text: string): any {
  try {
    return JSON.parse(text);
  } catch (err) {
    // It is something else.
  }
}
