import { El1Attributes, MemoryRegion } from '../../src/aarch64/mapping/index.ts';
import type { El1And0, TranslationRegime } from '../../src/aarch64/mapping/regime.ts';
import { type AArch64Change, aarch64Case } from './aarch64-case.ts';
import { changesIn } from './aarch64-changes.ts';
import { type CaseSpace, Spaces } from './aarch64-space.ts';
import type { TlbCase } from './tlb-case.ts';

type ChangeName = keyof ReturnType<typeof changesIn>;

/** Some changes in a space, all of them if none is named. */
function cases<R extends TranslationRegime>(space: CaseSpace<R>, ...names: readonly ChangeName[]): TlbCase[] {
  const changes = changesIn(space);
  const chosen = names.length > 0 ? names : (Object.keys(changes) as ChangeName[]);
  return chosen.map((name) => aarch64Case(space, changes[name]));
}

const { User, NonGlobal, Empty } = El1Attributes;

/** What only a regime with an EL0 has: its permission, and ASIDs. */
function userCases(space: CaseSpace<typeof El1And0>): TlbCase[] {
  const address = space.base + 0x402a_d000n;
  const page = new MemoryRegion(address, address + 0x1000n);
  const frame = 0x302a_d000n;
  const otherFrame = 0x3085_6000n;
  const nonGlobal = El1Attributes.union(space.open, NonGlobal);
  const mapBoth =
    (flags: typeof space.open): AArch64Change<typeof El1And0>['prepare'] =>
    ({ mapping, other }) => {
      mapping.mapRange(page, frame, flags);
      other.mapRange(page, otherFrame, flags);
    };
  const base = { pages: [address], prepare: mapBoth(nonGlobal) };
  const changes: readonly AArch64Change<typeof El1And0>[] = [
    {
      ...base,
      name: 'take EL0 access away, break-before-make',
      withoutFlush: 'stale',
      prepare: mapBoth(space.open),
      async change({ mapping, carryOut }) {
        const broken = mapping.breakRange(page);
        await carryOut(broken.maintenance);
        await carryOut(broken.modifyRange((descriptor) => descriptor.modifyFlags(Empty, User)));
      },
    },
    {
      ...base,
      name: 'unmap a page that is not global',
      withoutFlush: 'stale',
      change: async ({ mapping, carryOut }) => carryOut(mapping.mapRange(page, 0, Empty)),
    },
    {
      ...base,
      name: 'activate the tables of another ASID, page not global',
      withoutFlush: 'nothing',
      otherAsid: 2,
      change: async ({ other, processor }) => {
        await other.activate(processor);
      },
    },
    {
      ...base,
      name: 'deactivate, another ASID before, page not global',
      withoutFlush: 'nothing',
      otherAsid: 2,
      otherBefore: true,
      change: async ({ mapping, processor, previous, carryOut }) =>
        carryOut(await mapping.deactivate(processor, previous)),
    },
    {
      ...base,
      name: 'deactivate, another ASID before, global page',
      withoutFlush: 'stale',
      otherAsid: 2,
      otherBefore: true,
      prepare: mapBoth(space.open),
      change: async ({ mapping, processor, previous, carryOut }) =>
        carryOut(await mapping.deactivate(processor, previous)),
    },
  ];
  return changes.map((change) => aarch64Case(space, change));
}

/** The changes whose TLB maintenance is put to the machines. */
export const AARCH64_TLB_CASES: readonly TlbCase[] = [
  ...cases(Spaces.el1Lower),
  ...userCases(Spaces.el1Lower),
  ...cases(Spaces.el1Upper, 'unmap', 'unmapMany', 'restrict', 'remap', 'split', 'deactivate'),
  ...cases(Spaces.el1LowerOf16K, 'unmap', 'restrict', 'remap', 'deactivate'),
  ...cases(Spaces.el1UpperOf64K, 'unmap', 'restrict', 'remap', 'deactivate'),
  ...cases(Spaces.el2),
  ...cases(Spaces.el2Of64K, 'unmap', 'remap', 'deactivate'),
  ...cases(Spaces.el2And0Lower, 'unmap', 'unmapMany', 'restrict', 'remap', 'deactivate'),
  ...cases(Spaces.el2And0Upper, 'unmap', 'unmapMany', 'deactivate'),
  ...cases(Spaces.el3),
  ...cases(Spaces.stageTwo),
  ...cases(Spaces.stageTwoBelowOne, 'map', 'unmap', 'unmapMany', 'restrict', 'remap', 'deactivate'),
  ...cases(Spaces.stageOneAboveTwo, 'unmap', 'remap', 'deactivate'),
];
