import { describe, expect, test } from 'vitest';
import { said } from '../../test/walker/said.ts';
import {
  type AArch64Registers,
  Access,
  type AttributeBits,
  createWalker,
  El1And0,
  El1Attributes,
  El2,
  El2And0,
  El3,
  El23Attributes,
  type GranuleName,
  Mair,
  MemoryRegion,
  PhysicalMemory,
  Privilege,
  RootTable,
  SequentialAllocator,
  Stage2,
  Stage2Attributes,
  type TranslationRegime,
  translationRegisters,
} from '../index.ts';

const TABLES = 0x4000_0000;
const TABLES_SIZE = 0x40_0000;
const MAIR = Mair.of(0xff, 0x04);
const PAGE_64K = 0x1_0000;

const { Valid, Accessed, AttributeIndex0, InnerShareable, User, Uxn, Pxn } = El1Attributes;
const EL1_DATA = El1Attributes.union(Valid, Accessed, AttributeIndex0, InnerShareable, User, Uxn, Pxn);
const EL23_DATA = El23Attributes.union(
  El23Attributes.Valid,
  El23Attributes.Accessed,
  El23Attributes.UserRes1,
  El23Attributes.Xn,
);
const STAGE_2_DATA = Stage2Attributes.union(
  Stage2Attributes.Valid,
  Stage2Attributes.AccessFlag,
  Stage2Attributes.S2apAccessRW,
  Stage2Attributes.MemAttrNormalInnerWB,
  Stage2Attributes.MemAttrNormalOuterWB,
  Stage2Attributes.Xn,
);

interface Wanted {
  readonly regime: TranslationRegime;
  readonly flags: AttributeBits;
  readonly granule?: GranuleName;
  readonly rootLevel: number;
  readonly vaBits: number;
  readonly physicalAddressBits?: number;
}

/** Memory, and in it empty trees on demand. */
function workshop({ regime, granule = '4K', rootLevel, vaBits }: Omit<Wanted, 'flags'>) {
  const memory = PhysicalMemory.allocate(TABLES, TABLES_SIZE);
  const allocator = new SequentialAllocator(TABLES, TABLES_SIZE);
  const tree = (vaRange: 'lower' | 'upper') =>
    new RootTable<TranslationRegime>({ regime, vaRange, granule, rootLevel, vaBits, memory, allocator });
  return { memory, tree };
}

/** What becomes of a read of `address`, and where it lands. */
function read(memory: PhysicalMemory, registers: AArch64Registers, address: bigint, user = false): string {
  const privilege = user ? Privilege.User : Privilege.Supervisor;
  const outcome = createWalker(memory, registers).translate({ address, access: Access.Read, privilege });
  return outcome.kind === 'completes' ? `0x${outcome.physicalAddress.toString(16)}` : said(outcome);
}

const WANTED: readonly Wanted[] = [
  { regime: El1And0, flags: EL1_DATA, rootLevel: 0, vaBits: 48 },
  { regime: El1And0, flags: EL1_DATA, rootLevel: 1, vaBits: 39 },
  { regime: El1And0, flags: EL1_DATA, rootLevel: 0, vaBits: 42 },
  { regime: El2And0, flags: EL1_DATA, rootLevel: 2, vaBits: 30 },
  { regime: El2And0, flags: EL1_DATA, granule: '64K', rootLevel: 2, vaBits: 42 },
  { regime: El2, flags: EL23_DATA, rootLevel: 1, vaBits: 33 },
  { regime: El2, flags: EL23_DATA, granule: '16K', rootLevel: 1, vaBits: 47 },
  { regime: El3, flags: EL23_DATA, granule: '64K', rootLevel: 1, vaBits: 48 },
  { regime: El3, flags: EL23_DATA, rootLevel: 2, vaBits: 28 },
  { regime: Stage2, flags: STAGE_2_DATA, rootLevel: 0, vaBits: 44, physicalAddressBits: 44 },
  { regime: Stage2, flags: STAGE_2_DATA, rootLevel: 1, vaBits: 39, physicalAddressBits: 40 },
  { regime: Stage2, flags: STAGE_2_DATA, rootLevel: 1, vaBits: 42, physicalAddressBits: 42 },
  { regime: Stage2, flags: STAGE_2_DATA, granule: '16K', rootLevel: 2, vaBits: 40, physicalAddressBits: 40 },
  { regime: Stage2, flags: STAGE_2_DATA, granule: '64K', rootLevel: 2, vaBits: 36, physicalAddressBits: 36 },
];
const PAGE = BigInt(PAGE_64K);
const SPACE = 1n << 64n;

