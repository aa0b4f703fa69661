import type { Descriptor } from './descriptors.ts';
import type { Way } from './ways.ts';

/**
 * What a bit of a descriptor is for, as the manuals say. Written from the manuals' tables of descriptor formats;
 * nothing here is shared with the engine or the walker.
 *
 * - translation: nothing below is translated as before
 * - read, write, execute, user: the right of that name is given or taken
 * - user execute, user data, privileged execute: the same, of one privilege only
 * - memory type; shareability: who has to see a write
 * - scope: whether translations belong to one address space alone
 * - contiguous: whether a run of entries maps one stretch of memory; with one entry alone it does not, which no emulator
 *   minds, and a TLB may
 * - address space: Secure or Non-secure physical memory
 * - nothing: no access behaves differently
 */
export type Meaning =
  | 'translation'
  | 'read'
  | 'write'
  | 'execute'
  | 'user'
  | 'user execute'
  | 'user data'
  | 'privileged execute'
  | 'memory type'
  | 'shareability'
  | 'scope'
  | 'contiguous'
  | 'address space'
  | 'nothing';

/** What the manuals say of the descriptors of one set of registers. */
export interface Manual {
  /** What bit `bit` of a descriptor is for. */
  readonly meaningOf: (bit: number, descriptor: Descriptor) => Meaning;
  readonly seen: (way: Way) => Seen;
}

/** What accesses to where a way leads are given and told, apart from the address: words to be compared. */
export interface Seen {
  /** What a layout can declare. */
  readonly declared: string;
  /** What a machine shows; undefined where the architecture leaves it open. */
  readonly shown: string | undefined;
}

/** Memory types after reset by PAT index (SDM Vol. 3A §11.12.4). */
const PAT_AT_RESET = ['WB', 'WT', 'UC-', 'UC', 'WB', 'WT', 'UC-', 'UC'];

/** Intel SDM Vol. 3A tables 4-15 to 4-20, with CR4.PKE = PGE = SMEP = SMAP = 0 and EFER.NXE = 1. */
export const X64_MANUAL: Manual = {
  meaningOf(bit, { shift, isLeaf }) {
    if (isLeaf && (bit === 3 || bit === 4 || bit === patBit(shift))) return 'memory type';
    if (bit === 0) return 'translation'; // P
    if (bit === 1) return 'write'; // R/W
    if (bit === 2) return 'user'; // U/S
    if (bit <= 6) return 'nothing'; // PWT and PCD of a table govern the walk itself; A; D (ignored in a table)
    if (bit === 7) return 'translation'; // PS; reserved in a PML4 entry
    if (bit <= 11) return 'nothing'; // G with CR4.PGE = 0; ignored
    if (bit <= 51) return 'translation'; // address, or reserved: below the page's size, or above MAXPHYADDR
    if (bit <= 62) return 'nothing'; // ignored; protection key with CR4.PKE = 0
    return 'execute'; // XD
  },
  seen({ one }) {
    const leaf = one.at(-1);
    if (leaf === undefined) throw new RangeError('the way has no leaf');
    const { value, shift } = leaf;
    const all = (bit: bigint) => one.every((descriptor) => (descriptor.value & bit) !== 0n);
    const writes = all(1n << 1n) && 'write';
    const executes = one.every((descriptor) => descriptor.value >> 63n === 0n) && 'execute';
    const pat = Number((value >> 3n) & 3n) | (Number((value >> BigInt(patBit(shift))) & 1n) << 2);
    const seen = `${all(1n << 2n) && 'user'} ${writes} ${executes} ${PAT_AT_RESET[pat]}`;
    return { declared: seen, shown: seen };
  },
};

function patBit(shift: number): number {
  return shift === 12 ? 7 : 12;
}
