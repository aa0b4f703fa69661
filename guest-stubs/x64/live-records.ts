import { ACCESS_RECORD_BYTES, Access, AccessList, Privilege } from '../../src/access-list.ts';
import type { X64TlbOperation } from '../../src/x64/tlb-operation.ts';
import { RESULT_RECORD_WORDS, Result, VECTOR_NONE } from '../protocol.ts';
import { X64Operation, X64ProbeFlag } from './control.ts';

const OPERATIONS = {
  invlpg: X64Operation.InvalidatePage,
  'reload-cr3': X64Operation.ReloadCr3,
  'toggle-pge': X64Operation.TogglePge,
} as const satisfies Record<X64TlbOperation['kind'], number>;

/** TLB operations as the stub's records (PROTOCOL.md, COMMAND 3). */
export function tlbRecords(operations: readonly X64TlbOperation[]): Uint8Array {
  const bytes = new Uint8Array(operations.length * ACCESS_RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, operation] of operations.entries()) {
    const at = index * ACCESS_RECORD_BYTES;
    if (operation.kind === 'invlpg') view.setBigUint64(at, operation.address, true);
    view.setUint8(at + 8, OPERATIONS[operation.kind]);
  }
  return bytes;
}

/** Supervisor reads of 8 bytes, whatever they hold. */
export function peekRecords(addresses: readonly bigint[]): AccessList {
  const accesses = new AccessList(addresses.length);
  for (const [index, address] of addresses.entries()) {
    const [low, high] = [Number(address & 0xffff_ffffn), Number(address >> 32n)];
    accesses.set(index, low, high, Access.Read, Privilege.Supervisor, X64ProbeFlag.WholeValue);
  }
  return accesses;
}

/** What the reads of {@link peekRecords} returned; undefined for one that faulted. @param results result records */
export function peekedValues(results: Uint32Array, count: number): (bigint | undefined)[] {
  return Array.from({ length: count }, (_, index) => {
    const at = index * RESULT_RECORD_WORDS;
    const vector = (results[at + Result.Vector / 4] as number) & 0xffff;
    if (vector !== VECTOR_NONE) return undefined;
    return (BigInt(results[at + 1] as number) << 32n) | BigInt(results[at] as number);
  });
}
