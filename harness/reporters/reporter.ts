import type { Report } from '../report.ts';

export interface ReporterOptions {
  /** Whether the text may contain terminal colours. */
  readonly colours: boolean;
}

/** Turns a report into the text of a file or of standard output, with its final line end. */
export type Reporter = (report: Report, options: ReporterOptions) => string;

const REPORTERS = {
  text: async () => (await import('./text.ts')).reportText,
  json: async () => (await import('./json.ts')).reportJson,
  junit: async () => (await import('./junit.ts')).reportJUnit,
} satisfies Record<string, () => Promise<Reporter>>;

export type ReporterName = keyof typeof REPORTERS;
export const REPORTER_NAMES = Object.keys(REPORTERS) as readonly ReporterName[];

/** Loads a reporter; only the one that is used. */
export async function loadReporter(name: ReporterName): Promise<Reporter> {
  return await REPORTERS[name]();
}
