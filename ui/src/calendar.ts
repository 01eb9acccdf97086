/** Cron windows on the days of a week, in the browser's time zone. */

import type { Window } from './model';

/** A part of a window on one day. Hours count from the day's midnight by the clock on the wall. */
export interface Block {
  trigger: number;
  replicas?: number;
  /** 0 to 24. */
  from: number;
  to: number;
  /** Whether the window began before, or goes on after, this day. */
  continues: { before: boolean; after: boolean };
}

export interface Day {
  date: Date;
  blocks: Block[];
}

/** Seven days from the one of `now` on. */
export function week(windows: Window[], now: Date): Day[] {
  const days: Day[] = [];
  for (let offset = 0; offset < 7; offset++) {
    const date = new Date(now.getFullYear(), now.getMonth(), now.getDate() + offset);
    const next = new Date(now.getFullYear(), now.getMonth(), now.getDate() + offset + 1);
    days.push({ date, blocks: windows.flatMap((window) => block(window, date, next)) });
  }
  return days;
}

function block(window: Window, date: Date, next: Date): Block[] {
  const from = new Date(window.from);
  const to = new Date(window.to);
  if (!(from < next && to > date)) return [];
  return [{
    trigger: window.trigger,
    ...(window.replicas === undefined ? {} : { replicas: window.replicas }),
    from: from <= date ? 0 : wall(from),
    to: to >= next ? 24 : wall(to),
    continues: { before: from < date, after: to > next },
  }];
}

/** The hour that a clock on the wall shows. */
export function wall(at: Date): number {
  return at.getHours() + at.getMinutes() / 60 + at.getSeconds() / 3600;
}
