import { DescriptorHigh, DescriptorLow } from '../descriptor-bits.ts';
import { AttributeKind, packHigh } from './attribute-words.ts';
import type { AttributeBits } from './attributes.ts';
import type { TlbiName } from './tlb-maintenance.ts';

/** Which half of the address space a table translates. */
export const VaRange = {
  /** From address 0, by TTBR0. */
  Lower: 'lower',
  /** Up to the last address, by TTBR1. */
  Upper: 'upper',
} as const;
export type VaRange = (typeof VaRange)[keyof typeof VaRange];

/**
 * A translation regime: which attributes its descriptors have, whether it has ASIDs and an upper range, and how
 * translations are invalidated in it.
 */
export interface TranslationRegime<
  K extends AttributeKind = AttributeKind,
  Ranges extends VaRange = VaRange,
  HasAsid extends boolean = boolean,
> {
  readonly name: 'EL1&0' | 'EL2&0' | 'EL2' | 'EL3' | 'stage 2';
  readonly attributeKind: K;
  readonly vaRanges: readonly Ranges[];
  readonly hasAsid: HasAsid;
  /** The invalidation of one address, of everything, and whether the former takes an ASID. */
  readonly invalidateAddress: TlbiName;
  readonly invalidateAll: TlbiName;
  readonly addressWithAsid: boolean;
  /** What has to follow for translations that combine both stages. */
  readonly invalidateCombined?: TlbiName;
  /** What invalidates everything that the tables have left behind when another table takes their place. */
  readonly invalidateOnDeactivate: TlbiName;
  /** Packed attributes that may be set, and that may be cleared, in a live descriptor that stays valid. */
  readonly liveSettable: number;
  readonly liveClearable: number;
}

/** The attributes of a regime. */
export type AttributesOf<R extends TranslationRegime> = AttributeBits<R['attributeKind']>;

/** The kind of a regime's attributes. */
export type AttributeKindOf<R extends TranslationRegime> = R['attributeKind'];

/** Which half of the address space a table is for, where the regime has two; the lower one if nothing is said. */
export type VaRangeOption<R extends TranslationRegime> = { readonly vaRange?: R['vaRanges'][number] };

/** The ASID of a mapping, where the regime has ASIDs. */
export type AsidOption<R extends TranslationRegime> = R['hasAsid'] extends true
  ? { readonly asid: number }
  : { readonly asid?: never };

/** Arm ARM D8.16.1 asks for break-before-make where memory type, output address or size change; this is stricter. */
const STAGE_1_LIVE =
  DescriptorLow.Valid |
  DescriptorLow.ReadOnly |
  DescriptorLow.AccessFlag |
  packHigh(DescriptorHigh.DirtyBitModifier | DescriptorHigh.Software | DescriptorHigh.UserExecuteNever);
const EL1_LIVE = STAGE_1_LIVE | packHigh(DescriptorHigh.PrivilegedExecuteNever);
const S2AP = DescriptorLow.User | DescriptorLow.ReadOnly;
const STAGE_2_LIVE =
  DescriptorLow.Valid |
  S2AP |
  DescriptorLow.AccessFlag |
  packHigh(DescriptorHigh.Software | DescriptorHigh.UserExecuteNever);

/** EL1&0 stage 1. */
export const El1And0: TranslationRegime<typeof AttributeKind.El1, VaRange, true> = {
  name: 'EL1&0',
  attributeKind: AttributeKind.El1,
  vaRanges: ['lower', 'upper'],
  hasAsid: true,
  invalidateAddress: 'VAAE1IS',
  addressWithAsid: false,
  invalidateAll: 'VMALLE1IS',
  invalidateOnDeactivate: 'VMALLE1IS',
  liveSettable: EL1_LIVE | DescriptorLow.NotGlobal,
  liveClearable: EL1_LIVE,
};

/** EL2&0 stage 1: EL2 with HCR_EL2.E2H. */
export const El2And0: TranslationRegime<typeof AttributeKind.El1, VaRange, true> = {
  ...El1And0,
  name: 'EL2&0',
  invalidateAddress: 'VAE2IS',
  addressWithAsid: true,
  invalidateAll: 'ALLE2IS',
  invalidateOnDeactivate: 'ALLE2IS',
};

/** EL2 stage 1 without E2H. */
export const El2: TranslationRegime<typeof AttributeKind.El23, 'lower', false> = {
  name: 'EL2',
  attributeKind: AttributeKind.El23,
  vaRanges: ['lower'],
  hasAsid: false,
  invalidateAddress: 'VAE2IS',
  addressWithAsid: false,
  invalidateAll: 'ALLE2IS',
  invalidateOnDeactivate: 'ALLE2IS',
  liveSettable: STAGE_1_LIVE | DescriptorLow.NotGlobal,
  liveClearable: STAGE_1_LIVE,
};

/** EL3 stage 1. */
export const El3: TranslationRegime<typeof AttributeKind.El23, 'lower', false> = {
  ...El2,
  name: 'EL3',
  invalidateAddress: 'VAE3IS',
  invalidateAll: 'ALLE3IS',
  invalidateOnDeactivate: 'ALLE3IS',
};

/** Stage 2 of EL1&0. */
export const Stage2: TranslationRegime<typeof AttributeKind.Stage2, 'lower', false> = {
  name: 'stage 2',
  attributeKind: AttributeKind.Stage2,
  vaRanges: ['lower'],
  hasAsid: false,
  invalidateAddress: 'IPAS2E1IS',
  addressWithAsid: false,
  invalidateAll: 'VMALLS12E1IS',
  invalidateCombined: 'VMALLE1IS',
  invalidateOnDeactivate: 'ALLE1IS',
  liveSettable: STAGE_2_LIVE,
  liveClearable: STAGE_2_LIVE,
};
