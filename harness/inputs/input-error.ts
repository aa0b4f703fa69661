/** One thing that is wrong with an input file. */
export interface Complaint {
  /** What is wrong, with the value that is wrong and what was expected. */
  readonly message: string;
  /** 1-based line in the file, where the file has lines. */
  readonly line?: number;
  /** 1-based column in that line. */
  readonly column?: number;
}

/**
 * A file that cannot be verified: unreadable, malformed or contradictory. The command line ends with exit
 * status 2. The message has one line per complaint, `file:line:column: what is wrong`, for the first 20 of them.
 */
export class InputError extends Error {
  override readonly name = 'InputError';
  readonly file: string;
  /** Everything that is wrong with the file, in the order of its lines; at least one. */
  readonly complaints: readonly Complaint[];

  constructor(file: string, complaints: string | readonly Complaint[], options?: ErrorOptions) {
    const list = typeof complaints === 'string' ? [{ message: complaints }] : [...complaints].sort(byPlace);
    super(summarize(file, list), options);
    this.file = file;
    this.complaints = list;
  }

  /** Line of the first complaint. */
  get line(): number | undefined {
    return this.complaints[0]?.line;
  }

  /** Column of the first complaint. */
  get column(): number | undefined {
    return this.complaints[0]?.column;
  }
}

const COMPLAINTS_IN_MESSAGE = 20;

function summarize(file: string, complaints: readonly Complaint[]): string {
  const lines = complaints
    .slice(0, COMPLAINTS_IN_MESSAGE)
    .map((complaint) => `${placeOf(file, complaint)}: ${complaint.message}`);
  const rest = complaints.length - lines.length;
  return rest > 0 ? `${lines.join('\n')}\n${file}: … and ${rest} more` : lines.join('\n');
}

function byPlace(a: Complaint, b: Complaint): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

function placeOf(file: string, { line, column }: Complaint): string {
  if (line === undefined) return file;
  return column === undefined ? `${file}:${line}` : `${file}:${line}:${column}`;
}
