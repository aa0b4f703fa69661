import type { AArch64Registers } from '../registers.ts';
import { type CpuFeatures, cpuFeaturesOf } from './walk-cpu.ts';
import { GRANULE_4K, GRANULE_16K, type Granule, levelBits, startLevelOf } from './walk-granule.ts';
import { MAX_OUTPUT_BITS, outputBitsOf, tableBase, tableLayout } from './walk-layout.ts';
import { memoryTypeTable } from './walk-memory-type.ts';
import {
  EL1_AND_0,
  regimeHasUser,
  regimeOf,
  type TranslationRegime,
  type VaRangeFields,
} from './walk-regime.ts';
import { bit, field, Hcr, refuse, Scr, Sctlr } from './walk-registers.ts';
import { aarch64PermissionTable } from './walk-rights.ts';
import {
  rootTable,
  shareabilitySource,
  signBits,
  type TranslationStage,
  type WalkRange,
} from './walk-stage.ts';

/** What the registers say about stage 1 of a regime. */
export interface StageOne extends TranslationStage {
  readonly regime: TranslationRegime;
  /** Whether accesses from EL0 exist. */
  readonly hasUser: boolean;
}

/**
 * Whether stage 1 translates: SCTLR_ELx.M, and for EL1&0 not HCR_EL2.DC.
 */
export function isStageOneOn({ exceptionLevel, sctlr, hcrEl2 }: AArch64Registers): boolean {
  return bit(sctlr, Sctlr.M) && !(exceptionLevel === 1 && bit(hcrEl2, Hcr.DC));
}

/**
 * Decodes the registers of stage 1.
 * @throws RangeError naming the register and its value, if stage 1 is off, walks are big-endian, or something
 *   is in force that is not modelled
 */
export function decodeStageOne(registers: AArch64Registers): StageOne {
  const { tcr, sctlr, mair } = registers;
  const cpu = checkedFeatures(registers);
  const regime = regimeOf(registers, cpu);
  if (!bit(sctlr, Sctlr.M)) throw refuse('SCTLR', sctlr, 'M is 0, translation is off');
  refuseUnmodelled(registers, regime);
  const hardwareAccessFlag = cpu.hardwareUpdates && bit(tcr, regime.hardwareAccessFlag);
  return {
    regime,
    hasUser: regimeHasUser(registers),
    ranges: regime.ranges.map((fields) => decodeRange(registers, cpu, regime, fields)),
    hardwareAccessFlag,
    hardwareDirty: hardwareAccessFlag && bit(tcr, regime.hardwareDirty),
    writableBit: 0,
    permissions: aarch64PermissionTable({
      hasUser: regime.hasUser,
      writeExecuteNever: bit(sctlr, Sctlr.WXN),
    }),
    memoryTypes: memoryTypeTable(mair),
  };
}

/** The processor's features. @throws RangeError if its physical address size is none */
export function checkedFeatures(registers: AArch64Registers): CpuFeatures {
  const cpu = cpuFeaturesOf(registers);
  const implemented = cpu.physicalAddressBits;
  if (!Number.isInteger(implemented) || implemented < 32 || implemented > MAX_OUTPUT_BITS) {
    throw new RangeError(`physicalAddressBits is ${implemented}; PARange is 32 to 52 bits`);
  }
  return cpu;
}

/** @throws RangeError naming the register, for what is not modelled whether stage 1 is on or off */
export function refuseUnmodelled(registers: AArch64Registers, regime: TranslationRegime): void {
  const { sctlr, hcrEl2, scrEl3 } = registers;
  if (bit(sctlr, Sctlr.EE)) throw refuse('SCTLR', sctlr, 'EE is 1, big-endian tables are not modelled');
  const isSecure = scrEl3 !== undefined && (regime.name === 'EL3' || !bit(scrEl3, Scr.NS));
  if (isSecure && bit(scrEl3, Scr.SIF)) {
    throw refuse('SCR_EL3', scrEl3, 'SIF is 1, fetches that depend on the security state are not modelled');
  }
  if (regime !== EL1_AND_0) return;
  if (bit(hcrEl2, Hcr.TGE)) throw refuse('HCR_EL2', hcrEl2, 'TGE is 1, so there is no EL1');
  if (bit(hcrEl2, Hcr.NV1))
    throw refuse('HCR_EL2', hcrEl2, 'NV1 is 1, nested virtualisation is not modelled');
}

/** The largest TnSZ without FEAT_TTST. */
export const LARGEST_TXSZ = 39;

function decodeRange(
  registers: AArch64Registers,
  cpu: CpuFeatures,
  regime: TranslationRegime,
  fields: VaRangeFields,
): WalkRange {
  const { tcr } = registers;
  const txsz = field(tcr, fields.size, 6);
  const ps = field(tcr, regime.outputSize, 3);
  const selected = fields.granules[field(tcr, fields.granule, 2)];
  const granule = selected ?? GRANULE_4K;
  const layout = tableLayout(granule, cpu, cpu.largeDescriptors && bit(tcr, regime.largeDescriptors));
  const largest = cpu.smallTables ? granule.largestTxsz : LARGEST_TXSZ;
  // TnSZ out of range: of the two permitted behaviours this is the one that needs no guess at the field's
  // effective value, and the only one with FEAT_LVA (Arm ARM D8.2).
  const disabled =
    (fields.walkDisable !== undefined && bit(tcr, fields.walkDisable)) ||
    txsz < layout.smallestTxsz ||
    txsz > largest;
  if (!disabled) refuseGranule('TCR', tcr, fields.sizeName, selected, cpu);
  const inputBits = 64 - Math.min(Math.max(txsz, layout.smallestTxsz), largest);
  const startLevel = startLevelOf(granule, inputBits);
  const rootBits = inputBits - levelBits(granule, startLevel).shift;
  const base = tableBase(registers[fields.base], rootBits + 3, granule, layout, ps);
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
    granule,
    layout,
    startLevel,
    rootEntries: 2 ** rootBits,
    ...rootTable(base, outputBitsOf(layout, cpu, ps)),
    hierarchical: !(cpu.hierarchicalDisable && bit(tcr, fields.hierarchicalDisable)),
    ...shareabilitySource(layout, field(tcr, fields.shareability, 2)),
  };
}

/** @throws RangeError if TG is reserved or a granule that the processor does not have */
export function refuseGranule(
  register: string,
  value: bigint,
  range: string,
  granule: Granule | undefined,
  cpu: CpuFeatures,
): void {
  if (granule === undefined)
    throw refuse(register, value, `the granule of the range of ${range} is reserved`);
  if (granule === GRANULE_16K && !cpu.pages16K) {
    throw refuse(
      register,
      value,
      `the processor has no 16 KiB granule, which the range of ${range} asks for`,
    );
  }
}
