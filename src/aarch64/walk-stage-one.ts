import { hex } from '../addresses.ts';
import { highMask, lowMask } from '../bit-field.ts';
import type { AArch64Registers } from '../registers.ts';
import { type CpuFeatures, cpuFeaturesOf } from './walk-cpu.ts';
import { type MemoryTypeTable, memoryTypeTable } from './walk-memory-type.ts';
import {
  GRANULE_4K,
  type Granule,
  levelBits,
  MAX_OUTPUT_BITS,
  regimeOf,
  startLevelOf,
  type TranslationRegime,
  type VaRangeFields,
} from './walk-regime.ts';
import { aarch64PermissionTable } from './walk-rights.ts';

/** SCTLR_ELx (Arm ARM D19.2) and HCR_EL2 (D19.2). */
const Sctlr = { M: 1n << 0n, WXN: 1n << 19n, EE: 1n << 25n } as const;
const Hcr = {
  VM: 1n << 0n,
  DC: 1n << 12n,
  TGE: 1n << 27n,
  E2H: 1n << 34n,
  NV1: 1n << 43n,
} as const;

/** Bits of an address that must all equal its range's bit 55: two words. */
export interface SignBits {
  readonly low: number;
  readonly high: number;
}

/** How one range of virtual addresses is translated, made ready for the walk. */
export interface WalkRange {
  /** Whether addresses of this range have bit 55 set. */
  readonly upper: boolean;
  /** No walk happens: EPDn, or TnSZ out of range. Every access is a translation fault at level 0. */
  readonly disabled: boolean;
  /** E0PDn: so is every access from EL0. */
  readonly userDisabled: boolean;
  /** Width of the input address; where TnSZ is out of range, that of the nearest value in range. */
  readonly inputBits: number;
  readonly dataSign: SignBits;
  readonly fetchSign: SignBits;
  /** Whether an instruction fetch drops address bits 63:56. */
  readonly fetchDropsTopByte: boolean;
  readonly granule: Granule;
  readonly startLevel: number;
  /** Descriptors in the root table. */
  readonly rootEntries: number;
  /** The root table: its frame, and its offset there. */
  readonly rootFrame: number;
  readonly rootOffset: number;
  /** TTBR points beyond the output size: an address size fault at level 0. */
  readonly rootOutOfRange: boolean;
  /** Permissions in table descriptors count (HPDn = 0). */
  readonly hierarchical: boolean;
}

/** What the registers say about stage 1 of a regime, made ready for the walk. */
export interface StageOne {
  readonly regime: TranslationRegime;
  /** One range, or the lower and the upper one. */
  readonly ranges: readonly WalkRange[];
  /** Width of the output address: the smaller of IPS and what the processor has. */
  readonly outputBits: number;
  /** Address bits of a descriptor's high word that are beyond it. */
  readonly outOfRangeHigh: number;
  /** TCR.HA: the access flag of a leaf is set by hardware. */
  readonly hardwareAccessFlag: boolean;
  /** TCR.HD: DBM makes a read-only leaf writable, and the write makes it dirty. */
  readonly hardwareDirty: boolean;
  /** See {@link aarch64PermissionTable}. */
  readonly permissions: Uint8Array;
  readonly memoryTypes: MemoryTypeTable;
}

/** Whether accesses from EL0 exist under these registers; in the regime of EL2 they do not. */
export function regimeHasUser(registers: AArch64Registers): boolean {
  return regimeOf(registers).hasUser;
}

/**
 * Decodes the registers of stage 1.
 * @throws RangeError naming the register and its value, if translation is off, walks are big-endian, or
 *   something is in force that is not modelled (EL3, EL2&0, stage 2, nested virtualisation, LPA2, 16 KiB and
 *   64 KiB granules)
 */
export function decodeStageOne(registers: AArch64Registers): StageOne {
  const { tcr, sctlr, hcrEl2, mair } = registers;
  const regime = regimeOf(registers);
  const cpu = cpuFeaturesOf(registers);
  if ((sctlr & Sctlr.M) === 0n) throw refuse('SCTLR', sctlr, 'M is 0, translation is off');
  if ((sctlr & Sctlr.EE) !== 0n) throw refuse('SCTLR', sctlr, 'EE is 1, big-endian tables are not modelled');
  refuseHypervisorControl(regime, hcrEl2);
  if (cpu.largeDescriptors && bit(tcr, regime.largeDescriptors)) {
    throw refuse('TCR', tcr, 'DS is 1, the descriptors of FEAT_LPA2 are not modelled yet');
  }
  const implemented = cpu.physicalAddressBits;
  if (!Number.isInteger(implemented) || implemented < 32 || implemented > 52) {
    throw new RangeError(`physicalAddressBits is ${implemented}; PARange is 32 to 52 bits`);
  }
  const programmed = OUTPUT_BITS[field(tcr, regime.outputSize, 3)] ?? MAX_OUTPUT_BITS;
  const outputBits = Math.min(programmed, implemented, MAX_OUTPUT_BITS);
  const hardwareAccessFlag = cpu.hardwareUpdates && bit(tcr, regime.hardwareAccessFlag);
  return {
    regime,
    ranges: regime.ranges.map((fields) => decodeRange(registers, cpu, fields, outputBits)),
    outputBits,
    outOfRangeHigh: highMask(outputBits, MAX_OUTPUT_BITS),
    hardwareAccessFlag,
    hardwareDirty: hardwareAccessFlag && bit(tcr, regime.hardwareDirty),
    permissions: aarch64PermissionTable({
      hasUser: regime.hasUser,
      writeExecuteNever: (sctlr & Sctlr.WXN) !== 0n,
    }),
    memoryTypes: memoryTypeTable(mair),
  };
}

