/** What is needed of the platform. `wx`, `uni` and `Taro` all have it. */
export interface Adapter {
  login(options: { success(res: { code: string }): void; fail(res: Fault): void }): unknown;
  request(options: {
    url: string;
    method: string;
    header: Record<string, string>;
    data?: unknown;
    dataType: string;
    success(res: { statusCode: number; data: unknown; header?: Record<string, string> }): void;
    fail(res: Fault): void;
  }): unknown;
  requestPayment(options: Record<string, unknown>): unknown;
  getStorageSync(key: string): unknown;
  setStorageSync(key: string, value: unknown): void;
  removeStorageSync(key: string): void;
  getAppBaseInfo?(): { language?: string };
}

/** How the platform says that something did not work. */
export interface Fault {
  errMsg?: string;
}

/** Ping++'s client SDK, pingpp.js. */
export interface Pingpp {
  createPayment(charge: string, callback: (result: string, err?: { msg?: string }) => void): void;
}

export interface Options {
  /** Where the site's `pay` block answers, like `https://shop.example.com/pay`: a whole URL. Its host must be a request domain of the mini program. */
  base: string;
  /** Default: `wx`. */
  adapter?: Adapter;
  /** Ping++'s SDK, to open the pay sheet. Default: none; `requestPayment` gets the charge's credential. */
  pingpp?: Pingpp;
  /** Default: `wx_lite`. */
  channel?: string;
  /** The language of messages, `zh` or `en`. Default: the user's. */
  lang?: string;
  /** Where a charge in test mode is paid without the pay sheet. Default: `https://notify.pingxx.com`; the sandbox answers there too. */
  notify?: string;
}

/**
 * What became of a payment. The first five are the server's word:
 * `paid`, also by another payment of the order; `held`: paid, and a person at the shop looks at it; `refunded`, all of it;
 * `reversed` and `expired`: nobody can pay this charge any more.
 * `cancelled`: the user closed the pay sheet. `failed`: the sheet did not open, or WeChat refused. `left`: nobody waits any more, and nothing is known yet: ask later,
 * or call `pay` again.
 */
export type Result = 'paid' | 'refunded' | 'reversed' | 'expired' | 'held' | 'cancelled' | 'failed' | 'left';

/** The payer's own charge, as `GET /pay/charges/{id}` answers it. Amounts are in fen, times in Unix seconds. */
export interface Charge {
  id: string;
  order_no: string;
  channel: string;
  amount: number;
  currency: string;
  status: 'created' | 'paid' | 'refunded' | 'reversed' | 'expired' | 'held';
  order_paid: boolean;
  paid: boolean;
  amount_refunded: number;
  time_paid: number | null;
  time_expire: number | null;
}

export interface Outcome {
  result: Result;
  /** What to tell the user, in their language. */
  message: string;
  charge?: Charge;
  /** What the platform or Ping++'s SDK said, for a log: nothing to show. */
  raw?: string;
}

export interface PayOptions {
  /**
   * Says that nobody waits any more, for instance since the page was unloaded (not: hidden, which the pay sheet does too). It is asked each second while
   * the sheet is open, and before each request after it.
   */
  left?(): boolean;
  /** For how long the server is waited for after the pay sheet, in ms. Default: 120 000. A sheet that never reports is given up after 5 minutes. */
  wait?: number;
}

/** `unknown`: the user has begun no payment of the order here. `closed`: unpaid, and the shop takes no payment of it any more. */
export interface OrderState {
  order_no: string;
  status: 'unpaid' | 'paid' | 'held' | 'refunded' | 'closed' | 'unknown';
  charge_id?: string;
}

export interface Request {
  /** Of the site, like `/api/cart`. */
  path: string;
  /** Default: `GET`. */
  method?: string;
  /** Sent as JSON. */
  data?: unknown;
  header?: Record<string, string>;
}

export interface Response {
  status: number;
  /** What the JSON says; the text of anything else. */
  data: any;
}

/** What a call rejects with. */
export interface PayError extends Error {
  /** One of the server's (`order_not_found`, …), or `network`, `login_failed`, `unknown`. `message` is in the user's language. */
  code: string;
  /** HTTP's; 0 where nothing was answered. */
  status: number;
  chargeID?: string;
  /** For a log: what the platform said, or the URL that was asked, without its query, the status, and how the answer begins; 200 characters at most. */
  raw?: string;
}

/** The calls for one site. */
export interface Pay {
  /**
   * Resolves to the session, for `X-Pay-Session`, of a login that is made if need be. At launch, it makes paying faster later; when it fails, the
   * other calls do it again.
   */
  login(): Promise<string>;
  /**
   * Takes an order from its number to the server's word about it. It rejects with a PayError; after that, or when the user comes back later, call it
   * again with the same number: nobody pays twice. Calls for one order at the same time share one payment. Sheets open one at a time: other orders wait
   * for the one that is open, 5 minutes at most.
   */
  pay(orderNo: string | number, options?: PayOptions): Promise<Outcome>;
  /** What has become of an order, without beginning a payment. */
  orderState(orderNo: string | number): Promise<OrderState>;
  /** The orders whose payment was begun here and whose end is not known: ask for their state when the program is shown again. */
  pending(): string[];
  /** Calls the shop's own backend with the session, so that it learns who the user is. It resolves whatever the status is. */
  request(request: Request): Promise<Response>;
}
