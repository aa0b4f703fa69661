import type { Descriptor } from './descriptors.ts';
import type { Manual, Meaning } from './meaning.ts';
import { combined, type MemoryType, memoryTypeOfMair, memoryTypeOfStageTwo } from './memory-type-aarch64.ts';

/** What decides about the meaning of AArch64 descriptors besides themselves. */
export interface Regime {
  /** Descriptors of stage 1 give rights to EL0. */
  readonly hasUser: boolean;
  /** … and accesses from EL0 exist: not so in EL2&0 with HCR_EL2.TGE = 0. */
  readonly userExists: boolean;
  /** NS chooses the physical address space: EL3, Secure EL1 and EL2. */
  readonly isSecure: boolean;
  readonly mair: bigint;
  /** Both stages translate: nobody judges the Contiguous bit then. */
  readonly isNested: boolean;
  /** log2 of the page size of each stage. */
  readonly pageShift: Readonly<Record<1 | 2, number>>;
  /** The memory type where stage 1 is off: write-back with HCR_EL2.DC, else Device-nGnRnE for data. */
  readonly typeWhereOff: MemoryType;
}

/**
 * Arm ARM D8.3.1 and D8.3.2: VMSAv8-64 descriptors without FEAT_LPA and FEAT_LPA2, with TCR.HA = HD = HPD = 0,
 * SCTLR.WXN = 0 and HCR_EL2.PTW = 0.
 */
export function aarch64Manual(regime: Regime): Manual {
  const formats = { 1: stageOne(regime), 2: STAGE_TWO };
  const contiguous: Meaning = regime.isNested ? 'nothing' : 'contiguous';
  return {
    meaningOf(bit, descriptor) {
      const { stage, isLeaf, shift } = descriptor;
      if (bit <= 1) return 'translation'; // valid; page or table, block, reserved
      if (bit >= 12 && bit <= 47) {
        // The next table, or the output address; below the size of either RES0, or nT.
        return bit >= (isLeaf ? shift : regime.pageShift[stage]) ? 'translation' : 'nothing';
      }
      if (bit === 52 && isLeaf) return contiguous;
      return formats[stage][isLeaf ? 'leaf' : 'table'](bit, descriptor);
    },
    seen({ one, two, walks }) {
      const first = one.length === 0 ? whereOff(regime) : seenOfStageOne(one, regime);
      const second = two.length === 0 ? undefined : seenOfStageTwo(two);
      const { attribute, shareability } =
        second === undefined ? first.type : combined(first.type, second.type);
      const isWalked = walks.every((walk) => seenOfStageTwo(walk).rights.has('rs'));
      const existing = RIGHTS.filter((right) => regime.userExists || right.endsWith('s'));
      // Which stage refuses an access a machine shows, but no layout says.
      const refusing = existing.map((right) =>
        [first, second].findIndex((stage) => stage !== undefined && !stage.rights.has(right)),
      );
      const type = `${attribute} ${shareability} ${isWalked}`;
      return {
        declared: `${refusing.map((stage) => stage < 0)} ${type} ${first.scope}`,
        shown: shareability === 'reserved' ? undefined : `${refusing} ${type}`,
      };
    },
  };
}

/** Bits 11:2 and 63:48 of tables and leaves, but the Contiguous bit. */
type Format = Readonly<Record<'table' | 'leaf', (bit: number, descriptor: Descriptor) => Meaning>>;

function stageOne({ hasUser, isSecure }: Regime): Format {
  const security: Meaning = isSecure ? 'address space' : 'nothing';
  return {
    table(bit) {
      if (bit <= 58) return 'nothing'; // ignored; RES0
      if (bit === 59) return hasUser ? 'privileged execute' : 'nothing'; // PXNTable
      if (bit === 60) return hasUser ? 'user execute' : 'execute'; // UXNTable, XNTable
      if (bit === 61) return hasUser ? 'user data' : 'nothing'; // APTable[0]
      if (bit === 62) return 'write'; // APTable[1]
      return security; // NSTable
    },
    leaf(bit) {
      if (bit <= 4) return 'memory type'; // AttrIndx
      if (bit === 5) return security; // NS
      if (bit === 6) return hasUser ? 'user data' : 'nothing'; // AP[1]
      if (bit === 7) return 'write'; // AP[2]
      if (bit <= 9) return 'shareability'; // SH
      if (bit === 10) return 'translation'; // AF
      if (bit === 11) return hasUser ? 'scope' : 'nothing'; // nG
      if (bit <= 51) return 'nothing'; // RES0; GP; DBM with HD = 0
      if (bit === 53) return hasUser ? 'privileged execute' : 'nothing'; // PXN
      if (bit === 54) return hasUser ? 'user execute' : 'execute'; // UXN, XN
      return 'nothing'; // for software; ignored
    },
  };
}

