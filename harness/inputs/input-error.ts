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
 * status 2. The message has one line per complaint, each `file:line:column: what is wrong`.
 */
export class InputError extends Error {
  override readonly name = 'InputError';
  readonly file: string;
  /** Everything that is wrong with the file, in the order of its lines; at least one. */
  readonly complaints: readonly Complaint[];

  constructor(file: string, complaints: string | readonly Complaint[], options?: ErrorOptions) {
    const list = typeof complaints === 'string' ? [{ message: complaints }] : complaints;
    super(list.map((complaint) => `${placeOf(file, complaint)}: ${complaint.message}`).join('\n'), options);
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

function placeOf(file: string, { line, column }: Complaint): string {
  if (line === undefined) return file;
  return column === undefined ? `${file}:${line}` : `${file}:${line}:${column}`;
}
