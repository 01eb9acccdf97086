/** A page as `ebb ui` serves it: data that does not change, and an answer to what-if questions. */

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { keyOf, type Export, type WhatIfAnswer } from '../../src/model';

const FILES: Record<string, [string, string]> = {
  '/': ['index.html', 'text/html'], '/app.js': ['app.js', 'text/javascript'], '/app.css': ['app.css', 'text/css'], '/icon.svg': ['icon.svg', 'image/svg+xml'],
};

/** The answer to an edited manifest. A text: it is refused. */
export type Answer = (yaml: string) => WhatIfAnswer | string;

export interface Served {
  url: string;
  /** The methods and paths of all requests but those for files. */
  asked: string[];
  close: () => void;
}

export async function served(data: Export, answer: Answer): Promise<Served> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url!, 'http://127.0.0.1');
    const file = FILES[url.pathname];
    if (file) {
      response.writeHead(200, { 'content-type': file[1] }).end(readFileSync(`dist/${file[0]}`));
      return;
    }
    asked.push(`${request.method} ${url.pathname}`);
    if (url.pathname === '/api/stream') stream(response, data, url.searchParams);
    else if (url.pathname === '/api/simulate') void simulate(request, response, answer);
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked, close };
}

function stream(response: ServerResponse, data: Export, query: URLSearchParams): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (name: string, body: unknown): void => void response.write(`event: ${name}\ndata: ${JSON.stringify(body)}\n\n`);
  send('hello', data.hello);
  send('trail', data.trail);
  send('cluster', { state: 'ok', message: '' });
  const key = `${query.get('namespace')}/${query.get('name')}`;
  if (query.has('name')) send('detail', data.details.find((detail) => keyOf(detail.row) === key) ?? null);
  else send('rows', { reset: true, rows: data.rows, gone: [] });
}

async function simulate(request: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
  let text = '';
  for await (const part of request) text += String(part);
  const made = answer((JSON.parse(text) as { yaml: string }).yaml);
  if (typeof made === 'string') response.writeHead(422, { 'content-type': 'text/plain' }).end(made);
  else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(made));
}
