/**
 * A second, independent statement of AArch64 translation for tests: every regime, all granules, both stages; one
 * access at a time, in bigints, in the order of the Arm ARM's pseudocode (AArch64.S1Translate, S1Walk,
 * S2Translate, S2Walk). It shares nothing with the walker but the types of its input.
 */
import type { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import type { AArch64Registers } from '../../src/registers.ts';
import {
  combineStages,
  type Location,
  locationOfMair,
  locationOfStageTwo,
} from './aarch64-reference-types.ts';

export interface ReferenceAccess {
  va: bigint;
  write: boolean;
  fetch: boolean;
  fromEl0: boolean;
}

export type ReferenceOutcome =
  | ({ completes: true; pa: bigint } & Location)
  | { completes: false; esr: bigint; far: bigint; hpfar: bigint | 'open' | undefined }
  | { completes: false; missing: bigint };

type Fault = 'AddressSize' | 'Translation' | 'AccessFlag' | 'Permission';

export const isSet = (value: bigint, position: number): boolean => ((value >> BigInt(position)) & 1n) === 1n;
export const slice = (value: bigint, high: number, low: number): bigint =>
  high < low ? 0n : (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const ones = (count: number): bigint => (1n << BigInt(count)) - 1n;

interface Cpu {
  pa: number;
  /** The year of its architecture, more or less. */
  version: 0 | 2 | 9;
}
const CPUS: Record<string, Cpu> = {
  'cortex-a72': { pa: 44, version: 0 },
  'neoverse-n1': { pa: 48, version: 2 },
  max: { pa: 52, version: 9 },
};

class Abort {
  readonly kind: Fault;
  readonly level: number;
  readonly stage: 1 | 2;
  /** The intermediate address of a fault of stage 2. */
  readonly ipa: bigint;

  constructor(kind: Fault, level: number, stage: 1 | 2, ipa = 0n) {
    this.kind = kind;
    this.level = level;
    this.stage = stage;
    this.ipa = ipa;
  }
}

class Missing {
  readonly address: bigint;

  constructor(address: bigint) {
    this.address = address;
  }
}

/** What a walk is told about its tables. */
interface WalkParameters {
  stage: 1 | 2;
  granuleBits: number;
  ds: boolean;
  /** Descriptors have address bits 51:48 in 15:12. */
  lpa64K: boolean;
  ps: number;
  outputBits: number;
  inputBits: number;
  startLevel: number;
  base: bigint;
  ha: boolean;
}

const sizes = [32, 36, 40, 42, 44, 48, 52];

function outputBitsOf(granuleBits: number, ds: boolean, ps: number, paMax: number): number {
  const most = granuleBits === 16 || ds ? paMax : Math.min(paMax, 48);
  return Math.min(sizes[ps] ?? 52, most);
}

function tableBaseOf(
  ttbr: bigint,
  entriesBits: number,
  p: { granuleBits: number; ds: boolean; lpa64K: boolean; ps: number },
) {
  let align = BigInt(entriesBits + 3);
  if (p.ds || (p.lpa64K && p.ps === 6)) {
    if (align < 6n) align = 6n;
    const base = (slice(ttbr, 5, 2) << 48n) | (slice(ttbr, 47, 6) << 6n);
    return (base >> align) << align;
  }
  return (slice(ttbr, 47, 1) >> (align - 1n)) << align;
}

function addressIn(descriptor: bigint, lsb: number, p: WalkParameters): bigint {
  let address = (slice(descriptor, 47, lsb) << BigInt(lsb)) as bigint;
  if (p.ds) {
    address = slice(descriptor, 49, lsb) << BigInt(lsb);
    address |= slice(descriptor, 9, 8) << 50n;
  } else if (p.lpa64K) {
    address |= slice(descriptor, 15, 12) << 48n;
  }
  return address;
}

/** Walks tables down to a leaf. `read` gives the descriptor at an address of the tables, or throws. */
function walkTables(
  p: WalkParameters,
  ia: bigint,
  read: (address: bigint) => bigint,
  seeTable: (descriptor: bigint) => void,
): { descriptor: bigint; level: number; oa: bigint; at: bigint } {
  const stride = p.granuleBits - 3;
  let level = p.startLevel;
  let base = p.base;
  let msb = p.inputBits - 1;
  if (base >= 1n << BigInt(p.outputBits)) throw new Abort('AddressSize', 0, p.stage, ia);
  for (;;) {
    const lsb = p.granuleBits + stride * (3 - level);
    const at = base + slice(ia, msb, lsb) * 8n;
    const descriptor = read(at);
    const type = slice(descriptor, 1, 0);
    const isTable = type === 0b11n && level < 3;
    const isLeaf = level === 3 ? type === 0b11n : type === 0b01n && hasBlocks(p, level);
    if (!isTable && !isLeaf) throw new Abort('Translation', level, p.stage, ia);
    // All the address bits of the descriptor count for the size, also those below a block's.
    if (addressIn(descriptor, p.granuleBits, p) >= 1n << BigInt(p.outputBits))
      throw new Abort('AddressSize', level, p.stage, ia);
    if (isTable) {
      seeTable(descriptor);
      base = addressIn(descriptor, p.granuleBits, p);
      msb = lsb - 1;
      level++;
      continue;
    }
    if (!isSet(descriptor, 10) && !p.ha) throw new Abort('AccessFlag', level, p.stage, ia);
    return { descriptor, level, oa: addressIn(descriptor, lsb, p) + slice(ia, lsb - 1, 0), at };
  }
}

function hasBlocks(p: WalkParameters, level: number): boolean {
  if (level === 2) return true;
  if (level === 1) return p.granuleBits === 12 || (p.granuleBits === 14 ? p.ds : p.lpa64K);
  return level === 0 && p.granuleBits === 12 && p.ds;
}

export function translateByTheManual(
  memory: PhysicalMemory,
  registers: AArch64Registers,
  access: ReferenceAccess,
): ReferenceOutcome {
  const { tcr, sctlr, mair, exceptionLevel, hcrEl2 } = registers;
  const { va, write, fetch, fromEl0 } = access;
  const known = CPUS[registers.cpu ?? ''] ?? { pa: 48, version: 9 };
  const cpu: Cpu = { ...known, pa: registers.physicalAddressBits ?? known.pa };
  const e2h = exceptionLevel === 2 && isSet(hcrEl2, 34) && cpu.version >= 2;
  const twoHalves = exceptionLevel === 1 || e2h;
  const dc = exceptionLevel === 1 && isSet(hcrEl2, 12);
  const secondStage = exceptionLevel === 1 && (isSet(hcrEl2, 0) || dc);

  const upper = twoHalves && isSet(va, 55);
  const at = (lower: number, higher: number, single: number) =>
    twoHalves ? (upper ? higher : lower) : single;
  const tbi = isSet(tcr, at(37, 38, 20)) && !(fetch && cpu.version >= 9 && isSet(tcr, at(51, 52, 29)));
  const topBit = tbi ? 55 : 63;

  const readPhysical = (address: bigint): bigint => {
    const descriptor = memory.readEntry(address);
    if (descriptor === undefined) throw new Missing(address);
    return descriptor;
  };

  /** Stage 2 of an address; `what` is asked of it. */
  const stageTwo = (ipa: bigint, what: 'read' | 'write' | 'fetch', forTables: boolean) => {
    const vtcr = registers.vtcr ?? 0n;
    const granuleBits = [12, 16, 14][Number(slice(vtcr, 15, 14))] ?? 0;
    const ds = cpu.version >= 9 && granuleBits !== 16 && isSet(vtcr, 32);
    const lpa64K = granuleBits === 16 && cpu.pa === 52;
    const ps = Number(slice(vtcr, 18, 16));
    const inputBits = 64 - Number(slice(vtcr, 5, 0));
    const fault = () => new Abort('Translation', 0, 2, ipa);
    const mostInput = lpa64K || ds ? cpu.pa : Math.min(cpu.pa, 48);
    const leastInput = cpu.version >= 9 ? (granuleBits === 16 ? 17 : 16) : 25;
    if (inputBits > mostInput || inputBits < leastInput) throw fault();
    const sl0 = Number(slice(vtcr, 7, 6));
    const sl2 = granuleBits === 12 && ds && isSet(vtcr, 33);
    let startLevel: number;
    if (granuleBits === 12) {
      if (sl2 && sl0 !== 0) throw fault();
      startLevel = sl2 ? -1 : ([2, 1, 0, 3][sl0] as number);
      if (startLevel === -1 && cpu.pa < 52) throw fault();
      if (startLevel === 0 && cpu.pa < 44) throw fault();
      if (startLevel === 3 && cpu.version < 9) throw fault();
    } else {
      startLevel = 3 - sl0;
      if (granuleBits === 16 && (sl0 === 3 || (sl0 === 2 && cpu.pa < 44))) throw fault();
      if (granuleBits === 14 && sl0 === 3 && (!ds || cpu.pa < 52)) throw fault();
      if (granuleBits === 14 && sl0 === 2 && cpu.pa < 42) throw fault();
    }
    const stride = granuleBits - 3;
    const resolvedBelow = granuleBits + (3 - startLevel) * stride;
    if (inputBits < resolvedBelow + 1 || inputBits > resolvedBelow + stride + 4) throw fault();
    if (ipa >= 1n << BigInt(inputBits)) throw fault();
    const ha = cpu.version >= 2 && isSet(vtcr, 21);
    const p: WalkParameters = {
      stage: 2,
      granuleBits,
      ds,
      lpa64K,
      ps,
      outputBits: outputBitsOf(granuleBits, ds, ps, cpu.pa),
      inputBits,
      startLevel,
      base: tableBaseOf(registers.vttbr ?? 0n, inputBits - resolvedBelow, { granuleBits, ds, lpa64K, ps }),
      ha,
    };
    const { descriptor, level, oa } = walkTables(p, ipa, readPhysical, () => {});
    const reads = isSet(descriptor, 6);
    const writes = isSet(descriptor, 7) || (ha && isSet(vtcr, 22) && isSet(descriptor, 51));
    let executes = !isSet(descriptor, 54);
    if (cpu.version >= 2) {
      const xn = slice(descriptor, 54, 53);
      executes = xn === 0b00n || (fromEl0 ? xn === 0b01n : xn === 0b11n);
    }
    const location = locationOfStageTwo(
      slice(descriptor, 5, 2),
      ds ? slice(vtcr, 13, 12) : slice(descriptor, 9, 8),
    );
    const permitted = what === 'fetch' ? executes : what === 'write' ? writes : reads;
    const isProtected = forTables && isSet(hcrEl2, 2) && slice(descriptor, 5, 4) === 0n;
    if (!permitted || isProtected) throw new Abort('Permission', level, 2, ipa);
    return { pa: oa, location };
  };

  /** The memory that holds the tables of stage 1. */
  const tableAddress = (address: bigint, what: 'read' | 'write') =>
    secondStage ? stageTwo(address, what, true).pa : address;

  const stageOne = (): { oa: bigint; location: Location } => {
    if (dc || !isSet(sctlr, 0)) {
      if (slice(va, topBit, cpu.pa) !== 0n) throw new Abort('AddressSize', 0, 1);
      const oa = slice(va, cpu.pa - 1, 0);
      if (dc) return { oa, location: locationOfMair(0xffn, 0n) };
      const attribute = fetch ? (isSet(sctlr, 12) ? 0xaan : 0x44n) : 0n;
      return { oa, location: locationOfMair(attribute, 2n) };
    }
    const tg = Number(slice(tcr, upper ? 31 : 15, upper ? 30 : 14));
    const granuleBits = (upper ? [0, 14, 12, 16] : [12, 16, 14, 0])[tg] as number;
    const ds = cpu.version >= 9 && granuleBits !== 16 && isSet(tcr, twoHalves ? 59 : 32);
    const lpa64K = granuleBits === 16 && cpu.pa === 52;
    const ps = Number(twoHalves ? slice(tcr, 34, 32) : slice(tcr, 18, 16));
    const hpd = cpu.version >= 2 && isSet(tcr, at(41, 42, 24));
    const ha = cpu.version >= 2 && isSet(tcr, twoHalves ? 39 : 21);
    const hd = ha && isSet(tcr, twoHalves ? 40 : 22);
    const e0pd = twoHalves && cpu.version >= 9 && isSet(tcr, upper ? 56 : 55);
    const epd = twoHalves && isSet(tcr, upper ? 23 : 7);
    const wxn = isSet(sctlr, 19);

    // S1InvalidTxSZ, VAIsOutOfRange, E0PD, EPD
    const txsz = Number(upper ? slice(tcr, 21, 16) : slice(tcr, 5, 0));
    const least = ds || (granuleBits === 16 && cpu.version >= 9) ? 12 : 16;
    const most = cpu.version >= 9 ? (granuleBits === 16 ? 47 : 48) : 39;
    if (txsz < least || txsz > most) throw new Abort('Translation', 0, 1);
    const inputBits = 64 - txsz;
    const above = slice(va, topBit, inputBits);
    if (above !== (upper ? ones(topBit - inputBits + 1) : 0n)) throw new Abort('Translation', 0, 1);
    if (fromEl0 && e0pd) throw new Abort('Translation', 0, 1);
    if (epd) throw new Abort('Translation', 0, 1);

    const stride = granuleBits - 3;
    const startLevel = 3 - Math.floor((inputBits - 1 - granuleBits) / stride);
    const rootBits = inputBits - (granuleBits + stride * (3 - startLevel));
    let apTable = 0n;
    let xnTable = false;
    let pxnTable = false;
    const {
      descriptor,
      level,
      oa,
      at: leafAt,
    } = walkTables(
      {
        stage: 1,
        granuleBits,
        ds,
        lpa64K,
        ps,
        outputBits: outputBitsOf(granuleBits, ds, ps, cpu.pa),
        inputBits,
        startLevel,
        base: tableBaseOf(upper ? registers.ttbr1 : registers.ttbr0, rootBits, {
          granuleBits,
          ds,
          lpa64K,
          ps,
        }),
        ha,
      },
      va,
      (address) => readPhysical(tableAddress(address, 'read')),
      (table) => {
        if (hpd) return;
        apTable |= slice(table, 62, 61);
        xnTable ||= isSet(table, 60);
        pxnTable ||= isSet(table, 59);
      },
    );
    const becomesDirty = hd && isSet(descriptor, 51);
    const ap2 = (isSet(descriptor, 7) && !becomesDirty) || isSet(apTable, 1);
    const ap1 = isSet(descriptor, 6) && !isSet(apTable, 0);
    const xn = isSet(descriptor, 54) || xnTable;
    const pxn = isSet(descriptor, 53) || pxnTable;
    let permitted: boolean;
    if (twoHalves) {
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
    if (!permitted) throw new Abort('Permission', level, 1);
    const newFlags = !isSet(descriptor, 10) || (write && isSet(descriptor, 7));
    if (newFlags && secondStage) tableAddress(leafAt, 'write');

    const attributeIndex = Number(slice(descriptor, 4, 2));
    const attribute = slice(mair, attributeIndex * 8 + 7, attributeIndex * 8);
    const sh = ds ? slice(tcr, upper ? 29 : 13, upper ? 28 : 12) : slice(descriptor, 9, 8);
    return { oa, location: locationOfMair(attribute, sh) };
  };

  let inSecond = false;
  try {
    const { oa, location } = stageOne();
    if (!secondStage) return { completes: true, pa: oa, ...location };
    inSecond = true;
    const second = stageTwo(oa, fetch ? 'fetch' : write ? 'write' : 'read', false);
    return { completes: true, pa: second.pa, ...combineStages(location, second.location) };
  } catch (error) {
    if (error instanceof Missing) return { completes: false, missing: error.address };
    if (!(error instanceof Abort)) throw error;
    const { kind, level, stage, ipa } = error;
    const lowerEl = stage === 2 || (twoHalves && fromEl0);
    const ec = fetch ? (lowerEl ? 0b100000n : 0b100001n) : lowerEl ? 0b100100n : 0b100101n;
    const base = { AddressSize: 0n, Translation: 4n, AccessFlag: 8n, Permission: 12n }[kind];
    const status = level >= 0 ? base + BigInt(level) : kind === 'AddressSize' ? 0b101001n : 0b101011n;
    const wnr = write ? 1n : 0n;
    const s1ptw = stage === 2 && !inSecond ? 1n : 0n;
    let far = va;
    if (fetch && tbi) {
      // A branch has already replaced the tag.
      far = slice(va, 55, 0);
      if (twoHalves && isSet(va, 55)) far |= 0xffn << 56n;
    }
    const hpfar =
      stage === 1 ? undefined : kind === 'Permission' && inSecond ? 'open' : slice(ipa, 51, 12) << 4n;
    return {
      completes: false,
      esr: (ec << 26n) | (1n << 25n) | (s1ptw << 7n) | (wnr << 6n) | status,
      far,
      hpfar,
    };
  }
}
