/** Every ScaledObject in one list. */

import { Component } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

import { exportedAt, hello, link, rows as rowStore } from '../data';
import { age, count as counted, time } from '../format';
import { Icon } from '../icons';
import { choose, inGroup, type Choice, type Group, type SortKey } from '../list';
import type { Row } from '../model';
import { Chip, Dot, DriverChip, ProblemText, Replicas } from '../parts';
import { go, path } from '../route';
import { Store, useNow, useStore } from '../store';
import { inWords, Spark } from './spark';
import { reveal, ROW, Space, useWindow } from './virtual';

/** It outlives a look at one object. */
const chosen = new Store<Choice>({ text: '', namespace: '', group: 'all', sort: 'wrong', down: false });
const position = { index: 0, scroll: 0 };

/** Rows share their elements: more than fit on any screen. */
const SLOTS = 256;

const COLUMNS: { key: SortKey | undefined; title: string; class: string }[] = [
  { key: 'name', title: 'ScaledObject', class: 'name' },
  { key: 'replicas', title: 'Replicas', class: 'count' },
  { key: undefined, title: 'Last hour', class: 'history' },
  { key: 'driver', title: 'Driven by', class: 'driver' },
  { key: 'triggers', title: 'Triggers', class: 'triggers' },
  { key: 'wrong', title: 'What is wrong', class: 'wrong' },
  { key: 'changed', title: 'Changed', class: 'changed' },
];

const GROUPS: { key: Group; title: string }[] = [
  { key: 'all', title: 'All' },
  { key: 'wrong', title: 'Wrong' },
  { key: 'active', title: 'Active' },
  { key: 'zero', title: 'At zero' },
  { key: 'paused', title: 'Paused' },
];

export function Overview() {
  const all = useStore(rowStore);
  const choice = useStore(chosen);
  const list = useMemo(() => choose(all.values(), choice), [all, choice]);
  const namespaces = useMemo(() => [...new Set([...all.values()].map((row) => row.namespace))].sort(), [all]);
  const change = (part: Partial<Choice>): void => {
    position.index = 0;
    chosen.set({ ...choice, ...part });
  };
  return (
    <main id="main" class="overview">
      <h1 class="hidden">ScaledObjects</h1>
      <Tools all={all} choice={choice} change={change} namespaces={namespaces} />
      <Grid list={list} choice={choice} change={change} total={all.size} />
    </main>
  );
}

function Tools({ all, choice, change, namespaces }: {
  all: Map<string, Row>; choice: Choice; change: (part: Partial<Choice>) => void; namespaces: string[];
}) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
      if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        field.current?.focus();
      }
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);
  const totals = useMemo(() => {
    const found = new Map<Group, number>();
    for (const { key } of GROUPS) {
      let number = 0;
      for (const row of all.values()) {
        if ((choice.namespace === '' || row.namespace === choice.namespace) && inGroup(row, key)) number++;
      }
      found.set(key, number);
    }
    return found;
  }, [all, choice.namespace]);
  return (
    <div class="tools">
      <div class="groups" role="group" aria-label="Show">
        {GROUPS.map(({ key, title }) => (
          <button type="button" key={key} class={`group ${key}`} aria-pressed={choice.group === key} onClick={() => change({ group: key })}>
            <b>{totals.get(key)}</b> {title}
          </button>
        ))}
      </div>
      <label class="select">
        <span class="hidden">Namespace</span>
        <select value={choice.namespace} onChange={(event) => change({ namespace: event.currentTarget.value })}>
          <option value="">All namespaces</option>
          {namespaces.map((name) => <option key={name} value={name}>{name}</option>)}
        </select>
      </label>
      <label class="search">
        <Icon name="search" />
        <span class="hidden">Filter by name, target, trigger or problem</span>
        <input
          ref={field} type="search" placeholder="Filter" value={choice.text} autocomplete="off" spellcheck={false}
          onInput={(event) => change({ text: event.currentTarget.value })}
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
    </div>
  );
}

