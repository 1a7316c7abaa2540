// The payment path of a mini program. What WeChat's pay sheet reports is not believed: pay() answers what the server knows from Ping++.
import { now, pause, quiet, sending, type Answer, type Failure } from './http';
import { keep, read } from './pending';
import { sessions } from './session';
import { texts } from './texts';
import type { Adapter, Charge, Options, OrderState, Outcome, Pay, PayOptions, Request, Response, Result } from './types';

export type { Adapter, Charge, Fault, Options, OrderState, Outcome, Pay, PayError, PayOptions, Pingpp, Request, Response, Result } from './types';

declare const wx: Adapter;

type Seen = [result: string, raw?: string]; // of the sheet: success, cancel or fail; nothing, where it was given up

/** create returns the calls for one site. Make one at launch, and use it everywhere. */
export function create({ base, adapter = wx, pingpp, channel = 'wx_lite', lang, notify = 'https://notify.pingxx.com' }: Options = {} as Options): Pay {
  const [root, site] = /^(https?:\/\/[^/]+)(.*[^/])?/.exec(base) || [];
  if (!root) throw Error('base is missing or no URL like https://shop.example.com/pay');
  lang = lang || (adapter.getAppBaseInfo && adapter.getAppBaseInfo().language) || 'zh';
  const text = texts(lang);
  const send = sending(adapter, lang, text);
  const { login, authorized } = sessions(adapter, root, send, text);
  const flows: Record<string, [Promise<Outcome>, Array<() => boolean>]> = {};
  let sheets: Promise<Seen> = Promise.resolve() as Promise<any>; // each after the one before is closed: there is one screen

  const call = (path: string, data?: object) => authorized({ method: data && 'POST', url: root + path, data, has: 'order_no' });
  const ask = async (id: string, query = ''): Promise<Charge> => (await call(`/charges/${id}${query}`)).json;
  const outcome = (result: Result, charge?: Charge, raw?: string): Outcome => ({ result, message: text(result), charge, raw });

  async function begin(orderNo: string, left: () => boolean, wait: number): Promise<Outcome> {
    const known = read(adapter)[orderNo];
    if (known) { // the program was killed, or left, while the user paid
      const charge = await ask(known, '?wait=3s').catch((err: Failure) => {
        if (err.status !== 404) throw err;
      });
      const result = charge && over(charge);
      if (result && !/^(exp|rev)/.test(result)) { // the others are paid with another charge
        keep(adapter, orderNo);
        return outcome(result, charge!);
      }
    }
    let made: Answer;
    try {
      made = await call('/charges', { order_no: orderNo, channel });
    } catch (err: any) {
      if (!err.chargeID) throw err;
      const charge = await ask(err.chargeID); // the order is paid already, with that
      return outcome(over(charge) || 'paid', charge);
    }
    const { id } = made.json;
    keep(adapter, orderNo, id);
    const seen = await (sheets = sheets.then(() => sheet(made, left)));
    if (!seen[0]) delete flows[orderNo]; // who comes now begins anew
    const ended = await confirm(id, seen, left, wait);
    if (ended.result !== 'left') keep(adapter, orderNo);
    return ended;
  }

  /** sheet opens the pay sheet. Ping++'s SDK gets the charge as it came: parsed, changed or wrapped, it may not know it again. */
  function sheet({ body, json: { livemode, id, credential } }: Answer, left: () => boolean): Promise<Seen> {
    let until = now() + 300_000; // some platforms never say that it was closed, but people also add a bank card in it
    return new Promise<Seen>((resolve, reject) => {
      const success = () => resolve(['success']);
      // While it is open somebody has to wait for it; else it is given up.
      const watch = (): unknown => now() < until && !left() ? pause(1000).then(watch).catch(reject) : resolve(['']);
      if (!watch()) return;
      if (pingpp) pingpp.createPayment(body, (result, err) => resolve([result, err && err.msg]));
      else if (livemode) quiet(adapter.requestPayment(Object.assign(credential[channel], { success, fail: reject })));
      else send({ url: `${notify}/notify/charges/${id}?livemode=false` }).then(success, reject);
    }).catch((err): Seen => [/cancel/.test(err.errMsg) ? 'cancel' : 'fail', err.errMsg || err.raw || '' + err]).then((seen) => {
      until = 0;
      return seen;
    });
  }

  /** confirm asks until the server knows how it ended. The answers wait at the server, so this is one request per 25 seconds. */
  async function confirm(id: string, [seen, raw]: Seen, left: () => boolean, wait: number): Promise<Outcome> {
    if (seen !== 'success') {
      const [query, result]: [string, Result] = !seen ? ['', 'left'] : seen === 'cancel' ? ['?client=cancel', 'cancelled'] : ['?wait=5s&client=fail', 'failed'];
      const charge = await ask(id, query);
      return outcome(over(charge) || result, charge, raw);
    }
    const until = now() + wait;
    for (let lost = 0; !left() && now() < until;) {
      try {
        const charge = await ask(id, `?wait=${Math.min(25, Math.ceil((until - now()) / 1000))}s&client=success`);
        const result = over(charge);
        if (result) return outcome(result, charge);
        lost = 0;
        await pause(1000);
      } catch (err: any) {
        // The user has paid: a lost connection, or a server that restarts, is no reason to give up soon.
        if (!err.after && /^[34]/.test(err.status) || ++lost > 20) throw err;
        await pause(10_000);
      }
    }
    return outcome('left');
  }

  return {
    login,

    pay(orderNo: string | number, { left = () => false, wait = 120_000 }: PayOptions = {}): Promise<Outcome> {
      orderNo = '' + orderNo; // a number, in many shops
      let flow = flows[orderNo];
      if (!flow) {
        const waiting: Array<() => boolean> = [];
        const over = () => { if (flows[orderNo] === flow) delete flows[orderNo]; };
        flow = flows[orderNo] = [begin(orderNo, () => waiting.every((gone) => gone()), wait), waiting];
        flow[0].then(over, over);
      }
      flow[1].push(left);
      return flow[0];
    },

    async orderState(orderNo: string | number): Promise<OrderState> {
      const { json: state } = await call(`/orders/${encodeURIComponent(orderNo)}/state`);
      if (!/^un/.test(state.status)) keep(adapter, orderNo);
      return state;
    },

    pending: () => Object.keys(read(adapter)),

    async request({ path, method, data, header }: Request): Promise<Response> {
      const { status, body, json }: Answer = await authorized({ url: site + path, method, data, header }, 1)
        .catch((err: Failure) => (err.status ? err : Promise.reject(err)));
      return { status, data: json === undefined ? body : json };
    },
  };
}

/** over is how it has ended; nothing while it has not. */
function over({ status, order_paid }: Charge): Exclude<Result, 'cancelled' | 'failed' | 'left'> | false {
  return status !== 'created' ? status : order_paid && 'paid';
}
