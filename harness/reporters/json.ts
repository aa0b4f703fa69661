import type { Report } from '../report.ts';

/** The report as JSON, one object, indented. */
export function reportJson(report: Report): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}
