/** Where the page's data comes from: the stream of `ebb ui`, or the page itself after `--export`. */

import { keyOf, type Cluster, type Detail, type Export, type Hello, type Row, type Trail, type WhatIfAnswer } from './model';
import type { Route } from './address';
import { Store } from './store';

export type Link = 'connecting' | 'live' | 'lost' | 'refused' | 'exported';

export const hello = new Store<Hello | undefined>(undefined);
export const trail = new Store<Trail | undefined>(undefined);
export const cluster = new Store<Cluster>({ state: 'ok', message: '' });
/** By namespace and name. A new map at each change. */
export const rows = new Store<Map<string, Row>>(new Map());
/** Undefined: not known yet. Null: there is none of that name. */
export const detail = new Store<Detail | null | undefined>(undefined);
export const link = new Store<Link>('connecting');
/** The last moment at which something came. */
export const heard = new Store<number>(Date.now());
/** When an exported page was written. */
export const exportedAt = new Store<string | undefined>(undefined);

/** The server sends the time every five seconds. Three that stay away are a dead connection. */
const SILENCE = 16_000;
const RETRY = { first: 500, most: 8_000 };

let exported: Export | undefined;
let source: EventSource | undefined;
let pause = RETRY.first;
let timer: ReturnType<typeof setTimeout> | undefined;
let open: Route = { view: 'overview' };

/** Reads the data of an exported page. False: the page is a live one. */
export function readExport(): boolean {
  const text = document.getElementById('data')?.textContent?.trim();
  if (!text) return false;
  exported = JSON.parse(text) as Export;
  hello.set(exported.hello);
  trail.set(exported.trail);
  exportedAt.set(exported.at);
  rows.set(new Map(exported.rows.map((row) => [keyOf(row), row])));
  link.set('exported');
  return true;
}

/** Follows what a view shows. */
export function follow(route: Route): void {
  const same = open.view === route.view
    && (route.view === 'overview' || (open.view === 'detail' && keyOf(open) === keyOf(route)));
  open = route;
  if (exported) {
    detail.set(route.view === 'detail' ? (exported.details.find((one) => keyOf(one.row) === keyOf(route)) ?? null) : undefined);
    return;
  }
  if (same && source) return;
  if (!same) detail.set(undefined);
  connect();
}

function address(): string {
  return open.view === 'overview' ? 'api/stream'
    : `api/stream?namespace=${encodeURIComponent(open.namespace)}&name=${encodeURIComponent(open.name)}`;
}

function connect(): void {
  disconnect();
  // A browser opens few connections to a server: pages that nobody sees hold none.
  if (document.hidden) return;
  const stream = new EventSource(address());
  source = stream;
  heard.set(Date.now());
  const on = <T>(name: string, take: (data: T) => void): void => {
    stream.addEventListener(name, (event) => {
      if (stream !== source) return;
      heard.set(Date.now());
      pause = RETRY.first;
      link.set('live');
      take(JSON.parse((event as MessageEvent<string>).data) as T);
    });
  };
  on<Hello>('hello', (data) => hello.set(data));
  on<Trail>('trail', (data) => trail.set(data));
  on<Cluster>('cluster', (data) => cluster.set(data));
  on<{ reset: boolean; rows: Row[]; gone: string[] }>('rows', (change) => rows.set(changed(rows.get(), change)));
  on<Detail | null>('detail', (data) => detail.set(data));
  on('time', () => undefined);
  stream.onerror = () => {
    if (stream === source) void lost();
  };
}

/** The rows after a change. */
export function changed(
  before: Map<string, Row>, change: { reset: boolean; rows: Row[]; gone: string[] },
): Map<string, Row> {
  const after = change.reset ? new Map<string, Row>() : new Map(before);
  for (const key of change.gone) after.delete(key);
  for (const row of change.rows) after.set(keyOf(row), row);
  return after;
}

async function lost(): Promise<void> {
  disconnect();
  const failed = source;
  link.set((await refused()) ? 'refused' : 'lost');
  if (source !== failed) return;
  clearTimeout(timer);
  timer = setTimeout(connect, pause);
  pause = Math.min(pause * 2, RETRY.most);
}

/** Whether `ebb ui` answers but does not know this page any more: it was started anew. */
async function refused(): Promise<boolean> {
  try {
    return (await fetch('api/hello')).status === 401;
  } catch {
    return false;
  }
}

function disconnect(): void {
  clearTimeout(timer);
  source?.close();
  source = undefined;
}

/** Watches over the connection of a live page. */
export function keepAlive(): void {
  setInterval(() => {
    if (source && Date.now() - heard.get() > SILENCE) void lost();
  }, 2_000);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) disconnect();
    else if (!source) connect();
  });
}

/** What a simulation of an edited ScaledObject says, or why there is none. */
export async function simulate(
  namespace: string, name: string, yaml: string, signal: AbortSignal,
): Promise<WhatIfAnswer> {
  const answer = await fetch('api/simulate', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ namespace, name, yaml }),
    signal,
  });
  if (answer.ok) return (await answer.json()) as WhatIfAnswer;
  const text = await answer.text();
  throw new Error(text || `ebb ui answers ${answer.status}`);
}
