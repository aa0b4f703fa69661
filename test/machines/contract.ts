import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GuestImage, Machine, MachineOptions, MachineProvider } from '../../harness/machine.ts';
import { describeAArch64LargeAddressesContract } from './aarch64-large-addresses-contract.ts';
import { describeAArch64LiveContract } from './aarch64-live-contract.ts';
import { describeAArch64OneRangeContract } from './aarch64-one-range-contract.ts';
import { describeAArch64RegimesContract } from './aarch64-regimes-contract.ts';
import { describeAArch64StageTwoContract } from './aarch64-stage-two-contract.ts';
import { describeAArch64StubContract } from './aarch64-stub-contract.ts';
import { HandmadeTables as AArch64Tables } from './aarch64-tables.ts';
import { describeAArch64TranslationContract } from './aarch64-translation-contract.ts';
import { describeLifeContract } from './life-contract.ts';
import { describeX64Contract } from './x64-contract.ts';
import { describeX64LiveContract } from './x64-live-contract.ts';
import { describeX64StubContract } from './x64-stub-contract.ts';
import { HandmadeTables as X64Tables } from './x64-tables.ts';

/** What a case of the contract works with. */
export interface MachineUnderTest {
  /** The machine with `image` loaded; the same one as long as possible. */
  loaded(image: GuestImage): Promise<Machine>;
  /** A machine of its own, closed when the suite ends. */
  open(options?: MachineOptions): Promise<Machine>;
}

/** The statements that hold for every machine, told to one of them. A machine that is not installed fails. */
export function describeMachineContract(provider: MachineProvider): void {
  describe(`the contract of machines: ${provider.name}`, () => {
    const opened: Machine[] = [];
    let shared: Machine;
    const open = async (options?: MachineOptions) => {
      const machine = await provider.open(options);
      opened.push(machine);
      return machine;
    };
    beforeAll(async () => {
      shared = await open();
    });
    afterAll(async () => {
      for (const machine of opened) await machine.close();
    });

    test('says what it is and what it can observe', async () => {
      const detected = await provider.detect();
      expect(detected.available).toBe(true);
      expect(shared.name).toBe(provider.name);
      expect(shared.capabilities.architecture).toBe(provider.architecture);
      expect(shared.capabilities.version).toMatch(/^\d+(\.\d+)+$/);
    });

    const subject: MachineUnderTest = {
      open,
      async loaded(image) {
        await shared.load(image);
        return shared;
      },
    };
    if (provider.architecture === 'x64') {
      describeLifeContract(subject, () => new X64Tables());
      describeX64Contract(subject);
      describeX64StubContract(subject);
      describeX64LiveContract(subject);
    } else {
      describeLifeContract(subject, () => new AArch64Tables());
      describeAArch64TranslationContract(subject);
      describeAArch64OneRangeContract(subject);
      describeAArch64StubContract(subject);
      describeAArch64RegimesContract(subject);
      describeAArch64StageTwoContract(subject);
      describeAArch64LargeAddressesContract(subject);
      describeAArch64LiveContract(subject);
    }
  });
}
