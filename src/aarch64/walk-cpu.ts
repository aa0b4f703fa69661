import type { AArch64Registers } from '../registers.ts';

/** What a processor implements, as far as a walk depends on it. */
export interface CpuFeatures {
  /** ID_AA64MMFR0_EL1.PARange in bits; 52 means FEAT_LPA, and blocks at level 1 with 64 KiB pages. */
  readonly physicalAddressBits: number;
  /** ID_AA64MMFR0_EL1.TGran16: 16 KiB pages. */
  readonly pages16K: boolean;
  /** FEAT_HPDS: TCR.HPDn. */
  readonly hierarchicalDisable: boolean;
  /** FEAT_HAFDBS: TCR.HA and HD. */
  readonly hardwareUpdates: boolean;
  /** FEAT_VHE: HCR_EL2.E2H. */
  readonly virtualizationHost: boolean;
  /** FEAT_XNX: XN of stage 2 has two bits. */
  readonly stageTwoExecuteNeverByLevel: boolean;
  /** FEAT_S2FWB: HCR_EL2.FWB. */
  readonly forcedWriteBack: boolean;
  /** FEAT_TTST: TnSZ up to 48 with 4 KiB and 16 KiB pages, 47 with 64 KiB. */
  readonly smallTables: boolean;
  /** FEAT_E0PD: TCR.E0PDn. */
  readonly userDisable: boolean;
  /** FEAT_PAuth: TCR.TBIDn. */
  readonly topByteIgnoreDataOnly: boolean;
  /** FEAT_LVA: TnSZ down to 12 with 64 KiB pages. */
  readonly largeVirtualAddresses: boolean;
  /** FEAT_LPA2, for both stages: TCR.DS. */
  readonly largeDescriptors: boolean;
}

const V8_0: Omit<CpuFeatures, 'physicalAddressBits'> = {
  pages16K: false,
  hierarchicalDisable: false,
  hardwareUpdates: false,
  virtualizationHost: false,
  stageTwoExecuteNeverByLevel: false,
  forcedWriteBack: false,
  smallTables: false,
  userDisable: false,
  topByteIgnoreDataOnly: false,
  largeVirtualAddresses: false,
  largeDescriptors: false,
};
const V8_2 = {
  ...V8_0,
  pages16K: true,
  hierarchicalDisable: true,
  hardwareUpdates: true,
  virtualizationHost: true,
  stageTwoExecuteNeverByLevel: true,
};

/** A processor with everything; what is assumed of a processor that is not named, with 48 address bits. */
const EVERYTHING: CpuFeatures = {
  ...V8_2,
  physicalAddressBits: 48,
  forcedWriteBack: true,
  smallTables: true,
  userDisable: true,
  topByteIgnoreDataOnly: true,
  largeVirtualAddresses: true,
  largeDescriptors: true,
};

/** QEMU's models, by their ID registers. */
const MODELS: ReadonlyMap<string, CpuFeatures> = new Map([
  ['cortex-a35', { ...V8_0, physicalAddressBits: 40, pages16K: true }],
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
