/** The difference of two texts by lines. */

export interface Line {
  kind: 'same' | 'added' | 'removed';
  text: string;
}

/** The shortest list of lines that turns `before` into `after`: the longest common subsequence stays. */
export function diff(before: string, after: string): Line[] {
  const a = lines(before);
  const b = lines(after);
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => longest[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      found.push({ kind: 'same', text: a[i] ?? '' });
      i++;
      j++;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) {
      found.push({ kind: 'removed', text: a[i++] ?? '' });
    } else {
      found.push({ kind: 'added', text: b[j++] ?? '' });
    }
  }
  return found;
}

function lines(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}

/** The changes with `context` equal lines around each. A gap is `undefined`. */
export function hunks(all: Line[], context = 3): (Line | undefined)[] {
  const near = all.map((_, index) =>
    all.slice(Math.max(0, index - context), index + context + 1).some((line) => line.kind !== 'same'));
  const kept: (Line | undefined)[] = [];
  all.forEach((line, index) => {
    if (near[index]) kept.push(line);
    else if (kept.length > 0 && kept[kept.length - 1] !== undefined) kept.push(undefined);
  });
  if (kept[kept.length - 1] === undefined) kept.pop();
  return kept;
}
