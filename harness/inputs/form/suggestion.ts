/** `" (did you mean \"base\"?)"` where one of the candidates is near to what was written, else `""`. */
export function suggestion(written: string, candidates: Iterable<string>): string {
  let nearest = '';
  let least = Math.max(2, Math.floor(written.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(written.toLowerCase(), candidate.toLowerCase());
    // A candidate of which no letter was written is none.
    if (distance < Math.min(least, candidate.length)) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest === '' ? '' : ` (did you mean "${nearest}"?)`;
}

/** Levenshtein distance. Keys are short: one row of the matrix is kept. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}
