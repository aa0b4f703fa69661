import type { TlbiName } from '../../src/aarch64/mapping/tlb-maintenance.ts';
import { compareVersions } from '../errata.ts';
import type { Machine } from '../machine.ts';

/** A known deviation of a machine in what an invalidation ends. It never makes a case pass: it is named instead. */
export interface TlbErratum {
  /** Short and stable, in kebab case. */
  readonly rule: string;
  readonly machine: string;
  /** First version that does not deviate any more. */
  readonly before: string;
  /** What the machine does, what the architecture says, and the section that says so. */
  readonly description: string;
  /** The test that reproduces the deviation. */
  readonly test: string;
  /** The regime and the invalidation that deviates in it. */
  readonly regime: string;
  readonly operation: TlbiName;
}

const TLB_ERRATA: readonly TlbErratum[] = [
  {
    rule: 'vae2-without-el2-and-0',
    machine: 'qemu-aarch64',
    before: '8.2',
    description:
      'TLBI VAE2IS with HCR_EL2.E2H = 1 invalidates translations of EL2 without E2H only, and not those of EL2&0, for which it is then (Arm ARM C5.5, TLBI VAE2IS); TLBI ALLE2IS ends them',
    test: 'test/machines/aarch64-live-contract.ts',
    regime: 'EL2&0',
    operation: 'VAE2IS',
  },
];

/** The errata that apply to a machine in its version. */
export function tlbErrataOf({
  name,
  capabilities,
}: Pick<Machine, 'name' | 'capabilities'>): readonly TlbErratum[] {
  return TLB_ERRATA.filter(
    ({ machine, before }) => machine === name && compareVersions(capabilities.version, before) < 0,
  );
}
