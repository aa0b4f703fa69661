import { styleText } from 'node:util';
import {
  type ColumnCounts,
  type Counted,
  hasObserved,
  type MachineReport,
  type Report,
  type TableChanges,
} from '../report.ts';
import type { ReporterOptions } from './reporter.ts';
import { mismatchBlocks } from './text-mismatches.ts';

export type Style = 'red' | 'green' | 'yellow' | 'bold' | 'dim';
export type Paint = (style: Style, text: string) => string;

/** The report for people: a line for each machine, then the mismatches in ranges, then the verdict. */
export function reportText(report: Report, { colours }: ReporterOptions): string {
  const paint: Paint = (style, text) => (colours ? styleText(style, text, { validateStream: false }) : text);
  const lines = [headline(report), ...report.notes.map((note) => `  note: ${note}`), ''];
  lines.push(...machineTable(report.machines, paint), '');
  for (const machine of report.machines) lines.push(...machineNotes(machine, paint));
  lines.push(...mismatchBlocks(report, paint), verdictLine(report, paint));
  return `${lines.join('\n')}\n`;
}

function headline({ input, tables, architecture, coverage }: Report): string {
  const against = tables === undefined ? '' : `, against the tables of ${tables}`;
  return `${input}${against}: ${architecture}, coverage ${coverage}`;
}

/** 1234567 as "1,234,567". Intl.NumberFormat does it too, and takes 10 ms to start. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

function machineTable(machines: readonly MachineReport[], paint: Paint): string[] {
  const names = machines.map(({ name, version }) => `${name} ${version}`.trim());
  const width = Math.max(0, ...names.map((name) => name.length));
  const columns = machines.map(({ probes, agreed, mismatched, notObservable, errata, translatedOnly }) =>
    [probes, agreed, mismatched, notObservable, errata, translatedOnly].map((count) => grouped(count)),
  );
  const isTranslated = machines.some(({ translatedOnly }) => translatedOnly > 0);
  const widths = [0, 1, 2, 3, 4, 5].map((at) =>
    Math.max(...columns.map((row) => (row[at] as string).length)),
  );
  return machines.map((machine, index) => {
    const name = paint('bold', (names[index] as string).padEnd(width));
    if (machine.status !== 'ran') {
      const reason = (machine.reason ?? '').replace(`${machine.name}: `, '');
      const what = machine.unfit === true ? 'unfit for these tables' : machine.status;
      return `  ${name}  ${paint(machine.status === 'failed' ? 'red' : 'yellow', `${what}: ${reason}`)}`;
    }
    const counts = columns[index] as string[];
    const cell = (at: number, what: string) =>
      `${(counts[at] as string).padStart(widths[at] as number)} ${what}`;
    const mismatched = cell(2, 'mismatched');
    return [
      `  ${name}`,
      cell(0, 'probes'),
      cell(1, 'agreed'),
      ...(isTranslated ? [cell(5, 'by AT alone')] : []),
      machine.mismatched > 0 ? paint('red', mismatched) : mismatched,
      cell(3, 'not observable'),
      cell(4, machine.errata === 1 ? 'erratum' : 'errata'),
      `${machine.seconds.toFixed(2)} s`,
    ].join('  ');
  });
}

/** What qualifies a machine's figures: what it left open, and what it is excused for. */
function machineNotes(machine: MachineReport, paint: Paint): string[] {
  if (machine.status !== 'ran') return [];
  const { columns, tables } = machine;
  const notes = [
    ...reasonsNotObservable(machine.notObservableReasons),
    ...machine.errataApplied.map(
      ({ rule, description, count }) => `erratum ${rule}: ${grouped(count)} × ${description}`,
    ),
    ...unproven('physical address', columns.physicalAddress, columns.completed, 'completed accesses'),
    ...unproven('memory type', columns.memoryType, columns.completed, 'completed accesses'),
    ...unproven('fault status', columns.faultStatus, columns.faulted, 'faults'),
    ...unproven('fault address', columns.faultAddress, columns.faulted, 'faults'),
    ...byTranslation(columns),
  ];
  if (tables === null) notes.push('the tables could not be read back');
  else if (tables.accessed + tables.dirty > 0) {
    notes.push(`set ${grouped(tables.accessed)} accessed and ${grouped(tables.dirty)} dirty flags`);
  }
  if (tables?.listing) notes.push(...listingNotes(tables.listing));
  return notes.length === 0 ? [] : [...notes.map((note) => paint('dim', `  ${machine.name}: ${note}`)), ''];
}

function listingNotes({ compared, notListed }: NonNullable<TableChanges['listing']>): string[] {
  return [
    `frame, PWT, PCD and G of ${grouped(compared)} leaves compared as the machine lists them`,
    ...(notListed === 0 ? [] : [`does not list ${grouped(notListed)} leaves of the tables`]),
  ];
}

/** Reasons that a person still reads. */
const REASON_LIMIT = 5;

function reasonsNotObservable(reasons: readonly Counted[]): string[] {
  const lines = reasons
    .slice(0, REASON_LIMIT)
    .map(({ what, count }) => `not observable: ${grouped(count)} × ${what}`);
  const rest = reasons.slice(REASON_LIMIT).reduce((sum, { count }) => sum + count, 0);
  if (rest > 0) lines.push(`not observable: ${grouped(rest)} × for other reasons; --reporter json has them`);
  return lines;
}

function unproven(what: string, known: number, of: number, whereof: string): string[] {
  if (known === of) return [];
  const share = known === 0 ? `of none of the ${grouped(of)}` : `of ${grouped(known)} of ${grouped(of)}`;
  return [`observed the ${what} ${share} ${whereof}`];
}

/** What `AT` said and no access showed. */
function byTranslation({ byTranslation: said, completed, faulted }: ColumnCounts): string[] {
  const parts = [
    [said.physicalAddress, 'physical address', completed, 'completed accesses'],
    [said.memoryType, 'memory type', completed, 'completed accesses'],
    [said.faultStatus, 'fault status', faulted, 'faults'],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, what, of, whereof]) => {
      const share = count === of ? `all ${grouped(of)}` : `${grouped(count)} of ${grouped(of)}`;
      return `AT alone said the ${what} of ${share} ${whereof}`;
    });
}

function verdictLine({ verdict, mismatches, mismatchesOmitted, machines }: Report, paint: Paint): string {
  switch (verdict) {
    case 'agree': {
      const ran = machines.filter(hasObserved).length;
      return paint(
        'green',
        `agree: ${ran === 1 ? 'the machine confirms' : `${ran} machines confirm`} what is expected`,
      );
    }
    case 'mismatch': {
      const count = mismatches.length + mismatchesOmitted;
      return paint('red', `mismatch: ${grouped(count)} ${count === 1 ? 'difference' : 'differences'}`);
    }
    case 'incomplete': {
      const failed = machines.filter(({ status }) => status === 'failed').map(({ name }) => name);
      const none = machines.some(({ status }) => status === 'ran') ? 'observed anything' : 'ran';
      const why = failed.length === 0 ? `no machine ${none}` : `${failed.join(', ')} broke off`;
      return paint('red', `incomplete: nothing differs, but ${why}`);
    }
  }
}
