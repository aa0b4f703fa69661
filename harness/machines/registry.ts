import type { Architecture } from '../../src/registers.ts';
import type { MachineProvider } from '../machine.ts';

/** A machine that mmucheck knows; its module is loaded when its provider is asked for, not before. */
export interface RegisteredMachine {
  /** "qemu-x64": the family, a hyphen, the architecture. */
  readonly name: string;
  readonly architecture: Architecture;
  /** Loads the machine's module. */
  provider(): Promise<MachineProvider>;
}

/** Every machine, in the order of reports: the richest observer of each architecture first. */
export const MACHINES: readonly RegisteredMachine[] = [
  {
    name: 'qemu-x64',
    architecture: 'x64',
    provider: async () => (await import('../../qemu/qemu-x64.ts')).qemuX64,
  },
  {
    name: 'unicorn-x64',
    architecture: 'x64',
    provider: async () => (await import('./unicorn/unicorn-x64.ts')).unicornX64,
  },
  {
    name: 'qemu-aarch64',
    architecture: 'aarch64',
    provider: async () => (await import('../../qemu/qemu-aarch64.ts')).qemuAArch64,
  },
  {
    name: 'unicorn-aarch64',
    architecture: 'aarch64',
    provider: async () => (await import('./unicorn/unicorn-aarch64.ts')).unicornAArch64,
  },
];

/** Names of machines that cannot be meant: unknown, or of another architecture than the input's. */
export class MachineSelectionError extends Error {
  override readonly name = 'MachineSelectionError';
}

/**
 * The machines that `names` mean for an input of `architecture`, or of any, each once, in the order of {@link MACHINES}.
 * A name is a machine's own ("qemu-x64") or its family's ("qemu"); no names at all mean every machine.
 *
 * @throws MachineSelectionError quoting the name, with the names that there are
 */
export function selectMachines(
  names: readonly string[],
  architecture?: Architecture,
): readonly RegisteredMachine[] {
  const candidates =
    architecture === undefined
      ? MACHINES
      : MACHINES.filter((machine) => machine.architecture === architecture);
  if (names.length === 0) return candidates;
  const selected = new Set(names.flatMap((name) => machinesCalled(name, architecture, candidates)));
  return candidates.filter((machine) => selected.has(machine));
}

function machinesCalled(
  name: string,
  architecture: Architecture | undefined,
  candidates: readonly RegisteredMachine[],
): readonly RegisteredMachine[] {
  const machines = candidates.filter((candidate) => candidate.name === name || familyOf(candidate) === name);
  if (machines.length > 0) return machines;
  const other = MACHINES.find((candidate) => candidate.name === name);
  if (other !== undefined) {
    throw new MachineSelectionError(
      `machine '${name}' runs ${other.architecture} tables, but the input is ${architecture}`,
    );
  }
  const known = candidates.flatMap((candidate) => [familyOf(candidate), candidate.name]);
  throw new MachineSelectionError(
    `no machine is called '${name}'; ${architecture === undefined ? '' : `for ${architecture} `}there are: ${[...new Set(known)].join(', ')}`,
  );
}

function familyOf(machine: RegisteredMachine): string {
  return machine.name.slice(0, -(machine.architecture.length + 1));
}
