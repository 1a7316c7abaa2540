// The payment path of a mini program. What WeChat's pay sheet reports is not believed: pay() answers what the server knows from Ping++.
import { pause, quiet, sending, type Answer, type Failure } from './http';
import { pending } from './pending';
import { sessions } from './session';
import { texts } from './texts';
import type { Adapter, Charge, Options, OrderState, Outcome, Pay, PayOptions, Request, Response, Result } from './types';

export type * from './types';

declare const wx: Adapter;

type Seen = [result: string, raw?: string]; // of the sheet: success, cancel or fail

/** create returns the calls for one site. Make one at launch, and use it everywhere. */
export function create({ base, adapter = wx, pingpp, channel = 'wx_lite', lang, notify = 'https://notify.pingxx.com' }: Options): Pay {
  base = base.replace(/\/+$/, '');
  const site = base.split('/').slice(0, 3).join('/');
  lang = lang || (adapter.getAppBaseInfo && adapter.getAppBaseInfo().language) || 'zh';
  const text = texts(lang);
  const send = sending(adapter, lang, text);
  const { login, authorized } = sessions(adapter, base, send, text);
  const { read, keep } = pending(adapter);
  const flows: Record<string, Promise<Outcome> & { waiting: Array<() => boolean> }> = {};
  let sheets: Promise<Seen> = Promise.resolve([''] as Seen); // each after the one before is closed: there is one screen

  const get = async (path: string) => (await authorized({ url: base + path })).json;
  const ask = (id: string, query = ''): Promise<Charge> => get(`/charges/${id}${query}`);
  const outcome = (result: Result, charge?: Charge, raw?: string): Outcome => ({ result, message: text(result), charge, raw });

  function pay(orderNo: string, { left = () => false, wait = 120_000 }: PayOptions = {}): Promise<Outcome> {
    orderNo = '' + orderNo; // a number, in many shops
    let flow = flows[orderNo];
    if (!flow) {
      const waiting: Array<() => boolean> = [];
      const over = () => { delete flows[orderNo]; };
      flow = flows[orderNo] = Object.assign(begin(orderNo, () => waiting.every((gone) => gone()), wait), { waiting });
      flow.then(over, over);
    }
    flow.waiting.push(left);
    return flow;
  }

  async function begin(orderNo: string, left: () => boolean, wait: number): Promise<Outcome> {
    const known = read()[orderNo];
    if (known) { // the program was killed, or left, while the user paid
      const charge = await ask(known, '?wait=3s').catch((err: Failure) => {
        if (err.status !== 404) throw err;
      });
      const result = charge && over(charge);
      if (result && !/^(exp|rev)/.test(result)) { // the others are paid with another charge
        keep(orderNo);
        return outcome(result, charge!);
      }
    }
    let made: Answer;
    try {
      made = await authorized({ method: 'POST', url: base + '/charges' }, undefined, { order_no: orderNo, channel } as object);
    } catch (err) {
      const { chargeID } = err as Failure; // the order is paid already, with that
      if (!chargeID) throw err;
      const charge = await ask(chargeID);
      return outcome(over(charge) || 'paid', charge);
    }
    const { id } = made.json;
    keep(orderNo, id);
    const ended = await confirm(id, await (sheets = sheets.then(() => sheet(made))), left, wait);
    if (ended.result !== 'left') keep(orderNo);
    return ended;
  }

  /** sheet opens the pay sheet. Ping++'s SDK gets the charge as it came: parsed, changed or wrapped, it may not know it again. */
  function sheet({ body, json: { livemode, id, credential } }: Answer): Promise<Seen> {
    const fail = (err: any): Seen => [/cancel/.test(err.errMsg) ? 'cancel' : 'fail', err.errMsg || err.raw || '' + err];
    return new Promise<Seen>((resolve, reject) => {
      const success = () => resolve(['success']);
      if (pingpp) pingpp.createPayment(body, (result, err) => resolve([result, err && err.msg]));
      else if (livemode) quiet(adapter.requestPayment(Object.assign({}, credential[channel], { success, fail: reject })));
      else send({ url: `${notify}/notify/charges/${id}?livemode=false`, any: true }).then(success, reject);
    }).catch(fail);
  }

  /** confirm asks until the server knows how it ended. The answers wait at the server, so this is one request per 25 seconds. */
  async function confirm(id: string, [seen, raw]: Seen, left: () => boolean, wait: number): Promise<Outcome> {
    if (seen !== 'success') {
      const cancelled = seen === 'cancel';
      const charge = await ask(id, cancelled ? '?client=cancel' : '?wait=5s&client=fail');
      return outcome(over(charge) || (cancelled ? 'cancelled' : 'failed'), charge, raw);
    }
    const until = Date.now() + wait;
    for (let lost = 0; !left() && Date.now() < until;) {
      try {
        const charge = await ask(id, `?wait=${Math.min(25, Math.ceil((until - Date.now()) / 1000))}s&client=success`);
        const result = over(charge);
        if (result) return outcome(result, charge);
        lost = 0;
        await pause(1000);
      } catch (err) {
        // The user has paid: a lost connection, or a server that restarts, is no reason to give up soon.
        const { after, status } = err as Failure;
        if (!after && /^[34]/.test(status as any) || ++lost > 20) throw err;
        await pause(10_000);
      }
    }
    return outcome('left');
  }

  async function request({ path, method, data, header }: Request): Promise<Response> {
    const { status, body, json } = await authorized({ url: site + path, method, data, header, any: true }, 1).catch((err: Failure) => {
      if (!err.status) throw err;
      return { status: err.status, body: err.raw!, json: err.json };
    });
    return { status, data: json === undefined ? body : json };
  }

  async function orderState(orderNo: string): Promise<OrderState> {
    const state = await get(`/orders/${encodeURIComponent(orderNo)}/state`);
    if (!/^un/.test(state.status)) keep(orderNo);
    return state;
  }

  return { login, pay, orderState, pending: () => Object.keys(read()), request };
}

/** over is how it has ended; empty while it has not. */
function over({ status, order_paid }: Charge): Exclude<Result, 'cancelled' | 'failed' | 'left'> | '' {
  if (status !== 'created') return status;
  return order_paid ? 'paid' : '';
}
