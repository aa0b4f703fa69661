import type { MachineReport, Mismatch, Report } from '../../harness/report.ts';

/** A machine's part with every kind of count, for the reporters' tests. */
export const EXAMPLE_MACHINE: MachineReport = {
  name: 'qemu-x64',
  version: '7.2.22',
  status: 'ran',
  probes: 1234567,
  agreed: 1234560,
  translatedOnly: 0,
  mismatched: 3,
  notObservable: 2,
  errata: 2,
  seconds: 1.234,
  guestSeconds: 0.5,
  columns: {
    completed: 1000,
    physicalAddress: 990,
    memoryType: 0,
    faulted: 200,
    faultStatus: 200,
    faultAddress: 200,
    byTranslation: { physicalAddress: 0, memoryType: 0, faultStatus: 0 },
  },
  notObservableReasons: [{ what: 'frame 0x2000 has no slot that is harmless', count: 2 }],
  errataApplied: [{ rule: 'forgets-present', description: 'reports P=0', count: 2 }],
  tables: { accessed: 12, dirty: 5, findings: 0, listing: { compared: 44, notListed: 1 } },
  limits: [],
};

export const EXAMPLE_MISMATCH: Mismatch = {
  machine: 'qemu-x64',
  address: '0x100000',
  access: 'write',
  privilege: 'supervisor',
  region: 'code & "data" <1>',
  declared: { attributes: ['read-only'], text: 'read-only → faults: not permitted' },
  queried: { attributes: ['read-only'], text: 'read-only → faults: not permitted' },
  predicted: { completes: false, fault: '0xe000003', text: 'faults: #PF error code 0x3 (P, W)' },
  observed: { completes: true, physicalAddress: '0x100000', text: 'completes at 0x100000' },
  alone: 'observed',
};

/** A report with one group of mismatches, one absent machine and one that failed. */
export const EXAMPLE_REPORT: Report = {
  tool: 'mmucheck',
  version: '0.1.0',
  input: 'layout.yaml',
  architecture: 'x64',
  verdict: 'mismatch',
  machines: [
    EXAMPLE_MACHINE,
    {
      ...EXAMPLE_MACHINE,
      name: 'unicorn-x64',
      version: '',
      status: 'absent',
      reason: 'unicorn-x64: libunicorn 2.0.1 is too old',
    },
  ],
  mismatches: [EXAMPLE_MISMATCH],
  mismatchesOmitted: 2,
  coverage: 'leaves',
  groups: [{ first: '0x100000', last: '0x102000', count: 3, example: EXAMPLE_MISMATCH }],
  groupsOmitted: 0,
  notes: [],
};

/** A report in which all is well. */
export const EXAMPLE_AGREEMENT: Report = {
  ...EXAMPLE_REPORT,
  verdict: 'agree',
  machines: [{ ...EXAMPLE_MACHINE, mismatched: 0 }],
  mismatches: [],
  mismatchesOmitted: 0,
  groups: [],
};