/** What registers of the same tables have in common. */
function common({ regime, granule, rootLevel, physicalAddressBits = 40 }: Wanted) {
  return { regime, rootLevel, physicalAddressBits, mair: MAIR, ...(granule && { granule }) };
}

test.each(WANTED)(
  'the registers for $regime.name, $granule, $vaBits bits from level $rootLevel let a walk find the first and the last page, and nothing beside them',
  (wanted) => {
    const end = 1n << BigInt(wanted.vaBits);
    const { memory, tree } = workshop(wanted);
    const lower = tree('lower');
    lower.mapRange(new MemoryRegion(0, PAGE), 0x10_0000, wanted.flags);
    lower.mapRange(new MemoryRegion(end - PAGE, end), 0x20_0000, wanted.flags);
    const registers = translationRegisters({ ...common(wanted), lower });
    expect(read(memory, registers, 0x8n)).toBe('0x100008');
    expect(read(memory, registers, end - 8n)).toBe('0x20fff8');
    expect(read(memory, registers, PAGE)).toContain('translation fault');
    expect(read(memory, registers, end - PAGE - 8n)).toContain('translation fault');
    expect(read(memory, registers, end)).toMatch(/translation fault|address size fault level 0/);
  },
);

test.each(WANTED.filter(({ regime }) => (regime.vaRanges as readonly string[]).includes('upper')))(
  'the registers for $regime.name, $granule, $vaBits bits from level $rootLevel serve both halves, or the upper one alone',
  (wanted) => {
    const end = 1n << BigInt(wanted.vaBits);
    const { memory, tree } = workshop(wanted);
    const [lower, upper] = [tree('lower'), tree('upper')];
    lower.mapRange(new MemoryRegion(end - PAGE, end), 0x20_0000, wanted.flags);
    upper.mapRange(new MemoryRegion(SPACE - PAGE, SPACE), 0x30_0000, wanted.flags);
    upper.mapRange(new MemoryRegion(SPACE - end, SPACE - end + PAGE), 0x40_0000, wanted.flags);
    const both = translationRegisters({ ...common(wanted), lower, upper });
    for (const user of [false, true]) {
      expect(read(memory, both, end - 8n, user)).toBe('0x20fff8');
      expect(read(memory, both, SPACE - 8n, user)).toBe('0x30fff8');
      expect(read(memory, both, SPACE - end, user)).toBe('0x400000');
    }
    const alone = translationRegisters({ ...common(wanted), upper });
    expect(read(memory, alone, SPACE - 8n)).toBe('0x30fff8');
    expect(read(memory, alone, end - 8n)).toContain('translation fault level 0');
  },
);

