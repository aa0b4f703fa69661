import type { Access, Privilege } from '../src/access-list.ts';
import type { PhysicalMemory } from '../src/memory/physical-memory.ts';
import type { Registers } from '../src/registers.ts';
import type { WalkStep } from '../src/translation.ts';
import { QEMU_AARCH64_ERRATA } from './errata-qemu-aarch64.ts';
import { UNICORN_ERRATA } from './errata-unicorn.ts';
import { X64_ERRATA } from './errata-x64.ts';
import type { Outcome } from './outcome.ts';

/** An access whose observation differs from the prediction. */
export interface DeviatingProbe {
  readonly address: bigint;
  readonly access: Access;
  readonly privilege: Privilege;
  /** Bits of AccessFlag. */
  readonly flags: number;
  readonly pkru: number;
  readonly predicted: Outcome;
  readonly observed: Outcome;
  readonly registers: Registers;
  /** The tables before the first access. */
  readonly memory: PhysicalMemory;
  /** The walk to the address under test, see Walker.explain. */
  explain(): readonly WalkStep[];
}

/**
 * A known deviation of a machine from the architecture. It never makes a probe pass: a probe that it
 * explains is counted apart, as an erratum.
 */
export interface Erratum {
  /** Short and stable, in kebab case: "reserved-bit-fault-reports-not-present". */
  readonly rule: string;
  /** The machine's name: "qemu-x64". */
  readonly machine: string;
  /** First version that deviates; every version before `before` if absent. */
  readonly from?: string;
  /** First version that does not deviate any more; every version since `from` if absent. */
  readonly before?: string;
  /** What the machine does, what the architecture says, and the section that says so. */
  readonly description: string;
  /** The test that reproduces the deviation, as a path in the project. */
  readonly test: string;
  /** Whether this deviation, and nothing else, accounts for the difference. */
  explains(probe: DeviatingProbe): boolean;
}

/** Every known deviation. A version that an entry does not name is not excused by it. */
export const ERRATA: readonly Erratum[] = [...X64_ERRATA, ...QEMU_AARCH64_ERRATA, ...UNICORN_ERRATA];

/** The errata that apply to a machine in one version. */
export function errataOf(
  machine: string,
  version: string,
  errata: readonly Erratum[] = ERRATA,
): readonly Erratum[] {
  return errata.filter(
    (erratum) =>
      erratum.machine === machine &&
      (erratum.from === undefined || compareVersions(version, erratum.from) >= 0) &&
      (erratum.before === undefined || compareVersions(version, erratum.before) < 0),
  );
}

/** Compares dotted version numbers part by part; a missing part counts as 0. @returns negative, 0 or positive */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [left, right].map((version) => version.split('.').map((part) => Number.parseInt(part, 10)));
  for (let part = 0; part < Math.max(a?.length ?? 0, b?.length ?? 0); part++) {
    const difference = (a?.[part] || 0) - (b?.[part] || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
