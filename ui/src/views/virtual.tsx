/** A list of equal rows of which only those in sight exist. */

import type { ComponentChildren, RefObject } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';

export const ROW = 46;
/** The height of the head, which stays in sight above the rows. */
const HEAD = 34;
const BEYOND = 6;

export function visible(scroll: number, height: number, count: number): { from: number; to: number } {
  const from = Math.max(0, Math.floor(scroll / ROW) - BEYOND);
  const to = Math.min(count, Math.ceil((scroll + height) / ROW) + BEYOND);
  return { from: Math.min(from, to), to };
}

export function useWindow(place: RefObject<HTMLElement | null>, count: number): { from: number; to: number } {
  const [view, setView] = useState({ scroll: 0, height: 900 });
  useLayoutEffect(() => {
    const element = place.current!;
    const look = (): void => setView((before) => {
      const next = { scroll: element.scrollTop, height: element.clientHeight };
      return before.scroll === next.scroll && before.height === next.height ? before : next;
    });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    look();
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, []);
  return visible(view.scroll, view.height, count);
}

/** Scrolls so far that a row is in sight. */
export function reveal(element: HTMLElement, index: number): void {
  const room = element.clientHeight - HEAD;
  const [top, bottom] = [index * ROW, (index + 1) * ROW];
  if (top < element.scrollTop) element.scrollTop = top;
  else if (bottom > element.scrollTop + room) element.scrollTop = bottom - room;
}

export function Space({ count, children }: { count: number; children: ComponentChildren }) {
  return <div class="space" role="rowgroup" style={{ height: `${count * ROW}px` }}>{children}</div>;
}
