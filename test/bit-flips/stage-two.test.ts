import { builtFrom, type CampaignCase, campaignSuite } from './campaign-suite.ts';
import { nested } from './nested-aarch64.ts';
import { manualOf } from './regime-aarch64.ts';

const machines = ['qemu-aarch64'];

const OF_4K = `
  - { name: code, base: 0x101000, size: 4K, physical: 0x30101000, attributes: [read-only], share: inner }
  - { name: device, base: 0x8000103000, size: 4K, physical: 0x30103000, attributes: [execute-protect], memoryType: device-nGnRE }
  - { name: heap, base: 4M, size: 2M, physical: 0x30400000, attributes: [execute-protect], share: outer }
`;
const OF_16K = `
  - { name: code, base: 48K, size: 16K, physical: 0x3010C000, attributes: [read-only], share: inner }
  - { name: buffer, base: 32M, size: 32M, physical: 0x32000000, attributes: [execute-protect], memoryType: normal-write-through, share: none }
`;
const OF_64K = `
  - { name: code, base: 0x30000, size: 64K, physical: 0x30130000, attributes: [read-only], share: inner }
  - { name: buffer, base: 512M, size: 512M, physical: 1G, attributes: [execute-protect], memoryType: device-nGRE }
`;

function alone(title: string, [header, regions]: readonly [string, string], changing: number): CampaignCase {
  const yaml = `architecture: aarch64\nregime: stage2\n${header}\nregions:\n${regions}`;
  const subject = () => builtFrom(yaml, manualOf);
  return { title: `stage 2 alone, ${title}`, machines, subject, changing, undeclared: 0 };
}

campaignSuite([
  alone('pages of 4 KiB, two root tables', ['vaBits: 40\nrootLevel: 1', OF_4K], 291),
  alone('pages of 16 KiB', ['granule: 16K\nvaBits: 36', OF_16K], 121),
  alone('pages of 64 KiB', ['granule: 64K\nvaBits: 42', OF_64K], 111),
  // nG of stage 1 is not declared, and of two stages nobody judges the Contiguous bit.
  {
    title: 'both stages, pages of 4 KiB',
    machines,
    subject: () => nested(12, ['code', 'stack', 'log', 'device', 'buffer']),
    changing: 756,
    undeclared: 5,
  },
  {
    title: 'both stages, pages of 4 KiB over pages of 16 KiB',
    machines,
    subject: () => nested(14, ['code', 'buffer']),
    changing: 349,
    undeclared: 2,
  },
  {
    title: 'both stages, pages of 4 KiB over pages of 64 KiB',
    machines,
    subject: () => nested(16, ['log', 'buffer']),
    changing: 326,
    undeclared: 2,
  },
]);
