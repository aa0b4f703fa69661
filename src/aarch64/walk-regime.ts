import type { AArch64Registers } from '../registers.ts';
import { type CpuFeatures, cpuFeaturesOf } from './walk-cpu.ts';
import { GRANULE_4K, GRANULE_16K, GRANULE_64K, type Granule } from './walk-granule.ts';
import { bit, Hcr } from './walk-registers.ts';

/** Where TCR_ELx holds the fields of one range of virtual addresses; positions of lowest bits. */
export interface VaRangeFields {
  readonly base: 'ttbr0' | 'ttbr1';
  /** TnSZ, 6 bits. */
  readonly size: number;
  /** "T0SZ", for messages. */
  readonly sizeName: string;
  /** TGn, 2 bits, and the granule of each value; undefined: reserved. */
  readonly granule: number;
  readonly granules: readonly (Granule | undefined)[];
  /** SHn, 2 bits: with DS = 1 the shareability of every leaf. */
  readonly shareability: number;
  /** TBIn: bits 63:56 are not part of the address. */
  readonly topByteIgnore: number;
  /** TBIDn: … but for instruction fetches they are. */
  readonly topByteIgnoreDataOnly: number;
  /** HPDn: no permissions in table descriptors. */
  readonly hierarchicalDisable: number;
  /** EPDn: no walks. Absent where the regime has one range. */
  readonly walkDisable?: number;
  /** E0PDn: no EL0 accesses. Absent where the regime has no EL0. */
  readonly userDisable?: number;
}

/** What tells one translation regime from another in stage 1 (Arm ARM D8.1). */
export interface TranslationRegime {
  readonly name: string;
  /** Whether descriptors give rights to EL0. */
  readonly hasUser: boolean;
  /** One range from address 0, or a lower and an upper one selected by address bit 55. */
  readonly ranges: readonly VaRangeFields[];
  /** IPS or PS, 3 bits. */
  readonly outputSize: number;
  /** HA, HD: hardware management of the access flag and the dirty state. */
  readonly hardwareAccessFlag: number;
  readonly hardwareDirty: number;
  /** DS: descriptors of FEAT_LPA2. */
  readonly largeDescriptors: number;
}

/** TG0, and the TG0 of VTCR_EL2. */
export const TG0 = [GRANULE_4K, GRANULE_64K, GRANULE_16K, undefined] as const;
const TG1 = [undefined, GRANULE_16K, GRANULE_4K, GRANULE_64K] as const;

/** EL1&0 stage 1 under TCR_EL1 (Arm ARM D19.2). */
export const EL1_AND_0: TranslationRegime = {
  name: 'EL1&0',
  hasUser: true,
  ranges: [
    {
      base: 'ttbr0',
      size: 0,
      sizeName: 'T0SZ',
      granule: 14,
      granules: TG0,
      shareability: 12,
      topByteIgnore: 37,
      topByteIgnoreDataOnly: 51,
      hierarchicalDisable: 41,
      walkDisable: 7,
      userDisable: 55,
    },
    {
      base: 'ttbr1',
      size: 16,
      sizeName: 'T1SZ',
      granule: 30,
      granules: TG1,
      shareability: 28,
      topByteIgnore: 38,
      topByteIgnoreDataOnly: 52,
      hierarchicalDisable: 42,
      walkDisable: 23,
      userDisable: 56,
    },
  ],
  outputSize: 32,
  hardwareAccessFlag: 39,
  hardwareDirty: 40,
  largeDescriptors: 59,
};

/** EL2&0 under TCR_EL2, which HCR_EL2.E2H gives the layout of TCR_EL1 (FEAT_VHE). */
export const EL2_AND_0: TranslationRegime = { ...EL1_AND_0, name: 'EL2&0' };

/** EL2 with HCR_EL2.E2H = 0 under TCR_EL2 (Arm ARM D19.2). */
export const EL2: TranslationRegime = {
  name: 'EL2',
  hasUser: false,
  ranges: [
    {
      base: 'ttbr0',
      size: 0,
      sizeName: 'T0SZ',
      granule: 14,
      granules: TG0,
      shareability: 12,
      topByteIgnore: 20,
      topByteIgnoreDataOnly: 29,
      hierarchicalDisable: 24,
    },
  ],
  outputSize: 16,
  hardwareAccessFlag: 21,
  hardwareDirty: 22,
  largeDescriptors: 32,
};

/** EL3 under TCR_EL3, which has the layout of TCR_EL2 with E2H = 0. */
export const EL3: TranslationRegime = { ...EL2, name: 'EL3' };

/** The regime whose stage 1 is under test; see {@link AArch64Registers}. */
export function regimeOf(registers: AArch64Registers, cpu: CpuFeatures): TranslationRegime {
  switch (registers.exceptionLevel) {
    case 1:
      return EL1_AND_0;
    case 2:
      return cpu.virtualizationHost && bit(registers.hcrEl2, Hcr.E2H) ? EL2_AND_0 : EL2;
    case 3:
      return EL3;
  }
}

/**
 * Whether accesses from EL0 exist under these registers: in EL1&0, and in EL2&0 with HCR_EL2.TGE = 1, without
 * which EL0 belongs to EL1&0.
 */
export function regimeHasUser(registers: AArch64Registers): boolean {
  const regime = regimeOf(registers, cpuFeaturesOf(registers));
  return regime.hasUser && (regime !== EL2_AND_0 || bit(registers.hcrEl2, Hcr.TGE));
}
