import { expect, test } from 'vitest';
import { Access, Privilege } from '../src/access-list.ts';
import { Known } from '../src/outcome-list.ts';
import { createWalker } from '../src/walker.ts';
import { Bit, HandmadeTables, Index } from '../test/machines/aarch64-tables.ts';
import type { Outcome } from './errata.ts';
import { UNICORN_ERRATA } from './errata-unicorn.ts';

const ADDRESS = 0x5000n;
/** Beyond the 36 bits of the tables' output size. */
const BEYOND = 2 ** 36;
const DATA_ABORT_SAME_LEVEL = 0x25 << 26;
const ADDRESS_SIZE_FAULT_LEVEL_3 = 0b00_0011;
const PERMISSION_FAULT_LEVEL_3 = 0b00_1111;
const TRANSLATION_FAULT_LEVEL_3 = 0b00_0111;

const NOTHING: Outcome = { known: 0, fault: 0, faultAddress: 0n, physicalAddress: -1, memoryType: 0 };
const completes = (physicalAddress: number): Outcome => ({
  ...NOTHING,
  known: Known.Completion | Known.PhysicalAddress,
  physicalAddress,
});
const faults = (status: number): Outcome => ({
  ...NOTHING,
  known: Known.Completion | Known.FaultClass | Known.FaultStatus,
  fault: DATA_ABORT_SAME_LEVEL | status,
});

function isExcused(observed: Outcome): boolean {
  const image = new HandmadeTables({ outputBits: 36 });
  const { memory, registers } = image.map(ADDRESS, BigInt(BEYOND), Index.WriteBack | Bit.AF);
  const walker = createWalker(memory, registers);
  const erratum = UNICORN_ERRATA.find(({ rule }) => rule === 'address-size-not-checked');
  return (
    erratum?.explains({
      address: ADDRESS,
      access: Access.Read,
      privilege: Privilege.Supervisor,
      flags: 0,
      pkru: 0,
      predicted: faults(ADDRESS_SIZE_FAULT_LEVEL_3),
      observed,
      registers,
      explain: () => walker.explain(ADDRESS),
    }) ?? false
  );
}

test('an address size fault that is not checked lands where the descriptor says, or is refused for another reason', () => {
  expect(isExcused(completes(BEYOND))).toBe(true);
  expect(isExcused(faults(PERMISSION_FAULT_LEVEL_3))).toBe(true);
});

test('it excuses no other address, though it be beyond the size too, and no fault that the descriptor cannot give', () => {
  expect(isExcused(completes(BEYOND + 0x1000))).toBe(false);
  expect(isExcused(completes(0x5000))).toBe(false);
  expect(isExcused(faults(TRANSLATION_FAULT_LEVEL_3))).toBe(false);
});
