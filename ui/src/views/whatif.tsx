/** The what-if panel: an edited ScaledObject, simulated on the readings that there were, beside what happened. */

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

import { hello, link, simulate } from '../data';
import { diff, hunks } from '../diff';
import type { Detail, WhatIfAnswer } from '../model';
import { Empty, Section } from '../parts';
import { replicasOf, summaryOf } from '../series';
import { useStore } from '../store';
import { manifest } from '../yaml';
import { SimulationCharts, SummaryTable, type Happened } from './simulation';

/** Milliseconds from the last letter to the simulation. */
const PAUSE = 500;
/** Seconds after which new readings are worth another simulation. */
const FRESH = 30;

/** Edits outlive a look at another view. */
const edits = new Map<string, string>();

export function WhatIf({ detail }: { detail: Detail }) {
  const { namespace, name } = detail.row;
  const key = `${namespace}/${name}`;
  const original = useMemo(() => manifest(detail.object), [detail.object]);
  const [text, setText] = useState(edits.get(key) ?? original);
  const edit = (next: string): void => {
    setText(next);
    if (next === original) edits.delete(key);
    else edits.set(key, next);
  };
  // An object that changes in the cluster changes here, too, until somebody edits it.
  useEffect(() => {
    if (!edits.has(key)) setText(original);
  }, [original]);
  const possible = useStore(hello)?.simulates === true && useStore(link) !== 'exported';
  const happened = useMemo(() => whatHappened(detail), [detail.readings, detail.decisions]);
  const latest = happened?.times[happened.times.length - 1];
  const { answer, error, busy } = useSimulation(latest !== undefined && possible, namespace, name, text, Math.floor((latest ?? 0) / FRESH));
  return (
    <div class="what-if">
      <Section
        id="edit" title="Edit"
        aside={<button type="button" disabled={text === original} onClick={() => edit(original)}>Undo all</button>}
      >
        <Editor text={text} onEdit={edit} invalid={error !== undefined} />
        <p class="dim small">Nothing here is written to the cluster. Save the YAML, and apply it as you apply others.</p>
        <Changes before={original} after={text} name={name} />
      </Section>
      <Section id="result" title="What would have happened" aside={busy ? <span class="dim">simulating…</span> : null}>
        <div aria-live="polite">{error === undefined ? null : <pre class="notice bad">{error}</pre>}</div>
        {!possible ? <Empty>A simulation needs a running <code>ebb ui</code>.</Empty> : null}
        {possible && !happened ? <Empty>A simulation needs readings, and none are on record.</Empty> : null}
        {answer ? <Result answer={answer} happened={happened} /> : null}
      </Section>
    </div>
  );
}

function whatHappened(detail: Detail): Happened | undefined {
  const made = detail.readings && replicasOf(detail.readings, detail.decisions);
  // What stays the same is one reading, with a begin and an end.
  return made && made.times.length > 1 ? made : undefined;
}

/** Simulates a moment after the last edit, and at each `round`. The last good simulation stays while an edit has a mistake. */
function useSimulation(possible: boolean, namespace: string, name: string, text: string, round: number) {
  const [state, set] = useState<{ answer?: WhatIfAnswer; error?: string; busy: boolean }>({ busy: false });
  useEffect(() => {
    if (!possible) return;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      set((before) => ({ ...before, busy: true }));
      simulate(namespace, name, text, abort.signal).then(
        (answer) => set({ answer, busy: false }),
        (error: unknown) => {
          if (!abort.signal.aborted) set(({ error: _, ...before }) => ({ ...before, error: String(error instanceof Error ? error.message : error), busy: false }));
        },
      );
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [possible, namespace, name, text, round]);
  return state;
}

function Result({ answer: { simulation, notes }, happened }: { answer: WhatIfAnswer; happened: Happened | undefined }) {
  const run = simulation.runs[0];
  const facts = useMemo(() => (happened ? summaryOf(happened) : undefined), [happened]);
  if (!run) return null;
  const runs = [...(facts ? [{ name: 'happened', summary: facts }] : []), { name: 'edited', summary: run.summary }];
  return (
    <>
      {notes.length > 0 ? <pre class="notice">{notes.join('\n')}</pre> : null}
      <SimulationCharts simulation={simulation} happened={happened}><SummaryTable runs={runs} /></SimulationCharts>
    </>
  );
}

/** A text field that knows YAML's indentation. */
function Editor({ text, onEdit, invalid }: { text: string; onEdit: (text: string) => void; invalid: boolean }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const lines = text.split('\n').length;
  const keys = (event: KeyboardEvent): void => {
    const element = field.current!;
    if (event.key !== 'Enter' || event.shiftKey || event.ctrlKey || event.isComposing) return;
    const begin = text.lastIndexOf('\n', element.selectionStart - 1) + 1;
    const indent = /^[ ]*(?:- )?/.exec(text.slice(begin, element.selectionStart))?.[0].replace('-', ' ') ?? '';
    event.preventDefault();
    element.setRangeText(`\n${indent}`, element.selectionStart, element.selectionEnd, 'end');
    onEdit(element.value);
  };
  return (
    <div class="editor">
      <pre class="gutter" aria-hidden="true">{Array.from({ length: lines }, (_, index) => index + 1).join('\n')}</pre>
      <textarea
        ref={field} aria-label="ScaledObject as YAML" spellcheck={false} autocomplete="off" wrap="off" rows={Math.max(16, lines)}
        aria-invalid={invalid} value={text} onInput={(event) => onEdit(event.currentTarget.value)} onKeyDown={keys}
      />
    </div>
  );
}

function Changes({ before, after, name }: { before: string; after: string; name: string }) {
  const lines = useMemo(() => diff(before, after), [before, after]);
  const [copied, setCopied] = useState(false);
  useEffect(() => setCopied(false), [after]);
  const copy = (): void => void navigator.clipboard.writeText(after).then(() => setCopied(true), () => undefined);
  const save = (): void => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([after], { type: 'application/yaml' }));
    link.download = `${name}.yaml`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
  };
  const changed = lines.some((line) => line.kind !== 'same');
  return (
    <>
      <h3>Difference</h3>
      {changed ? (
        <pre class="diff" tabIndex={0} role="region" aria-label="Difference of the YAML">
          {hunks(lines).map((line, index) => line === undefined
            ? <span key={index} class="gap">{'⋯\n'}</span>
            : <span key={index} class={line.kind}>{{ same: '  ', added: '+ ', removed: '- ' }[line.kind]}{line.text}{'\n'}</span>)}
        </pre>
      ) : <Empty>Nothing is changed yet.</Empty>}
      <p class="buttons">
        <button type="button" onClick={copy}>{copied ? 'Copied' : 'Copy YAML'}</button>
        <button type="button" onClick={save}>Save as {name}.yaml</button>
      </p>
    </>
  );
}
