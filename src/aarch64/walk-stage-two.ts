import type { AArch64Registers } from '../registers.ts';
import { DescriptorLow } from './descriptor-bits.ts';
import type { CpuFeatures } from './walk-cpu.ts';
import { GRANULE_4K, GRANULE_16K, type Granule, levelBits } from './walk-granule.ts';
import { outputBitsOf, type TableLayout, tableBase, tableLayout } from './walk-layout.ts';
import { stageTwoMemoryTypes } from './walk-memory-type-two.ts';
import { EL1_AND_0, regimeOf, TG0 } from './walk-regime.ts';
import { bit, field, Hcr, refuse, Scr } from './walk-registers.ts';
import { stageTwoPermissionTable } from './walk-rights.ts';
import {
  rootTable,
  shareabilitySource,
  signBits,
  type TranslationStage,
  type WalkRange,
} from './walk-stage.ts';
import { checkedFeatures, LARGEST_TXSZ, refuseGranule } from './walk-stage-one.ts';

/** Positions of lowest bits in VTCR_EL2 (Arm ARM D19.2). */
const Vtcr = { T0SZ: 0, SL0: 6, SH0: 12, TG0: 14, PS: 16, HA: 21, HD: 22, DS: 32, SL2: 33 } as const;

/** What VTCR_EL2, VTTBR_EL2 and HCR_EL2 say about stage 2; it has one range. */
export interface StageTwo extends TranslationStage {
  readonly range: WalkRange;
  /** HCR_EL2.PTW: a walk of stage 1 may not be taken to Device memory. */
  readonly protectsWalks: boolean;
}

/** Whether stage 2 is in force: in EL1&0 with HCR_EL2.VM, or with DC, which implies it. */
export function isStageTwoOn({ exceptionLevel, hcrEl2 }: AArch64Registers): boolean {
  return exceptionLevel === 1 && (bit(hcrEl2, Hcr.VM) || bit(hcrEl2, Hcr.DC));
}

/**
 * Decodes the registers of stage 2.
 * @throws RangeError naming the register and its value, if VTCR_EL2 or VTTBR_EL2 is missing or something is in
 *   force that is not modelled
 */
export function decodeStageTwo(registers: AArch64Registers): StageTwo {
  const { vtcr, vttbr, hcrEl2 } = registers;
  if (vtcr === undefined || vttbr === undefined) {
    const missing = vtcr === undefined ? 'VTCR_EL2' : 'VTTBR_EL2';
    throw refuse('HCR_EL2', hcrEl2, `VM or DC is 1, and ${missing} is not given`);
  }
  const cpu = checkedFeatures(registers);
  refuseUnmodelled(registers, cpu);
  const hardwareAccessFlag = cpu.hardwareUpdates && bit(vtcr, Vtcr.HA);
  const range = decodeRange(vtcr, vttbr, cpu);
  return {
    range,
    ranges: [range],
    protectsWalks: bit(hcrEl2, Hcr.PTW),
    hardwareAccessFlag,
    hardwareDirty: hardwareAccessFlag && bit(vtcr, Vtcr.HD),
    writableBit: DescriptorLow.ReadOnly,
    permissions: stageTwoPermissionTable(cpu.stageTwoExecuteNeverByLevel),
    memoryTypes: stageTwoMemoryTypes(),
  };
}

function refuseUnmodelled(registers: AArch64Registers, cpu: CpuFeatures): void {
  const { hcrEl2, scrEl3 } = registers;
  if (regimeOf(registers, cpu) !== EL1_AND_0) return;
  const unmodelled = [
    ['CD', Hcr.CD, true],
    ['ID', Hcr.ID, true],
    ['FWB', Hcr.FWB, cpu.forcedWriteBack],
    ['DCT', Hcr.DCT, bit(hcrEl2, Hcr.DC)],
  ] as const;
  for (const [name, position, counts] of unmodelled) {
    if (counts && bit(hcrEl2, position))
      throw refuse('HCR_EL2', hcrEl2, `${name} is 1, which is not modelled with stage 2`);
  }
  if (scrEl3 !== undefined && !bit(scrEl3, Scr.NS)) {
    throw refuse('SCR_EL3', scrEl3, 'NS is 0, stage 2 of Secure state is not modelled');
  }
}

