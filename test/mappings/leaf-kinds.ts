import type { RegimeName } from '../../harness/inputs/layout/layout.ts';
import type { AttributeBits } from '../../src/aarch64/mapping/attributes.ts';
import { El1Attributes, El23Attributes, Stage2Attributes } from '../../src/index.ts';

/** Bits of leaves, Arm ARM D8.3. */
const VALID = 1n;
const USER_OR_READ = 1n << 6n;
const READ_ONLY_OR_WRITE = 1n << 7n;
const INNER = 3n << 8n;
const OUTER = 2n << 8n;
const AF = 1n << 10n;
const NOT_GLOBAL = 1n << 11n;
const PXN = 1n << 53n;
const UXN = 1n << 54n;
/** AttrIndx under the MAIR of layouts, and MemAttr. */
const ONE = { NonCacheable: 1n << 2n, WriteBack: 3n << 2n, Device: 4n << 2n } as const;
const TWO = { NonCacheable: 5n << 2n, WriteBack: 15n << 2n, Device: 1n << 2n } as const;

/** A kind of leaf: its bits, and what a layout says of it. */
export interface LeafKind {
  readonly bits: bigint;
  readonly declared: string;
}

/** What a leaf becomes that is made read-only; undefined where it is already. */
export interface ChangeableLeaf extends LeafKind {
  readonly readOnly?: LeafKind;
}

const SHARED = 'memoryType: normal-write-back, share: inner';
const DEVICE = 'memoryType: device-nGnRE';
const NORMAL_ONE = VALID | AF | INNER | ONE.WriteBack;
const NORMAL_TWO = VALID | AF | INNER | TWO.WriteBack;

/** EL1&0 and EL2&0. */
const WITH_USER: readonly ChangeableLeaf[] = [
  {
    bits: NORMAL_ONE | READ_ONLY_OR_WRITE | UXN,
    declared: `attributes: [read-only], user: none, global: true, ${SHARED}`,
  },
  {
    bits: NORMAL_ONE | PXN | UXN | NOT_GLOBAL | USER_OR_READ,
    declared: `attributes: [execute-protect], user: rw, global: false, ${SHARED}`,
    readOnly: {
      bits: NORMAL_ONE | PXN | UXN | NOT_GLOBAL | USER_OR_READ | READ_ONLY_OR_WRITE,
      declared: `attributes: [read-only, execute-protect], user: r, global: false, ${SHARED}`,
    },
  },
  {
    bits: NORMAL_ONE | PXN | NOT_GLOBAL | USER_OR_READ | READ_ONLY_OR_WRITE,
    declared: `attributes: [read-only, execute-protect], user: rx, global: false, ${SHARED}`,
  },
  {
    bits: VALID | AF | OUTER | ONE.Device | PXN | UXN,
    declared: `attributes: [execute-protect], user: none, ${DEVICE}`,
    readOnly: {
      bits: VALID | AF | OUTER | ONE.Device | PXN | UXN | READ_ONLY_OR_WRITE,
      declared: `attributes: [read-only, execute-protect], user: none, ${DEVICE}`,
    },
  },
];

/** EL2 and EL3, where AP[1] is RES1. */
const WITHOUT_USER: readonly ChangeableLeaf[] = [
  { bits: NORMAL_ONE | USER_OR_READ | READ_ONLY_OR_WRITE, declared: `attributes: [read-only], ${SHARED}` },
  {
    bits: NORMAL_ONE | USER_OR_READ | UXN,
    declared: `attributes: [execute-protect], ${SHARED}`,
    readOnly: {
      bits: NORMAL_ONE | USER_OR_READ | UXN | READ_ONLY_OR_WRITE,
      declared: `attributes: [read-only, execute-protect], ${SHARED}`,
    },
  },
  {
    bits: VALID | AF | OUTER | ONE.NonCacheable | USER_OR_READ | UXN,
    declared: 'attributes: [execute-protect], memoryType: normal-non-cacheable',
  },
];

const OF_STAGE_TWO: readonly ChangeableLeaf[] = [
  { bits: NORMAL_TWO | USER_OR_READ, declared: `attributes: [read-only], ${SHARED}` },
  {
    bits: NORMAL_TWO | USER_OR_READ | READ_ONLY_OR_WRITE | UXN,
    declared: `attributes: [execute-protect], ${SHARED}`,
    readOnly: {
      bits: NORMAL_TWO | USER_OR_READ | UXN,
      declared: `attributes: [read-only, execute-protect], ${SHARED}`,
    },
  },
  {
    bits: VALID | AF | OUTER | TWO.Device | USER_OR_READ | READ_ONLY_OR_WRITE | UXN,
    declared: `attributes: [execute-protect], ${DEVICE}`,
  },
];

/** The kinds of leaf that a regime's random mappings are made of. */
export const LEAF_KINDS: Readonly<Record<RegimeName, readonly ChangeableLeaf[]>> = {
  el1: WITH_USER,
  'el2-vhe': WITH_USER,
  el2: WITHOUT_USER,
  el3: WITHOUT_USER,
  stage2: OF_STAGE_TWO,
};

/** Bits of a leaf as the regime's own attributes. */
export function attributesOf(regime: RegimeName, bits: bigint): AttributeBits {
  if (regime === 'stage2') return Stage2Attributes.fromBits(bits);
  return regime === 'el1' || regime === 'el2-vhe'
    ? El1Attributes.fromBits(bits)
    : El23Attributes.fromBits(bits);
}