/** IPS and PS (Arm ARM D19.2, TCR_ELx). */
const OUTPUT_BITS = [32, 36, 40, 42, 44, 48, 52] as const;
/** The largest TnSZ without and with FEAT_TTST. */
const LARGEST_TXSZ = 39;
const LARGEST_TXSZ_SMALL_TABLES = 48;

function decodeRange(
  registers: AArch64Registers,
  cpu: CpuFeatures,
  fields: VaRangeFields,
  outputBits: number,
): WalkRange {
  const { tcr } = registers;
  const txsz = field(tcr, fields.size, 6);
  const granule = fields.granules[field(tcr, fields.granule, 2)];
  const largest = cpu.smallTables ? LARGEST_TXSZ_SMALL_TABLES : LARGEST_TXSZ;
  const usable = granule ?? GRANULE_4K;
  // TnSZ out of range: of the two permitted behaviours this is the one that needs no guess at the field's
  // effective value, and the only one with FEAT_LVA (Arm ARM D8.2).
  const disabled =
    (fields.walkDisable !== undefined && bit(tcr, fields.walkDisable)) ||
    txsz < usable.smallestTxsz ||
    txsz > largest;
  if (granule === undefined && !disabled) {
    throw refuse(
      'TCR',
      tcr,
      `the granule of the range of ${fields.sizeName} is reserved or not modelled yet`,
    );
  }
  const inputBits = 64 - Math.min(Math.max(txsz, usable.smallestTxsz), largest);
  const startLevel = disabled ? 0 : startLevelOf(usable, inputBits);
  const rootBits = disabled ? usable.indexBits : inputBits - levelBits(usable, startLevel).shift;
  const ttbr = fields.base === 'ttbr1' ? registers.ttbr1 : registers.ttbr0;
  // BADDR: the table's size decides how many of its low bits are zero (Arm ARM D8.2).
  const base = ttbr & 0xffff_ffff_ffffn & ~((1n << BigInt(rootBits + 3)) - 1n);
  const ignore = bit(tcr, fields.topByteIgnore);
  const ignoreForFetch = ignore && !(cpu.topByteIgnoreDataOnly && bit(tcr, fields.topByteIgnoreDataOnly));
  return {
    upper: fields.base === 'ttbr1',
    disabled,
    userDisabled: cpu.userDisable && fields.userDisable !== undefined && bit(tcr, fields.userDisable),
    inputBits,
    dataSign: signBits(inputBits, ignore),
    fetchSign: signBits(inputBits, ignoreForFetch),
    fetchDropsTopByte: ignoreForFetch,
    granule: usable,
    startLevel,
    rootEntries: 2 ** rootBits,
    rootFrame: Number(base >> 12n),
    rootOffset: Number(base & 0xfffn),
    rootOutOfRange: base >> BigInt(outputBits) !== 0n,
    hierarchical: !(cpu.hierarchicalDisable && bit(tcr, fields.hierarchicalDisable)),
  };
}

function signBits(inputBits: number, topByteIgnored: boolean): SignBits {
  const end = topByteIgnored ? 56 : 64;
  return { low: lowMask(inputBits, end), high: highMask(inputBits, end) };
}

function refuseHypervisorControl(regime: TranslationRegime, hcr: bigint): void {
  if (!regime.hasUser) {
    if ((hcr & Hcr.E2H) !== 0n)
      throw refuse('HCR_EL2', hcr, 'E2H is 1, the EL2&0 regime is not modelled yet');
    return;
  }
  if ((hcr & Hcr.VM) !== 0n) throw refuse('HCR_EL2', hcr, 'VM is 1, stage 2 is not modelled yet');
  if ((hcr & Hcr.DC) !== 0n) throw refuse('HCR_EL2', hcr, 'DC is 1, which switches stage 1 off');
  if ((hcr & Hcr.TGE) !== 0n) throw refuse('HCR_EL2', hcr, 'TGE is 1, so there is no EL1');
  if ((hcr & Hcr.NV1) !== 0n) throw refuse('HCR_EL2', hcr, 'NV1 is 1, nested virtualisation is not modelled');
}

function refuse(register: string, value: bigint, problem: string): RangeError {
  return new RangeError(`${register} is ${hex(value)}: ${problem}`);
}

function bit(register: bigint, position: number): boolean {
  return ((register >> BigInt(position)) & 1n) !== 0n;
}

function field(register: bigint, position: number, width: number): number {
  return Number((register >> BigInt(position)) & ((1n << BigInt(width)) - 1n));
}