function decodeRange(vtcr: bigint, vttbr: bigint, cpu: CpuFeatures): WalkRange {
  const selected = TG0[field(vtcr, Vtcr.TG0, 2)];
  refuseGranule('VTCR_EL2', vtcr, 'T0SZ', selected, cpu);
  const granule = selected ?? GRANULE_4K;
  const largeDescriptors = cpu.largeDescriptors && bit(vtcr, Vtcr.DS);
  const layout = tableLayout(granule, cpu, largeDescriptors);
  const ps = field(vtcr, Vtcr.PS, 3);
  const txsz = field(vtcr, Vtcr.T0SZ, 6);
  const smallest = 64 - Math.min(cpu.physicalAddressBits, layout.outputBits);
  const largest = cpu.smallTables ? granule.largestTxsz : LARGEST_TXSZ;
  const inputBits = 64 - Math.min(Math.max(txsz, smallest), largest);
  const startLevel = startLevelOf(vtcr, granule, layout, cpu);
  const rootBits = startLevel === undefined ? 0 : inputBits - levelBits(granule, startLevel).shift;
  // Of what the architecture permits for fields out of range, faults need no guess at effective values.
  const disabled =
    txsz < smallest || txsz > largest || rootBits < 1 || rootBits > granule.indexBits + CONCATENATED_BITS;
  const rootIndexBits = disabled ? granule.indexBits : rootBits;
  const sign = signBits(inputBits, false);
  return {
    upper: false,
    disabled,
    userDisabled: false,
    inputBits,
    dataSign: sign,
    fetchSign: sign,
    fetchDropsTopByte: false,
    granule,
    layout,
    startLevel: startLevel ?? 0,
    rootEntries: 2 ** rootIndexBits,
    ...rootTable(tableBase(vttbr, rootIndexBits + 3, granule, layout, ps), outputBitsOf(layout, cpu, ps)),
    hierarchical: false,
    ...shareabilitySource(layout, field(vtcr, Vtcr.SH0, 2)),
  };
}

/** Up to 16 tables of the start level lie one after the other, as if they were one. */
const CONCATENATED_BITS = 4;

/** A start level, and the physical address size from which on a processor has it. */
type StartLevel = readonly [level: number, physicalAddressBits: number];

/** By SL2:SL0 for 4 KiB pages, by SL0 for the others (Arm ARM D8.2, VTCR_EL2.SL0). */
const START_LEVELS_4K: readonly (StartLevel | undefined)[] = [
  [2, 0],
  [1, 0],
  [0, 44],
  [3, 0],
  [-1, 52],
];
const START_LEVELS_16K: readonly (StartLevel | undefined)[] = [
  [3, 0],
  [2, 0],
  [1, 42],
  [0, 52],
];
const START_LEVELS_64K: readonly (StartLevel | undefined)[] = [
  [3, 0],
  [2, 0],
  [1, 44],
];

function startLevelOf(
  vtcr: bigint,
  granule: Granule,
  layout: TableLayout,
  cpu: CpuFeatures,
): number | undefined {
  const sl0 = field(vtcr, Vtcr.SL0, 2);
  const isLarge = layout.shareabilityInRegister;
  let selected: StartLevel | undefined;
  if (granule === GRANULE_4K) {
    selected = START_LEVELS_4K[sl0 + (isLarge && bit(vtcr, Vtcr.SL2) ? 4 : 0)];
    if (selected?.[0] === 3 && !cpu.smallTables) return undefined;
  } else {
    selected = (granule === GRANULE_16K ? START_LEVELS_16K : START_LEVELS_64K)[sl0];
    if (selected?.[0] === 0 && !isLarge) return undefined;
  }
  if (selected === undefined) return undefined;
  const [level, physicalAddressBits] = selected;
  return cpu.physicalAddressBits < physicalAddressBits ? undefined : level;
}