function Grid({ list, choice, change, total }: {
  list: Row[]; choice: Choice; change: (part: Partial<Choice>) => void; total: number;
}) {
  const place = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(position.index);
  const { from, to } = useWindow(place, list.length);
  const exported = useStore(exportedAt);
  const ticking = useNow(5_000);
  // Nothing goes on in a page that was exported.
  const now = exported ? Date.parse(exported) : ticking;
  const state = useStore(link);
  useEffect(() => {
    const element = place.current!;
    element.scrollTop = position.scroll;
    const keep = (): void => void (position.scroll = element.scrollTop);
    element.addEventListener('scroll', keep, { passive: true });
    return () => element.removeEventListener('scroll', keep);
  }, []);
  useEffect(() => {
    if (position.index === 0) move(0);
  }, [choice]);
  const at = Math.min(active, list.length - 1);
  const move = (index: number): void => {
    const next = Math.max(0, Math.min(list.length - 1, index));
    position.index = next;
    setActive(next);
    if (place.current) reveal(place.current, next);
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.target !== place.current || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((place.current?.clientHeight ?? ROW) / ROW) - 1);
    const moves: Record<string, number> = {
      ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: list.length - 1, j: at + 1, k: at - 1,
    };
    const row = list[at];
    if (event.key in moves) move(moves[event.key]!);
    else if (event.key === 'Enter' && row) go(path(row));
    else return;
    event.preventDefault();
  };
  const id = (index: number): string => `row-${index}`;
  return (
    <>
      <div
        class="grid" role="grid" ref={place} tabIndex={0} onKeyDown={keys} aria-label="ScaledObjects: arrow keys move, Enter opens"
        aria-rowcount={list.length + 1} aria-colcount={COLUMNS.length} {...(list.length > 0 ? { 'aria-activedescendant': id(at) } : {})}
      >
        <div role="rowgroup" class="heads">
          <div class="row head" role="row" aria-rowindex={1}>
            {COLUMNS.map((column) => <Head key={column.title} column={column} choice={choice} change={change} />)}
          </div>
        </div>
        <Space count={list.length}>
          {list.slice(from, to).map((row, offset) => (
            <Line key={(from + offset) % SLOTS} row={row} index={from + offset} id={id(from + offset)} active={from + offset === at} now={now} />
          ))}
        </Space>
      </div>
      {list.length === 0 ? <Nothing waiting={total === 0 && state === 'connecting'} total={total} /> : null}
      <p class="foot" aria-live="polite">{list.length === total ? counted(total, 'ScaledObject') : `${list.length} of ${counted(total, 'ScaledObject')}`}</p>
    </>
  );
}

function Nothing({ waiting, total }: { waiting: boolean; total: number }) {
  const scope = useStore(hello)?.namespaces ?? [];
  if (waiting) return <p class="nothing">Loading…</p>;
  if (total > 0) return <p class="nothing">No ScaledObject fits the filter.</p>;
  const where = scope.length > 0 ? `in ${scope.join(', ')}` : 'in this cluster';
  return <p class="nothing">There is no ScaledObject {where}. Apply one, and it appears here.</p>;
}

function Head({ column, choice, change }: {
  column: (typeof COLUMNS)[number]; choice: Choice; change: (part: Partial<Choice>) => void;
}) {
  const { key, title } = column;
  if (!key) return <div class={`cell ${column.class}`} role="columnheader">{title}</div>;
  const sorted = choice.sort === key;
  return (
    <div class={`cell ${column.class}`} role="columnheader" aria-sort={sorted ? (choice.down ? 'descending' : 'ascending') : 'none'}>
      <button type="button" onClick={() => change({ sort: key, down: sorted && !choice.down })}>
        {title}
        {sorted ? <Icon name={choice.down ? 'up' : 'down'} /> : null}
      </button>
    </div>
  );
}

interface LineProps {
  row: Row;
  index: number;
  id: string;
  active: boolean;
  now: number;
}

/** A row is drawn again only if something of it has changed: scrolling draws those that come into sight. */
class Line extends Component<LineProps> {
  override shouldComponentUpdate(next: LineProps): boolean {
    const { row, index, active, now } = this.props;
    return row !== next.row || index !== next.index || active !== next.active || now !== next.now;
  }

  override render() {
    return line(this.props);
  }
}

function line({ row, index, id, active, now }: LineProps) {
  const [first, ...more] = row.problems;
  const open = (event: MouseEvent): void => {
    // A link's own click, and a selection of text, stay what they are.
    if (event.target instanceof Element && event.target.closest('a')) return;
    if (getSelection()?.toString()) return;
    go(path(row));
  };
  return (
    <div
      class={`row ${active ? 'active' : ''}`} role="row" id={id} aria-rowindex={index + 2} aria-selected={active}
      style={{ top: `${index * ROW}px` }} onClick={open}
    >
      <div class="cell name" role="gridcell">
        <Dot row={row} />
        <span class="two">
          <a href={path(row)} tabIndex={-1} title={row.name}>{row.name}</a>
          <span class="dim" title={`${row.namespace} · ${row.target.kind} ${row.target.name}`}>{row.namespace} · {row.target.name}</span>
        </span>
      </div>
      <div class="cell count" role="gridcell"><Replicas row={row} /></div>
      <div class="cell history" role="gridcell">
        <Spark spark={row.spark} now={now / 1000} max={row.max} />
        <span class="hidden">{inWords(row.spark)}</span>
      </div>
      <div class="cell driver" role="gridcell"><DriverChip driver={row.driver} /></div>
      <div class="cell triggers" role="gridcell"><Types types={row.triggers} /></div>
      <div class="cell wrong" role="gridcell">
        {first ? <ProblemText problem={first} /> : <span class="dim">–</span>}
        {more.length > 0 ? <Chip title={more.map((problem) => problem.text).join('\n')}>+{more.length}</Chip> : null}
      </div>
      <div class="cell changed" role="gridcell" title={row.changed ? time(row.changed, now) : ''}>{age(row.changed, now)}</div>
    </div>
  );
}

function Types({ types }: { types: string[] }) {
  const counts = new Map<string, number>();
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1);
  const texts = [...counts].map(([type, number]) => (number > 1 ? `${type} ×${number}` : type));
  return <span class="types" title={texts.join(', ')}>{texts.join(', ')}</span>;
}
