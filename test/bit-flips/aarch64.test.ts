import { builtFrom, campaignSuite } from './campaign-suite.ts';
import { manualOf } from './regime-aarch64.ts';

const REGIONS = `
regions:
  - { name: code, base: 0x101000, size: 4K, attributes: [read-only] }
  - { name: device, base: 0x103000, size: 4K, attributes: [uncached, execute-protect] }
  - { name: data, base: 4M, size: 2M, attributes: [execute-protect] }
  - { name: constants, base: 1G, size: 1G, attributes: [read-only, execute-protect] }
`;

campaignSuite(
  ['el1', 'el2'].map((regime) => ({
    title: `an AArch64 layout at ${regime}`,
    machines: ['qemu-aarch64', 'unicorn-aarch64'],
    subject: () => builtFrom(`architecture: aarch64\nregime: ${regime}\n${REGIONS}`, manualOf),
  })),
);
