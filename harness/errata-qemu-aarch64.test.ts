import { expect, test } from 'vitest';
import { Access, Privilege } from '../src/access-list.ts';
import { Known } from '../src/outcome-list.ts';
import { createWalker } from '../src/walker.ts';
import { Bit, HandmadeTables, Index, Tcr } from '../test/machines/aarch64-tables.ts';
import type { Outcome } from './errata.ts';
import { HIERARCHICAL_DISABLE } from './errata-qemu-aarch64.ts';

const ADDRESS = 0x5000n;
const FRAME = 0x9000;
const DATA_ABORT_SAME_LEVEL = 0x25 << 26;
const PERMISSION_FAULT_LEVEL_3 = 0b00_1111;
const TRANSLATION_FAULT_LEVEL_3 = 0b00_0111;

const NOTHING: Outcome = { known: 0xff, fault: 0, faultAddress: 0n, physicalAddress: -1, memoryType: 0xff };
const completes = (physicalAddress: number): Outcome => ({ ...NOTHING, physicalAddress });
const faults = (status: number, known = 0xff): Outcome => ({
  ...NOTHING,
  known,
  fault: DATA_ABORT_SAME_LEVEL | status,
});

/** Below a table that takes writes away, on a processor that must not heed TCR.HPD0. */
function isExcused(predicted: Outcome, observed: Outcome, tableBits = Bit.ReadOnlyTable): boolean {
  const image = new HandmadeTables({ cpu: 'cortex-a72', outputBits: 44, tcr: Tcr.HPD0 });
  const { memory, registers } = image.map(ADDRESS, BigInt(FRAME), Index.WriteBack | Bit.AF, 3, tableBits);
  const walker = createWalker(memory, registers);
  return HIERARCHICAL_DISABLE.explains({
    address: ADDRESS,
    access: Access.Write,
    privilege: Privilege.Supervisor,
    flags: 0,
    pkru: 0,
    predicted,
    observed,
    registers,
    explain: () => walker.explain(ADDRESS),
  });
}

const forbidden = faults(PERMISSION_FAULT_LEVEL_3);

test('HPD where it is RES0 lets through what a table forbids, or (by WXN) forbids what then is writable', () => {
  expect(isExcused(forbidden, completes(FRAME))).toBe(true);
  expect(isExcused(completes(FRAME), forbidden)).toBe(true);
  expect(isExcused(completes(FRAME), faults(PERMISSION_FAULT_LEVEL_3, Known.Completion))).toBe(true);
});

test('it excuses no other physical address, memory type or fault', () => {
  expect(isExcused(forbidden, completes(FRAME + 0x1000))).toBe(false);
  expect(isExcused(completes(FRAME), completes(FRAME + 0x1000))).toBe(false);
  expect(isExcused(completes(FRAME), { ...completes(FRAME), memoryType: 0x44 })).toBe(false);
  expect(isExcused(completes(FRAME), faults(TRANSLATION_FAULT_LEVEL_3))).toBe(false);
  expect(isExcused(forbidden, { ...forbidden, faultAddress: 8n })).toBe(false);
});

test('it excuses nothing below tables that take nothing away', () => {
  expect(isExcused(forbidden, completes(FRAME), 0n)).toBe(false);
});
