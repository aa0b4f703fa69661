/**
 * What a flip of a bit of a register must lead to.
 * - changes: some access to what the layouts of the register test declare behaves otherwise
 * - nothing: none does
 * - undeclared: accesses do that no layout speaks of
 */
export type Effect = 'changes' | 'nothing' | 'undeclared';

/** A run of bits of one effect: its fields, the lowest bit and the number of bits. */
export type Fields = readonly (readonly [names: string, position: number, width: number, effect: Effect])[];

/**
 * Arm ARM D19.2. The layouts that this holds for reach beyond 2^47, beyond physical 2^32 and not 2^40, use both halves
 * where there are two, give everybody something, and have leaves with AF = 1 and DBM = 0 below tables that take nothing away.
 */
const TCR_OF_TWO_RANGES: Fields = [
  ['T0SZ', 0, 6, 'changes'],
  ['RES0', 6, 1, 'nothing'],
  ['EPD0', 7, 1, 'changes'],
  ['IRGN0, ORGN0, SH0: of the walk itself', 8, 6, 'nothing'],
  ['TG0', 14, 2, 'changes'],
  ['T1SZ', 16, 6, 'changes'],
  ['A1: whose ASID counts', 22, 1, 'nothing'],
  ['EPD1', 23, 1, 'changes'],
  ['IRGN1, ORGN1, SH1', 24, 6, 'nothing'],
  ['TG1', 30, 2, 'changes'],
  ['IPS: 42 instead of 40 bits', 32, 1, 'nothing'],
  ['IPS: 32 bits', 33, 1, 'changes'],
  ['IPS: 52 bits, of which the processor has 40', 34, 1, 'nothing'],
  ['RES0; AS: width of an ASID', 35, 2, 'nothing'],
  ['TBI0, TBI1: addresses with a tag', 37, 2, 'undeclared'],
  ['HA, HD', 39, 2, 'nothing'],
  ['HPD0, HPD1', 41, 2, 'nothing'],
  ['HWU', 43, 8, 'nothing'],
  ['TBID0, TBID1 without TBI; NFD0, NFD1: of loads that may fault', 51, 4, 'nothing'],
  ['E0PD0, E0PD1', 55, 2, 'changes'],
  ['TCMA0, TCMA1: of tag checks', 57, 2, 'nothing'],
  ['DS', 59, 1, 'changes'],
  ['MTX0, MTX1; RES0', 60, 4, 'nothing'],
];

const TCR_OF_ONE_RANGE: Fields = [
  ['T0SZ', 0, 6, 'changes'],
  ['RES0', 6, 2, 'nothing'],
  ['IRGN0, ORGN0, SH0', 8, 6, 'nothing'],
  ['TG0', 14, 2, 'changes'],
  ['PS: 42 instead of 40 bits', 16, 1, 'nothing'],
  ['PS: 32 bits', 17, 1, 'changes'],
  ['PS: 52 bits, of which the processor has 40', 18, 1, 'nothing'],
  ['RES0', 19, 1, 'nothing'],
  ['TBI', 20, 1, 'undeclared'],
  ['HA, HD; RES1; HPD; HWU; TBID; TCMA; RES1', 21, 11, 'nothing'],
  ['DS', 32, 1, 'changes'],
  ['MTX; RES0', 33, 31, 'nothing'],
];

const VTCR: Fields = [
  ['T0SZ, SL0', 0, 8, 'changes'],
  ['IRGN0, ORGN0, SH0', 8, 6, 'nothing'],
  ['TG0', 14, 2, 'changes'],
  ['PS: 42 instead of 40 bits', 16, 1, 'nothing'],
  ['PS: 32 bits', 17, 1, 'changes'],
  ['PS: 52 bits, of which the processor has 40', 18, 1, 'nothing'],
  ['VS: width of a VMID; RES0; HA, HD; RES0; HWU; NSW, NSA; RES1', 19, 13, 'nothing'],
  ['DS', 32, 1, 'changes'],
  ['SL2 with DS = 0; RES0', 33, 31, 'nothing'],
];

/** Of a root table of 4 KiB at an address of 40 bits; bits 11:1 are RES0 there, and taken for 0. */
const BASE: Fields = [
  ['CnP', 0, 1, 'nothing'],
  ['RES0', 1, 11, 'nothing'],
  ['BADDR', 12, 36, 'changes'],
  ['ASID or VMID; RES0', 48, 16, 'nothing'],
];

const SCTLR: Fields = [
  ['M', 0, 1, 'changes'],
  ['WXN', 19, 1, 'changes'],
  ['EE', 25, 1, 'changes'],
];

const HCR_AT_EL1: Fields = [
  ['VM', 0, 1, 'changes'],
  ['DC', 12, 1, 'changes'],
  ['TGE', 27, 1, 'changes'],
  ['NV1', 43, 1, 'changes'],
];
const HCR_AT_EL2: Fields = [['E2H', 34, 1, 'changes']];
const HCR_AT_STAGE_TWO: Fields = [
  ['VM, which DC implies', 0, 1, 'nothing'],
  ['PTW: of walks of stage 1', 2, 1, 'nothing'],
  ['DC', 12, 1, 'changes'],
  ['TGE', 27, 1, 'changes'],
  ['CD, ID', 32, 2, 'changes'],
  ['NV1', 43, 1, 'changes'],
  ['FWB', 46, 1, 'changes'],
  ['DCT', 57, 1, 'changes'],
];

const TWO_RANGES = { tcr: TCR_OF_TWO_RANGES, ttbr0: BASE, ttbr1: BASE, sctlr: SCTLR } as const;
const ONE_RANGE = { tcr: TCR_OF_ONE_RANGE, ttbr0: BASE, sctlr: SCTLR } as const;

/** What is flipped: the registers of a regime, by their names in `AArch64Registers`. */
export const FIELDS = {
  el1: { ...TWO_RANGES, hcrEl2: HCR_AT_EL1 },
  el2: { ...ONE_RANGE, hcrEl2: HCR_AT_EL2 },
  'el2-vhe': { ...TWO_RANGES, hcrEl2: HCR_AT_EL2 },
  el3: ONE_RANGE,
  stage2: { vtcr: VTCR, vttbr: BASE, hcrEl2: HCR_AT_STAGE_TWO },
} as const;

/** Of MAIR every byte that a leaf chooses counts, and no other. */
export function mairFields(indices: readonly number[]): Fields {
  return Array.from({ length: 8 }, (_, index) => [
    `Attr${index}`,
    8 * index,
    8,
    indices.includes(index) ? 'changes' : 'nothing',
  ]);
}
