import type { AArch64Registers } from '../registers.ts';

/** What a processor implements, as far as a stage 1 walk depends on it. */
export interface CpuFeatures {
  /** ID_AA64MMFR0_EL1.PARange in bits. */
  readonly physicalAddressBits: number;
  /** FEAT_HPDS: TCR.HPDn. */
  readonly hierarchicalDisable: boolean;
  /** FEAT_HAFDBS: TCR.HA and HD. */
  readonly hardwareUpdates: boolean;
  /** FEAT_TTST: TnSZ up to 48 with 4 KiB pages. */
  readonly smallTables: boolean;
  /** FEAT_E0PD: TCR.E0PDn. */
  readonly userDisable: boolean;
  /** FEAT_PAuth: TCR.TBIDn. */
  readonly topByteIgnoreDataOnly: boolean;
  /** FEAT_LPA2: TCR.DS. */
  readonly largeDescriptors: boolean;
}

const V8_0: Omit<CpuFeatures, 'physicalAddressBits'> = {
  hierarchicalDisable: false,
  hardwareUpdates: false,
  smallTables: false,
  userDisable: false,
  topByteIgnoreDataOnly: false,
  largeDescriptors: false,
};
const V8_2 = { ...V8_0, hierarchicalDisable: true, hardwareUpdates: true };

/** A processor with everything; what is assumed of a processor that is not named, with 48 address bits. */
const EVERYTHING: CpuFeatures = {
  physicalAddressBits: 48,
  hierarchicalDisable: true,
  hardwareUpdates: true,
  smallTables: true,
  userDisable: true,
  topByteIgnoreDataOnly: true,
  largeDescriptors: true,
};

/** QEMU's models, by their ID registers. */
const MODELS: ReadonlyMap<string, CpuFeatures> = new Map([
  ['cortex-a35', { ...V8_0, physicalAddressBits: 40 }],
  ['cortex-a53', { ...V8_0, physicalAddressBits: 40 }],
  ['cortex-a57', { ...V8_0, physicalAddressBits: 44 }],
  ['cortex-a72', { ...V8_0, physicalAddressBits: 44 }],
  ['cortex-a76', { ...V8_2, physicalAddressBits: 40 }],
  ['neoverse-n1', { ...V8_2, physicalAddressBits: 48 }],
  ['max', { ...EVERYTHING, physicalAddressBits: 52 }],
]);

/** What the processor of a set of registers implements. */
export function cpuFeaturesOf(registers: AArch64Registers): CpuFeatures {
  const model = MODELS.get(registers.cpu ?? '') ?? EVERYTHING;
  return { ...model, physicalAddressBits: registers.physicalAddressBits ?? model.physicalAddressBits };
}
