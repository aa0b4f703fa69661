import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Architecture } from '../../src/registers.ts';
import { MACHINES, type RegisteredMachine } from '../machines/registry.ts';
import { VERSION } from '../package.ts';
import { observationWords } from './observation-words.ts';

/** The command that installs what is missing. */
const FIX = 'npx mmucheck setup';

/** Programs that only the developers of the guest stubs need. */
const ASSEMBLERS = ['x86_64-linux-gnu-as', 'aarch64-linux-gnu-as'];

export interface MachineDiagnosis {
  readonly name: string;
  readonly architecture: Architecture;
  readonly available: boolean;
  readonly version: string | null;
  /** What it answers about an access, and what it does not, in words. */
  readonly observes: readonly string[];
  readonly doesNotObserve: readonly string[];
  readonly features: readonly string[];
  readonly limits: readonly string[];
  /** Why it is absent, and the command that fixes it; null when it is available. */
  readonly reason: string | null;
  readonly fix: string | null;
}

export interface Diagnosis {
  readonly tool: 'mmucheck';
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly machines: readonly MachineDiagnosis[];
  /** Version by name of program; null where it is not installed. */
  readonly assemblers: Readonly<Record<string, string | null>>;
}

export interface DoctorOptions {
  readonly json: boolean;
  readonly machines?: readonly RegisteredMachine[];
  readonly write?: (text: string) => void;
}

/**
 * `mmucheck doctor`: which machines are here, their versions, and what they can observe. Starts none of them.
 *
 * @returns the exit status: 0, or 3 if there is an architecture without any machine
 */
export async function runDoctor(options: DoctorOptions): Promise<number> {
  const write = options.write ?? ((text: string) => process.stdout.write(text));
  const diagnosis = await diagnose(options.machines ?? MACHINES);
  write(options.json ? `${JSON.stringify(diagnosis, null, 2)}\n` : describe(diagnosis));
  return architecturesWithoutMachine(diagnosis.machines).length === 0 ? 0 : 3;
}

/** Asks every machine whether it is there. */
export async function diagnose(machines: readonly RegisteredMachine[]): Promise<Diagnosis> {
  const [diagnoses, versions] = await Promise.all([
    Promise.all(machines.map(diagnoseMachine)),
    Promise.all(ASSEMBLERS.map(programVersion)),
  ]);
  return {
    tool: 'mmucheck',
    version: VERSION,
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    machines: diagnoses,
    assemblers: Object.fromEntries(ASSEMBLERS.map((name, index) => [name, versions[index] ?? null])),
  };
}

async function diagnoseMachine({
  name,
  architecture,
  provider,
}: RegisteredMachine): Promise<MachineDiagnosis> {
  const detected = await (await provider()).detect();
  if (!detected.available) {
    const nothing = { version: null, observes: [], doesNotObserve: [], features: [], limits: [] };
    return { name, architecture, available: false, ...nothing, reason: detected.reason, fix: FIX };
  }
  const { version, observes, features, limits } = detected.capabilities;
  const words = observationWords(observes, architecture);
  return {
    name,
    architecture,
    available: true,
    version,
    ...words,
    features,
    limits,
    reason: null,
    fix: null,
  };
}

/** The last word of the first line that `name --version` prints. */
async function programVersion(name: string): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)(name, ['--version']);
    return stdout.split('\n', 1)[0]?.split(' ').at(-1) ?? null;
  } catch {
    return null;
  }
}

function architecturesWithoutMachine(machines: readonly MachineDiagnosis[]): Architecture[] {
  const all = new Set(machines.map((machine) => machine.architecture));
  return [...all].filter(
    (architecture) => !machines.some((machine) => machine.available && machine.architecture === architecture),
  );
}

function describe(diagnosis: Diagnosis): string {
  const lines = [`mmucheck ${diagnosis.version}, Node.js ${diagnosis.node}, ${diagnosis.platform}`, ''];
  for (const machine of diagnosis.machines) lines.push(...describeMachine(machine));
  for (const [name, version] of Object.entries(diagnosis.assemblers)) {
    lines.push(`${name.padEnd(22)}${version ?? 'absent'}   (only the stubs' own tests use it)`);
  }
  const without = architecturesWithoutMachine(diagnosis.machines);
  if (without.length > 0) lines.push('', `No machine runs ${without.join(' or ')} tables here. Run: ${FIX}`);
  return `${lines.join('\n')}\n`;
}

function describeMachine(machine: MachineDiagnosis): string[] {
  const head = machine.name.padEnd(22);
  if (!machine.available) return [`${head}absent: ${machine.reason}`, `  to get it: ${machine.fix}`, ''];
  const lines = [`${head}${machine.version}`, `  observes: ${machine.observes.join(', ')}`];
  if (machine.doesNotObserve.length > 0) {
    lines.push(`  does not observe: ${machine.doesNotObserve.join(', ')}`);
  }
  if (machine.features.length > 0) lines.push(`  features: ${machine.features.join(', ')}`);
  return [...lines, ...machine.limits.map((limit) => `  limit: ${limit}`), ''];
}
