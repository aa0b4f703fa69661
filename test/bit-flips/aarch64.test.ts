import type { Subject } from './campaign.ts';
import { builtFrom, type CampaignCase, campaignSuite } from './campaign-suite.ts';
import { manualOf } from './regime-aarch64.ts';

const BOTH = ['qemu-aarch64', 'unicorn-aarch64'];
const QEMU = ['qemu-aarch64'];

/** Pages and blocks of EL1&0 and EL2&0 with every kind of right for EL0; of constants less is declared. */
const WITH_USER = `
  - { name: code, base: 0x101000, size: 4K, attributes: [read-only], user: rx, share: inner, global: true }
  - { name: device, base: 0x103000, size: 4K, memoryType: device-nGnRE, attributes: [execute-protect], user: none, global: true }
  - { name: heap, base: 4M, size: 2M, physical: 64M, attributes: [execute-protect], user: rw, share: outer, global: false }
  - { name: constants, base: 1G, size: 1G, physical: 4G, attributes: [read-only, execute-protect], user: r }
`;
const WITHOUT_USER = `
  - { name: code, base: 0x101000, size: 4K, attributes: [read-only], share: inner }
  - { name: device, base: 0x103000, size: 4K, memoryType: device-nGnRE, attributes: [execute-protect] }
  - { name: heap, base: 4M, size: 2M, physical: 64M, attributes: [execute-protect], share: outer }
  - { name: constants, base: 1G, size: 1G, physical: 4G, attributes: [read-only, execute-protect], share: none }
`;
/** A page and a block in each half. */
const HALVES_OF_16K = `
  - { name: program, base: 48K, size: 16K, attributes: [read-only, execute-protect], user: rx, share: inner, global: false }
  - { name: buffer, base: 0xFFFF800002000000, size: 32M, physical: 64M, attributes: [execute-protect], user: rw, memoryType: normal-non-cacheable, global: true }
  - { name: text, base: 0xFFFF800000010000, size: 16K, physical: 80K, attributes: [read-only], user: none, share: inner, global: true }
`;
const HALVES_OF_64K = `
  - { name: program, base: 0x30000, size: 64K, attributes: [execute-protect], user: rwx, share: inner, global: false }
  - { name: stack, base: 0xFFFF800020000000, size: 512M, physical: 1G, attributes: [execute-protect], user: none, share: none, global: true }
  - { name: text, base: 0xFFFF800000010000, size: 64K, physical: 0x50000, attributes: [read-only], user: x, share: inner, global: true }
`;
const OF_16K = `
  - { name: text, base: 48K, size: 16K, attributes: [read-only], share: inner }
  - { name: heap, base: 32M, size: 32M, physical: 64M, attributes: [execute-protect], share: outer }
`;
const OF_64K = `
  - { name: text, base: 0x30000, size: 64K, attributes: [read-only], share: inner }
  - { name: device, base: 512M, size: 512M, physical: 1G, memoryType: device-nGnRE, attributes: [execute-protect] }
`;

/** Nothing of EL0, which belongs to EL1&0 with HCR_EL2.TGE = 0; what it could write EL2 still does not execute. */
const WITHOUT_TGE = `
  - { name: pool, base: 0x101000, size: 4K, share: inner, global: true }
  - { name: data, base: 4M, size: 2M, attributes: [execute-protect], user: rw, share: outer, global: false }
`;
const HCR_TGE = 1n << 27n;

function withoutUser(subject: Subject): Subject {
  const { memory, registers } = subject.image;
  if (registers.architecture !== 'aarch64') throw new Error('AArch64 registers are expected');
  const changed = { ...registers, hcrEl2: registers.hcrEl2 & ~HCR_TGE };
  return { ...subject, image: { memory, registers: changed }, manual: manualOf(changed) };
}

/** How many flips change something, and how many of them nothing that is declared. */
type Counts = Pick<CampaignCase, 'changing' | 'undeclared'>;

function built(
  title: string,
  machines: readonly string[],
  [header, regions]: readonly [string, string],
  counts: Counts,
): CampaignCase {
  const yaml = `architecture: aarch64\n${header}\nregions:\n${regions}`;
  return { title, machines, subject: () => builtFrom(yaml, manualOf), ...counts };
}

// What nothing is declared of: SH and nG of the constants; at EL3 NS, because a layout speaks of one physical memory.
campaignSuite([
  built('EL1&0, pages of 4 KiB', BOTH, ['regime: el1', WITH_USER], { changing: 296, undeclared: 3 }),
  built('EL1&0, both halves, pages of 16 KiB', QEMU, ['regime: el1\ngranule: 16K', HALVES_OF_16K], {
    changing: 359,
    undeclared: 0,
  }),
  built('EL1&0, both halves, pages of 64 KiB', QEMU, ['regime: el1\ngranule: 64K', HALVES_OF_64K], {
    changing: 271,
    undeclared: 0,
  }),
  built('EL2, pages of 4 KiB', BOTH, ['regime: el2', WITHOUT_USER], { changing: 279, undeclared: 0 }),
  built('EL2, pages of 16 KiB', QEMU, ['regime: el2\ngranule: 16K', OF_16K], {
    changing: 192,
    undeclared: 0,
  }),
  built('EL2&0, pages of 4 KiB', QEMU, ['regime: el2-vhe', WITH_USER], { changing: 296, undeclared: 3 }),
  built('EL2&0, both halves, pages of 64 KiB', QEMU, ['regime: el2-vhe\ngranule: 64K', HALVES_OF_64K], {
    changing: 271,
    undeclared: 0,
  }),
  {
    title: 'EL2&0 without EL0',
    machines: QEMU,
    subject: () =>
      withoutUser(builtFrom(`architecture: aarch64\nregime: el2-vhe\nregions:\n${WITHOUT_TGE}`, manualOf)),
    changing: 207,
    undeclared: 0,
  },
  built('EL3, pages of 4 KiB', QEMU, ['regime: el3', WITHOUT_USER], { changing: 286, undeclared: 7 }),
  built('EL3, pages of 64 KiB', QEMU, ['regime: el3\ngranule: 64K', OF_64K], {
    changing: 146,
    undeclared: 4,
  }),
]);
