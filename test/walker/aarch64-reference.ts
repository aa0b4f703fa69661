/**
 * A second, independent statement of AArch64 stage 1 for tests (EL1&0 and EL2, 4 KiB granule): one access at a
 * time, in bigints, in the order of the Arm ARM's pseudocode (AArch64.S1Translate, AArch64.S1Walk,
 * AArch64.S1DirectBasePermissions). It shares nothing with the walker but the types of its input.
 */
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';

export interface ReferenceAccess {
  va: bigint;
  write: boolean;
  fetch: boolean;
  fromEl0: boolean;
}

export type ReferenceOutcome =
  | { completes: true; pa: bigint; attributes: bigint; shareability: bigint }
  | { completes: false; esr: bigint; far: bigint }
  | { completes: false; missing: bigint };

type Fault = 'AddressSize' | 'Translation' | 'AccessFlag' | 'Permission';

const isSet = (value: bigint, position: number): boolean => ((value >> BigInt(position)) & 1n) === 1n;
const slice = (value: bigint, high: number, low: number): bigint =>
  high < low ? 0n : (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const ones = (count: number): bigint => (1n << BigInt(count)) - 1n;

export function translateByTheManual(
  memory: PhysicalMemory,
  registers: AArch64Registers,
  access: ReferenceAccess,
): ReferenceOutcome {
  const { tcr, sctlr, mair } = registers;
  const { va, write, fetch, fromEl0 } = access;
  const el1 = registers.exceptionLevel === 1;
  const oldCpu = registers.cpu === 'cortex-a72';

  const upper = el1 && isSet(va, 55);
  const at = (el1Lower: number, el1Upper: number, el2: number) => (el1 ? (upper ? el1Upper : el1Lower) : el2);
  const txsz = Number(el1 && upper ? slice(tcr, 21, 16) : slice(tcr, 5, 0));
  const tbi = isSet(tcr, at(37, 38, 20)) && !(fetch && !oldCpu && isSet(tcr, at(51, 52, 29)));
  const hpd = !oldCpu && isSet(tcr, at(41, 42, 24));
  const ha = !oldCpu && isSet(tcr, at(39, 39, 21));
  const hd = ha && isSet(tcr, at(40, 40, 22));
  const e0pd = el1 && !oldCpu && isSet(tcr, upper ? 56 : 55);
  const epd = el1 && isSet(tcr, upper ? 23 : 7);
  const wxn = isSet(sctlr, 19);

  const abort = (kind: Fault, level: number): ReferenceOutcome => {
    const lowerEl = el1 && fromEl0;
    const ec = fetch ? (lowerEl ? 0b100000n : 0b100001n) : lowerEl ? 0b100100n : 0b100101n;
    const status =
      { AddressSize: 0n, Translation: 4n, AccessFlag: 8n, Permission: 12n }[kind] + BigInt(level);
    const wnr = write ? 1n : 0n;
    let far = va;
    if (fetch && tbi) {
      // A branch has already replaced the tag.
      far = slice(va, 55, 0);
      if (el1 && isSet(va, 55)) far |= 0xffn << 56n;
    }
    return { completes: false, esr: (ec << 26n) | (1n << 25n) | (wnr << 6n) | status, far };
  };

  // S1InvalidTxSZ, VAIsOutOfRange, E0PD, EPD
  if (txsz < 16 || txsz > (oldCpu ? 39 : 48)) return abort('Translation', 0);
  const inputBits = 64 - txsz;
  const topBit = tbi ? 55 : 63;
  const above = slice(va, topBit, inputBits);
  if (above !== (upper ? ones(topBit - inputBits + 1) : 0n)) return abort('Translation', 0);
  if (fromEl0 && e0pd) return abort('Translation', 0);
  if (epd) return abort('Translation', 0);

  const sizes = [32, 36, 40, 42, 44, 48, 52];
  const ps = sizes[Number(slice(tcr, at(34, 34, 18), at(32, 32, 16)))] ?? 52;
  const implemented = registers.physicalAddressBits ?? (oldCpu ? 44 : 48);
  const outputBits = Math.min(ps, implemented, 48);

  let level = 0;
  while (12 + 9 * (3 - level) >= inputBits) level++;
  const ttbr = upper ? registers.ttbr1 : registers.ttbr0;
  const rootIndexBits = inputBits - (12 + 9 * (3 - level));
  let tableBase = (slice(ttbr, 47, 0) >> BigInt(rootIndexBits + 3)) << BigInt(rootIndexBits + 3);
  if (tableBase >= 1n << BigInt(outputBits)) return abort('AddressSize', 0);
  let msb = inputBits - 1;
  let apTable = 0n;
  let xnTable = false;
  let pxnTable = false;

  for (;;) {
    const lsb = 12 + 9 * (3 - level);
    const address = tableBase + slice(va, msb, lsb) * 8n;
    const descriptor = memory.readEntry(address);
    if (descriptor === undefined) return { completes: false, missing: address };
    const type = slice(descriptor, 1, 0);
    if (type === 0b00n || type === 0b10n) return abort('Translation', level);
    if (type === 0b01n && (level === 0 || level === 3)) return abort('Translation', level);
    if (slice(descriptor, 47, outputBits) !== 0n) return abort('AddressSize', level);

    if (type === 0b11n && level < 3) {
      if (!hpd) {
        apTable |= slice(descriptor, 62, 61);
        xnTable ||= isSet(descriptor, 60);
        pxnTable ||= isSet(descriptor, 59);
      }
      tableBase = slice(descriptor, 47, 12) << 12n;
      msb = lsb - 1;
      level++;
      continue;
    }

    if (!isSet(descriptor, 10) && !ha) return abort('AccessFlag', level);
    let ap2 = isSet(descriptor, 7);
    if (hd && isSet(descriptor, 51)) ap2 = false;
    if (isSet(apTable, 1)) ap2 = true;
    const ap1 = isSet(descriptor, 6) && !isSet(apTable, 0);
    const xn = isSet(descriptor, 54) || xnTable;
    const pxn = isSet(descriptor, 53) || pxnTable;

    let permitted: boolean;
    if (el1) {
      // S1DirectBasePermissions of a regime with unprivileged accesses
      const userReads = ap1;
      const userWrites = ap1 && !ap2;
      const privilegedWrites = !ap2;
      const userExecutes = !xn && !(userWrites && wxn);
      const privilegedExecutes = !(pxn || userWrites || (privilegedWrites && wxn));
      if (fromEl0) permitted = fetch ? userExecutes : write ? userWrites : userReads;
      else permitted = fetch ? privilegedExecutes : write ? privilegedWrites : true;
    } else {
      const writes = !ap2;
      permitted = fetch ? !(xn || (writes && wxn)) : write ? writes : true;
    }
    if (!permitted) return abort('Permission', level);

    const pa = (slice(descriptor, 47, lsb) << BigInt(lsb)) + slice(va, lsb - 1, 0);
    const attributeIndex = Number(slice(descriptor, 4, 2));
    const attributes = slice(mair, attributeIndex * 8 + 7, attributeIndex * 8);
    const alwaysOuter = slice(attributes, 7, 4) === 0n || attributes === 0x44n;
    return { completes: true, pa, attributes, shareability: alwaysOuter ? 2n : slice(descriptor, 9, 8) };
  }
}
