import { expect } from 'vitest';
import type { AccessList } from '../../src/access-list.ts';
import { HPFAR_NONE, KNOWN_ALL, Known, type OutcomeList } from '../../src/outcome-list.ts';

/** The columns of one outcome. */
export interface OutcomeRow {
  readonly fault: number;
  readonly faultAddress: bigint;
  readonly physicalAddress: bigint;
  readonly memoryType: number;
  readonly known: number;
  readonly hpfar: bigint;
}

/** A row that says nothing but the fault. */
export function faultRow(fault: number, columns: Partial<OutcomeRow> = {}): OutcomeRow {
  return {
    fault,
    faultAddress: 0n,
    physicalAddress: -1n,
    memoryType: 0,
    known: KNOWN_ALL,
    hpfar: HPFAR_NONE,
    ...columns,
  };
}

/** Most rows agree, so the slow matcher is kept for those that do not. */
export function expectRow(
  accesses: AccessList,
  outcomes: OutcomeList,
  index: number,
  expected: OutcomeRow,
): void {
  const row: { -readonly [Column in keyof OutcomeRow]: OutcomeRow[Column] } = {
    fault: outcomes.fault[index] as number,
    faultAddress: outcomes.faultAddress[index] as bigint,
    physicalAddress: BigInt(outcomes.physicalAddress[index] as number),
    memoryType: outcomes.memoryType[index] as number,
    known: outcomes.known[index] as number,
    hpfar: outcomes.hpfar?.[index] ?? HPFAR_NONE,
  };
  if ((expected.known & Known.MemoryType) === 0) row.memoryType = 0;
  const columns = Object.keys(expected) as (keyof OutcomeRow)[];
  if (columns.every((column) => row[column] === expected[column])) return;
  expect(row, `access ${index} at 0x${accesses.address(index).toString(16)}`).toEqual(expected);
}
