import {
  hasObserved,
  type MachineReport,
  type Mismatch,
  type MismatchGroup,
  type Report,
} from '../report.ts';

interface TestCase {
  readonly name: string;
  /** Elements inside: failure, error, skipped, system-out. */
  readonly content: readonly string[];
}

/**
 * The report as JUnit XML: a test suite for each machine (and for the engine's own contradictions), in it a
 * failing test for each group of mismatches, or one test that passes.
 */
export function reportJUnit(report: Report): string {
  const suites = report.machines.map((machine) => machineSuite(machine, report));
  const engine = report.groups.filter(({ example }) => isOfNoMachine(example, report));
  if (engine.length > 0) suites.push(suiteElement('engine', 0, engine.map(failingTest)));
  const totals = counts(suites.flatMap(({ tests }) => tests));
  const body = suites.map(({ text }) => text).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="mmucheck ${escapeXml(report.input)}" ${totals}>\n${body}</testsuites>\n`;
}

interface Suite {
  readonly tests: readonly TestCase[];
  readonly text: string;
}

function machineSuite(machine: MachineReport, report: Report): Suite {
  const groups = report.groups.filter(({ example }) => example.machine === machine.name);
  const tests = groups.length > 0 ? groups.map(failingTest) : [wholeTest(machine, report)];
  return suiteElement(`${machine.name} ${machine.version}`.trim(), machine.seconds, tests);
}

function isOfNoMachine({ machine }: Mismatch, { machines }: Report): boolean {
  return !machines.some(({ name }) => name === machine);
}

/** The one test of a machine without mismatches. */
function wholeTest(machine: MachineReport, report: Report): TestCase {
  const name = `every access to ${report.input} does what is expected`;
  const message = `message="${escapeXml(machine.reason ?? '')}"`;
  switch (machine.status) {
    case 'absent':
      return { name, content: [`<skipped ${message}/>`] };
    case 'failed':
      return { name, content: [`<error ${message}/>`] };
    case 'ran':
      if (machine.mismatched > 0) {
        const text = `${machine.mismatched} mismatches beyond those that are listed`;
        return { name, content: [`<failure message="${text}"/>`] };
      }
      if (!hasObserved(machine)) {
        return { name, content: ['<skipped message="nothing could be observed"/>', systemOut(machine)] };
      }
      return { name, content: [systemOut(machine)] };
  }
}

function systemOut(machine: MachineReport): string {
  const { probes, agreed, translatedOnly, notObservable, notObservableReasons, errata } = machine;
  const reasons = notObservableReasons.map(({ what, count }) => `\nnot observable: ${count}: ${what}`);
  const text = `${probes} probes, ${agreed} agreed, ${translatedOnly === 0 ? '' : `${translatedOnly} by AT alone, `}${notObservable} not observable, ${errata} errata${reasons.join('')}`;
  return `<system-out>${escapeXml(text)}</system-out>`;
}

function failingTest({ first, last, count, example }: MismatchGroup): TestCase {
  const { access, privilege, region } = example;
  const where = first === last ? first : `${first} to ${last}`;
  const name = `${privilege} ${access} at ${where}${region === null ? '' : ` (${region})`}`;
  const lines = (['declared', 'queried', 'predicted', 'observed'] as const)
    .filter((party) => example[party] !== null)
    .map((party) => `${party}: ${example[party]?.text}${example.alone === party ? ' (alone)' : ''}`);
  if (example.remark !== undefined) lines.push(example.remark);
  const message = `${count} mismatching ${count === 1 ? 'access' : 'accesses'}`;
  return {
    name,
    content: [`<failure message="${message}" type="mismatch">${escapeXml(lines.join('\n'))}</failure>`],
  };
}

function suiteElement(name: string, seconds: number, tests: readonly TestCase[]): Suite {
  const cases = tests.map(
    (test) =>
      `    <testcase name="${escapeXml(test.name)}" classname="${escapeXml(name)}">${test.content.join('')}</testcase>\n`,
  );
  const attributes = `name="${escapeXml(name)}" ${counts(tests)} time="${seconds.toFixed(3)}"`;
  return { tests, text: `  <testsuite ${attributes}>\n${cases.join('')}  </testsuite>\n` };
}

function counts(tests: readonly TestCase[]): string {
  const having = (element: string) =>
    tests.filter(({ content }) => content.some((text) => text.startsWith(`<${element}`))).length;
  return `tests="${tests.length}" failures="${having('failure')}" errors="${having('error')}" skipped="${having('skipped')}"`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\n': '&#10;',
  '\t': '&#9;',
  '\r': '&#13;',
};

/** Text for an element or an attribute; characters that XML 1.0 cannot hold become U+FFFD. */
export function escapeXml(text: string): string {
  return (
    text
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to go
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replace(/[&<>"'\n\t\r]/g, (character) => ENTITIES[character] as string)
  );
}
