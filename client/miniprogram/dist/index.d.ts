import type { Options, Pay } from './types';
export type * from './types';
/** create returns the calls for one site. Make one at launch, and use it everywhere. */
export declare function create({ base, adapter, pingpp, channel, lang, notify }: Options): Pay;
