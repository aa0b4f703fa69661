/**
 * A second, independent statement of x64 paging for tests: one access at a time, in bigints, paragraph by
 * paragraph of Intel SDM Vol. 3A §4.5 to §4.9. It shares nothing with the walker but the types of its input.
 */
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { X64Registers } from '../../src/registers.ts';

export interface ReferenceAccess {
  address: bigint;
  write: boolean;
  fetch: boolean;
  userMode: boolean;
  ac: boolean;
  pkru: bigint;
}

export type ReferenceOutcome =
  | { completes: true; physicalAddress: bigint; memoryType: bigint }
  | { completes: false; vector: number; errorCode: number; cr2: bigint }
  | { completes: false; missing: bigint };

const bit = (value: bigint, position: number): boolean => ((value >> BigInt(position)) & 1n) === 1n;
const bits = (value: bigint, high: number, low: number): bigint =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);

export function translateByTheManual(
  memory: PhysicalMemory,
  registers: X64Registers,
  access: ReferenceAccess,
): ReferenceOutcome {
  const { address, write, fetch, userMode, ac, pkru } = access;
  const wp = bit(registers.cr0, 16);
  const nxe = bit(registers.efer, 11);
  const smep = bit(registers.cr4, 20);
  const smap = bit(registers.cr4, 21);
  const pke = bit(registers.cr4, 22);
  const la57 = bit(registers.cr4, 12);
  const maxphyaddr = registers.physicalAddressBits;

  // Canonical: bits 63 down to the most significant implemented bit are identical.
  const top = la57 ? 56 : 47;
  const upperBits = bits(address, 63, top);
  const allOnes = (1n << BigInt(64 - top)) - 1n;
  if (upperBits !== 0n && upperBits !== allOnes) {
    return { completes: false, vector: 13, errorCode: 0, cr2: 0n };
  }

  // §4.7: what the error code says about the access itself.
  const errorOf = (cause: { present: boolean; reserved: boolean; key: boolean }): ReferenceOutcome => {
    let errorCode = 0;
    if (cause.present) errorCode += 1;
    if (write) errorCode += 2;
    if (userMode) errorCode += 4;
    if (cause.reserved) errorCode += 8;
    if (fetch && (smep || nxe)) errorCode += 16;
    if (cause.key) errorCode += 32;
    return { completes: false, vector: 14, errorCode, cr2: address };
  };

  const used: bigint[] = [];
  let table = bits(registers.cr3, 51, 12) << 12n;
  let leaf: { entry: bigint; pageBits: number } | undefined;
  const structures = la57
    ? (['PML5', 'PML4', 'PDPT', 'PD', 'PT'] as const)
    : (['PML4', 'PDPT', 'PD', 'PT'] as const);
  for (const structure of structures) {
    const lowest = { PML5: 48, PML4: 39, PDPT: 30, PD: 21, PT: 12 }[structure];
    const entryAddress = table + bits(address, lowest + 8, lowest) * 8n;
    const entry = memory.readEntry(entryAddress);
    if (entry === undefined) return { completes: false, missing: entryAddress };
    if (!bit(entry, 0)) return errorOf({ present: false, reserved: false, key: false });

    let reserved = false;
    for (let position = maxphyaddr; position <= 51; position++) reserved ||= bit(entry, position);
    if (!nxe) reserved ||= bit(entry, 63);
    const ps = bit(entry, 7);
    if (structure === 'PML5' || structure === 'PML4') reserved ||= ps;
    if (structure === 'PDPT' && ps) reserved ||= bits(entry, 29, 13) !== 0n;
    if (structure === 'PD' && ps) reserved ||= bits(entry, 20, 13) !== 0n;
    if (reserved) return errorOf({ present: true, reserved: true, key: false });

    used.push(entry);
    if (structure === 'PT' || (ps && (structure === 'PDPT' || structure === 'PD'))) {
      leaf = { entry, pageBits: lowest };
      break;
    }
    table = bits(entry, 51, 12) << 12n;
  }
  if (leaf === undefined) throw new Error('the walk has no leaf');

  // §4.6.1: "a user-mode address if U/S is 1 in every entry", and so on.
  const userAddress = used.every((entry) => bit(entry, 2));
  const writable = used.every((entry) => bit(entry, 1));
  const executeDisabled = nxe && used.some((entry) => bit(entry, 63));

  // §4.6.2
  const key = Number(bits(leaf.entry, 62, 59));
  const accessDisabled = bit(pkru, 2 * key);
  const writeDisabled = bit(pkru, 2 * key + 1);
  const keyForbids =
    pke && !fetch && userAddress && (accessDisabled || (writeDisabled && write && (userMode || wp)));

  let allowed: boolean;
  if (userMode) {
    if (fetch) allowed = userAddress && !executeDisabled;
    else if (write) allowed = userAddress && writable;
    else allowed = userAddress;
  } else if (userAddress) {
    if (fetch) allowed = !smep && !executeDisabled;
    else if (smap && !ac) allowed = false;
    else if (write) allowed = !wp || writable;
    else allowed = true;
  } else {
    if (fetch) allowed = !executeDisabled;
    else if (write) allowed = !wp || writable;
    else allowed = true;
  }
  if (!allowed || keyForbids) return errorOf({ present: true, reserved: false, key: keyForbids });

  const offset = bits(address, leaf.pageBits - 1, 0);
  const page = (bits(leaf.entry, 51, leaf.pageBits) << BigInt(leaf.pageBits)) + offset;
  const patBit = bit(leaf.entry, leaf.pageBits === 12 ? 7 : 12) ? 4n : 0n;
  const patIndex = patBit + bits(leaf.entry, 4, 3);
  const pat = registers.pat ?? 0x0007_0406_0007_0406n;
  return {
    completes: true,
    physicalAddress: page,
    memoryType: bits(pat, Number(patIndex) * 8 + 2, Number(patIndex) * 8),
  };
}
