import { builtFrom, campaignSuite } from './campaign-suite.ts';
import { X64_MANUAL } from './meaning.ts';

/** A page, a page that only the supervisor may touch, a block of 2 MiB and one of 1 GiB. */
const LAYOUT = `
architecture: x64
paging: 4-level
regions:
  - { name: code, base: 0x101000, size: 4K, attributes: [read-only] }
  - { name: secret, base: 0x103000, size: 4K, attributes: [supervisor, execute-protect] }
  - { name: data, base: 4M, size: 2M, attributes: [execute-protect, writeback] }
  - { name: constants, base: 1G, size: 1G, attributes: [read-only, execute-protect] }
`;

campaignSuite([
  {
    title: 'an x64 layout',
    machines: ['qemu-x64', 'unicorn-x64'],
    subject: () => builtFrom(LAYOUT, () => X64_MANUAL),
    changing: 319,
    undeclared: 0,
  },
]);
