import { failure, now, quiet, type Answer, type Call, type Send } from './http';
import type { Adapter } from './types';

const STORED = 'pay.session';

type Kept = [value: string, expires: number]; // ms since 1970

const alive = (kept: Kept | null): kept is Kept => !!kept && now() < kept[1];

/** sessions logs the user in, and sends what needs a session. */
export function sessions(adapter: Adapter, base: string, send: Send, text: (key: string) => string) {
  let session = adapter.getStorageSync(STORED) as Kept | null;
  let code: Kept | null = null; // what login gave; good for a first charge even before it became a session
  let loggingIn: Promise<string> | null = null;

  /** login returns a session, a new one if need be. Calls at the same time share one login. */
  async function login(): Promise<string> {
    if (alive(session)) return session[0];
    const over = () => { loggingIn = null; };
    if (!loggingIn) (loggingIn = exchange()).then(over, over);
    return loggingIn!;
  }

  /** exchange makes a session of the saved code, or of a fresh one. A code that turns out to be no good is replaced, once. */
  async function exchange(again?: boolean): Promise<string> {
    code = alive(code) ? code : await new Promise<Kept>((resolve, reject) => {
      quiet(adapter.login({
        success: (res) => resolve([res.code, now() + 270_000]), // WeChat's codes live 5 minutes
        fail: (res) => reject(failure('login_failed', text('unknown'), res.errMsg)),
      }));
    });
    let answer: Answer;
    try {
      answer = await send({ method: 'POST', url: `${base}/openid?code=${encodeURIComponent(code[0])}`, has: 'session' });
    } catch (err: any) {
      if (!/^code_/.test(err.code)) throw err; // the code stays: it may still be good
      code = null;
      if (again) throw err;
      return exchange(true);
    }
    const { session: token, expires_in: seconds } = answer.json;
    session = [token, now() + (seconds - 60) * 1000];
    adapter.setStorageSync(STORED, session);
    return token;
  }

  /**
   * authorized makes a call with the session or, where there is none yet and what the `pay` block gets may hold it, with the saved code. When the server
   * knows neither, it logs in afresh, once.
   */
  async function authorized(call: Call, tries?: number): Promise<Answer> {
    const data = call.has && call.data as { code?: string };
    const attempt = async () => {
      if (data && !alive(session) && alive(code)) data.code = code[0];
      else call.header = Object.assign({}, call.header, { 'X-Pay-Session': await login() });
      return send(call, tries);
    };
    try {
      return await attempt();
    } catch (err: any) {
      if (err.status !== 401) throw err;
      session = code = null;
      if (data) delete data.code;
      adapter.removeStorageSync(STORED);
      return attempt();
    }
  }
  return { login, authorized };
}