const STAGE_TWO: Format = {
  table: () => 'nothing', // ignored; RES0
  leaf(bit) {
    if (bit <= 5) return 'memory type'; // MemAttr
    if (bit === 6) return 'read'; // S2AP[0]
    if (bit === 7) return 'write'; // S2AP[1]
    if (bit <= 9) return 'shareability'; // SH
    if (bit === 10) return 'translation'; // AF
    if (bit === 53 || bit === 54) return 'execute'; // XN
    return 'nothing'; // RES0; DBM with HD = 0; for software; ignored
  },
};

/** What one stage gives. */
interface SeenOfStage {
  /** "rs", "wu", …: the access and the privilege. */
  readonly rights: ReadonlySet<Right>;
  readonly type: MemoryType;
  /** nG, where there are ASIDs. */
  readonly scope?: boolean;
}

const RIGHTS = ['rs', 'ws', 'xs', 'ru', 'wu', 'xu'] as const;
type Right = (typeof RIGHTS)[number];

function whereOff({ typeWhereOff }: Regime): SeenOfStage {
  return { rights: new Set(RIGHTS), type: typeWhereOff };
}

/** D8.4.1, direct permissions: what EL0 may write the privileged level never executes. */
function seenOfStageOne(way: readonly Descriptor[], { hasUser, mair }: Regime): SeenOfStage {
  const leaf = way.at(-1)?.value ?? 0n;
  const has = (bit: bigint) => ((leaf >> bit) & 1n) === 1n;
  const anyTable = (bit: bigint) => way.some(({ isLeaf, value }) => !isLeaf && ((value >> bit) & 1n) === 1n);
  const writable = !has(7n) && !anyTable(62n);
  const userReads = hasUser && has(6n) && !anyTable(61n);
  const userWrites = userReads && writable;
  const executeNever = has(54n) || anyTable(60n);
  const privilegedNever = hasUser ? has(53n) || anyTable(59n) || userWrites : executeNever;
  const given: Readonly<Record<Right, boolean>> = {
    rs: true,
    ws: writable,
    xs: !privilegedNever,
    ru: userReads,
    wu: userWrites,
    xu: hasUser && !executeNever,
  };
  return {
    rights: new Set(RIGHTS.filter((right) => given[right])),
    type: memoryTypeOfMair(Number((mair >> (8n * ((leaf >> 2n) & 7n))) & 0xffn), Number((leaf >> 8n) & 3n)),
    ...(hasUser && { scope: has(11n) }),
  };
}

/** D8.4.2, with FEAT_XNX: XN[1:0] = 0b00 all, 0b01 EL0 alone, 0b10 nobody, 0b11 EL1 alone. */
const EXECUTABLE: readonly (readonly Right[])[] = [['xs', 'xu'], ['xu'], [], ['xs']];

function seenOfStageTwo(way: readonly Descriptor[]): SeenOfStage {
  const leaf = way.at(-1)?.value ?? 0n;
  const has = (bit: bigint) => ((leaf >> bit) & 1n) === 1n;
  return {
    rights: new Set<Right>([
      ...(has(6n) ? (['rs', 'ru'] as const) : []),
      ...(has(7n) ? (['ws', 'wu'] as const) : []),
      ...(EXECUTABLE[Number((leaf >> 53n) & 3n)] ?? []),
    ]),
    type: memoryTypeOfStageTwo(Number((leaf >> 2n) & 15n), Number((leaf >> 8n) & 3n)),
  };
}
