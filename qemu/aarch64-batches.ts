import { TAG_BYTES } from '../guest-stubs/aarch64/data-tag.ts';
import { isInRegion } from '../guest-stubs/aarch64/regions.ts';
import type { StubPlan } from '../guest-stubs/aarch64/stub-plan.ts';
import type { ProbeList } from '../harness/machine.ts';
import { regimeHasUser } from '../src/aarch64/walk-regime.ts';
import { ACCESS_RECORD_WORDS, AccessFlag, AccessList, Privilege } from '../src/access-list.ts';
import type { AArch64Registers } from '../src/registers.ts';

/** Probes that are made from one place: the stub's region and one installation. */
export interface ProbeGroup {
  readonly region: number;
  readonly installation: 0 | 1;
  readonly accesses: AccessList;
  /** For each access its index in the whole list. */
  readonly indices: Uint32Array;
  /** The accesses as the stub makes them: to the slots that hold the addresses. */
  readonly slots: AccessList;
}

/** What decides from where probes are made. */
interface Grouping {
  readonly plan: StubPlan;
  readonly registers: AArch64Registers;
  /** Of the processor. */
  readonly physicalAddressBits: number;
}

/** Why a probe has no answer that leads to where the stub is for stage 1. */
export const MEETS_INTERMEDIATE = 'it leads to intermediate addresses at which the stub is';

/** Two regions, two installations. */
const GROUPS = 4;
const NOT_MADE = GROUPS;

/**
 * Divides probes by where they can be made from: none meets the stub, neither by its virtual address nor
 * by the frame in which it is expected to land.
 * @param regions where the stub may be: the first, unless a probe is expected there
 * @param remarks gets the probes that cannot be made
 */
export function groupProbes(
  { accesses, expectedFrames }: ProbeList,
  { plan, registers, physicalAddressBits }: Grouping,
  regions: readonly [number, number],
  remarks: Map<number, string>,
): ProbeGroup[] {
  const { words, length } = accesses;
  const hasUser = regimeHasUser(registers);
  // EL0's accesses of EL2&0 have no AT.
  const hasUserTranslation = registers.exceptionLevel === 1;
  const { flatBits = physicalAddressBits } = plan;
  const flatEnd = flatBits < physicalAddressBits ? 2 ** flatBits : Number.POSITIVE_INFINITY;
  const groupOf = new Uint8Array(length);
  const counts = new Uint32Array(GROUPS + 1);
  for (let index = 0; index < length; index++) {
    const at = index * ACCESS_RECORD_WORDS;
    let group: number = plan.installationFor(words[at] as number, words[at + 1] as number);
    if (isInRegion(expectedFrames[index] as number, regions[0])) group += 2;
    if (accesses.privilege(index) === Privilege.User) {
      const isTranslation = (accesses.flags(index) & AccessFlag.TranslateOnly) !== 0;
      if (!hasUser) remarks.set(index, 'this translation regime has no user accesses');
      else if (isTranslation && !hasUserTranslation) remarks.set(index, 'there is no AT for EL0 of EL2&0');
      if (!hasUser || (isTranslation && !hasUserTranslation)) group = NOT_MADE;
    }
    if (
      plan.meetsStub?.(
        words[at] as number,
        words[at + 1] as number,
        accesses.access(index),
        accesses.privilege(index),
      )
    ) {
      remarks.set(index, MEETS_INTERMEDIATE);
      group = NOT_MADE;
    }
    const address = ((words[at + 1] as number) & 0xff_ffff) * 2 ** 32 + (words[at] as number);
    if (address >= flatEnd) {
      remarks.set(
        index,
        `the processor has physical addresses of ${physicalAddressBits} bits, the image has fewer`,
      );
      group = NOT_MADE;
    }
    groupOf[index] = group;
    counts[group] = (counts[group] as number) + 1;
  }
  const groups: ProbeGroup[] = [];
  for (let group = 0; group < GROUPS; group++) {
    const count = counts[group] as number;
    if (count === 0) continue;
    const indices = new Uint32Array(count);
    for (let index = 0, next = 0; index < length; index++) {
      if (groupOf[index] === group) indices[next++] = index;
    }
    const own = count === length ? accesses : gather(accesses, indices);
    groups.push({
      region: regions[group < 2 ? 0 : 1],
      installation: group % 2 === 0 ? 0 : 1,
      accesses: own,
      indices,
      slots: atSlots(own),
    });
  }
  return groups;
}

function gather(accesses: AccessList, indices: Uint32Array): AccessList {
  const gathered = new AccessList(indices.length);
  for (let index = 0; index < indices.length; index++) {
    const from = (indices[index] as number) * ACCESS_RECORD_WORDS;
    gathered.words.set(
      accesses.words.subarray(from, from + ACCESS_RECORD_WORDS),
      index * ACCESS_RECORD_WORDS,
    );
  }
  return gathered;
}

/** The same list if every address is that of a slot; else a copy with the addresses of their slots. */
function atSlots(accesses: AccessList): AccessList {
  let low = 0;
  for (let at = 0; at < accesses.words.length; at += ACCESS_RECORD_WORDS) low |= accesses.words[at] as number;
  if ((low & (TAG_BYTES - 1)) === 0) return accesses;
  const moved = new AccessList(accesses.length);
  moved.words.set(accesses.words);
  for (let at = 0; at < moved.words.length; at += ACCESS_RECORD_WORDS) {
    moved.words[at] = (moved.words[at] as number) & -TAG_BYTES;
  }
  return moved;
}
