import type { TestContext } from 'vitest';
import type { GuestImage } from '../../harness/machine.ts';
import { HandmadeTables } from './aarch64-tables.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, type Row } from './expectations.ts';

/** What the contracts of AArch64 machines ask of the machine under test. */
export function aarch64Subject(subject: MachineUnderTest) {
  return {
    /** Loads `image` and expects what the rows say. */
    async check(image: GuestImage, rows: readonly Row[]): Promise<void> {
      await expectOutcomes(await subject.loaded(image), image, rows);
    },
    /** A machine without a feature of the architecture says so, and is not asked for it: the test is skipped. */
    async needs(features: string | readonly string[], { skip }: TestContext): Promise<void> {
      const { capabilities } = await subject.loaded(new HandmadeTables());
      const lacking = [features].flat().find((feature) => !capabilities.features.includes(feature));
      skip(lacking !== undefined, `this machine has no ${lacking}`);
    },
  };
}
