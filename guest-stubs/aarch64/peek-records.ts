import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { RESULT_RECORD_WORDS, Result, VECTOR_NONE } from '../protocol.ts';
import { TAG_BYTES } from './data-tag.ts';

/** Reads at the loop's level of the slots that hold addresses. */
export function peekRecords(addresses: readonly bigint[]): AccessList {
  const accesses = new AccessList(addresses.length);
  for (const [index, address] of addresses.entries()) {
    const slot = address & -BigInt(TAG_BYTES);
    const [low, high] = [Number(slot & 0xffff_ffffn), Number(slot >> 32n)];
    accesses.set(index, low, high, Access.Read, Privilege.Supervisor);
  }
  return accesses;
}

/** What the reads of {@link peekRecords} returned; undefined for one that faulted. @param results result records */
export function peekedValues(addresses: readonly bigint[], results: Uint32Array): (bigint | undefined)[] {
  return addresses.map((address, index) => {
    const at = index * RESULT_RECORD_WORDS;
    const vector = (results[at + Result.Vector / 4] as number) & 0xffff;
    if (vector !== VECTOR_NONE) return undefined;
    const half = address % BigInt(TAG_BYTES) === 0n ? Result.FaultAddress : Result.Instruction;
    const word = at + half / 4;
    return (BigInt(results[word + 1] as number) << 32n) | BigInt(results[word] as number);
  });
}