describe('what the registers say beside the tables', () => {
  const root = { rootAddress: 0x4000_0000n, size: 1n << 39n };

  test('EL1&0: Non-secure, stage 2 off, walks write-back and inner shareable, no walks in a half without tables', () => {
    const options = { regime: El1And0, physicalAddressBits: 40, mair: MAIR };
    expect(translationRegisters({ ...options, lower: { ...root, asid: 7 } })).toEqual({
      architecture: 'aarch64',
      exceptionLevel: 1,
      ttbr0: 0x7_0000_4000_0000n,
      ttbr1: 0n,
      tcr: 0x2_b599_3519n,
      mair: 0x4ffn,
      sctlr: 0x30d0_180dn,
      hcrEl2: 0x8000_0000n,
      scrEl3: 0x531n,
      physicalAddressBits: 40,
    });
  });

  test('EL2&0 has EL0 (E2H and TGE), EL2 and EL3 have not', () => {
    const registersOf = (regime: TranslationRegime) =>
      translationRegisters({ regime, lower: root, physicalAddressBits: 48, mair: MAIR });
    expect(registersOf(El2And0)).toMatchObject({ exceptionLevel: 2, hcrEl2: 0x4_8800_0000n });
    expect(registersOf(El2)).toMatchObject({ exceptionLevel: 2, hcrEl2: 0x8000_0000n, tcr: 0x8085_3519n });
    expect(registersOf(El3)).toMatchObject({ exceptionLevel: 3, tcr: 0x8085_3519n, sctlr: 0x30c5_183dn });
  });

  test('an ASID or VMID above 255 asks for 16 bits of them', () => {
    const large = { ...root, asid: 0x100 };
    const { tcr } = translationRegisters({
      regime: El1And0,
      upper: large,
      physicalAddressBits: 40,
      mair: MAIR,
    });
    expect((tcr >> 36n) & 1n).toBe(1n);
    const two = translationRegisters({ regime: Stage2, lower: root, physicalAddressBits: 40, vmid: 0x100 });
    expect([(two.vtcr ?? 0n) & (1n << 19n), two.vttbr]).toEqual([1n << 19n, 0x100_0000_4000_0000n]);
  });

  test('stage 2 alone switches stage 1 off and keeps its memory write-back; over a stage 1 it leaves that as it is', () => {
    const options = { regime: Stage2, lower: root, physicalAddressBits: 40 };
    const alone = translationRegisters(options);
    expect([alone.hcrEl2 & 0x1001n, alone.sctlr & 1n]).toEqual([0x1001n, 0n]);
    const stageOne = translationRegisters({
      regime: El1And0,
      lower: root,
      physicalAddressBits: 40,
      mair: MAIR,
    });
    expect(translationRegisters({ ...options, stageOne })).toEqual({
      ...stageOne,
      hcrEl2: stageOne.hcrEl2 | 1n,
      vtcr: alone.vtcr,
      vttbr: alone.vttbr,
    });
  });
});

describe('registers are refused', () => {
  const root = { rootAddress: 0x4000_0000n, size: 1n << 48n };
  const stageTwo = { regime: Stage2, lower: root };

  test.each([
    ['without tables', { regime: El2, physicalAddressBits: 40, mair: MAIR }, 'there are no tables'],
    [
      'for an upper half of EL2',
      { regime: El2, upper: root, physicalAddressBits: 40, mair: MAIR },
      'EL2 has no upper range',
    ],
    [
      'for 41 physical address bits',
      { regime: El2, lower: root, physicalAddressBits: 41, mair: MAIR },
      'physicalAddressBits is 41',
    ],
    ['without MAIR', { regime: El3, lower: root, physicalAddressBits: 40 }, 'EL3 needs a MAIR value'],
    [
      'for intermediate addresses wider than physical ones',
      { ...stageTwo, physicalAddressBits: 44 },
      'of 48 bits are wider than physical ones of 44',
    ],
    [
      'for a start level that stage 2 does not have with so few physical address bits',
      { regime: Stage2, lower: { ...root, size: 1n << 40n }, physicalAddressBits: 40 },
      '4K tables start at level 0 with 44 physical address bits, not with 40',
    ],
    ['for a VMID of 17 bits', { ...stageTwo, physicalAddressBits: 48, vmid: 0x1_0000 }, 'the VMID is 65536'],
    [
      'for tables of an odd size',
      { regime: El2, lower: { ...root, size: 3n }, physicalAddressBits: 40, mair: MAIR },
      'no power of 2',
    ],
  ])('%s', (_what, options, message) => {
    expect(() => translationRegisters(options)).toThrow(message);
  });
});
