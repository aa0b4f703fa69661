import { describe, expect, test } from 'vitest';
import type { CaptureInput } from '../../harness/inputs/types.ts';
import type { MachineProvider } from '../../harness/machine.ts';
import { verify } from '../../harness/verify.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { ALL_OF_TWO, StageTwoTables, Two } from './aarch64-stage-two-tables.ts';
import { Bit, HandmadeTables, Hcr, Index, type TableOptions, Tcr, TcrEl2 } from './aarch64-tables.ts';

const CLEAN = Index.WriteBack | Bit.InnerShareable | Bit.ReadOnly | Bit.DBM;
const READ_ONLY = Index.WriteBack | Bit.InnerShareable | Bit.ReadOnly;

function captureOf({ memory, registers }: Pick<HandmadeTables, 'memory' | 'registers'>): CaptureInput {
  return { kind: 'capture', name: 'hardware updates', architecture: 'aarch64', registers, memory, notes: [] };
}

/** QEMU with one bit of the tables read back in another state than it has. */
function lyingAbout(place: bigint, bits: bigint): MachineProvider {
  return {
    name: qemuAArch64.name,
    architecture: 'aarch64',
    detect: () => qemuAArch64.detect(),
    async open() {
      const machine = await qemuAArch64.open();
      return {
        name: machine.name,
        capabilities: machine.capabilities,
        load: (image) => machine.load(image),
        probe: (probes) => machine.probe(probes),
        close: () => machine.close(),
        async readBack() {
          const memory = await machine.readBack();
          memory.writeEntry(place, (memory.readEntry(place) ?? 0n) ^ bits);
          return memory;
        },
      };
    },
  };
}

const verifyOn = (input: CaptureInput, provider: MachineProvider = qemuAArch64) =>
  verify(input, { machines: [{ name: provider.name, provider: async () => provider }] });

const regimes: readonly (readonly [string, TableOptions, bigint])[] = [
  ['EL1&0', { tcr: Tcr.HA | Tcr.HD }, 0n],
  ['EL2', { exceptionLevel: 2, tcr: TcrEl2.HA | TcrEl2.HD }, Bit.User],
  ['EL3', { exceptionLevel: 3, tcr: TcrEl2.HA | TcrEl2.HD }, Bit.User],
  ['EL2&0', { exceptionLevel: 2, hcrEl2: Hcr.E2H | Hcr.TGE, tcr: Tcr.HA | Tcr.HD }, 0n],
];

describe('with hardware that keeps access flags and the dirty state, a verification', () => {
  test.each(regimes)(
    'holds what became of the tables against what was accessed: %s',
    async (_, options, bits) => {
      const image = new HandmadeTables(options)
        .map(0x5000n, 0x5000n, CLEAN | bits)
        .map(0x6000n, 0x6000n, READ_ONLY | bits);
      const report = await verifyOn(captureOf(image));
      expect(report).toMatchObject({ verdict: 'agree', mismatches: [] });
      expect(report.machines[0]?.tables).toMatchObject({ accessed: 2, dirty: 1, findings: 0 });
    },
  );

  test('holds both stages against it', async () => {
    const one = new HandmadeTables({ tcr: Tcr.HA | Tcr.HD }).map(0x5000n, 0x1_0000_5000n, CLEAN);
    const { memory, registers } = new StageTwoTables(one)
      .map(0x4000_0000n, 0x4000_0000n, ALL_OF_TWO, 2)
      .map(0x1_0000_5000n, 0x9000n, (ALL_OF_TWO & ~Two.Write & ~Two.AF) | Bit.DBM);
    const vtcr = (registers.vtcr ?? 0n) | (1n << 21n) | (1n << 22n);
    const report = await verifyOn(captureOf({ memory, registers: { ...registers, vtcr } }));
    expect(report).toMatchObject({ verdict: 'agree', mismatches: [] });
    expect(report.machines[0]?.tables).toMatchObject({ accessed: 2, dirty: 2, findings: 0 });
  });

  test('finds a flag that is missing, and one that should not be', async () => {
    const image = new HandmadeTables({ tcr: Tcr.HA | Tcr.HD })
      .map(0x5000n, 0x5000n, CLEAN)
      .map(0x6000n, 0x6000n, READ_ONLY);
    for (const [address, bits, what] of [
      [0x5000n, Bit.AF, /accessed flag not set/],
      [0x5000n, Bit.ReadOnly, /dirty state not set/],
      [0x6000n, Bit.ReadOnly, /dirty state set without a write/],
    ] as const) {
      const liar = lyingAbout(image.entryAddress(address, 3), bits);
      const report = await verifyOn(captureOf(image), liar);
      expect(report.verdict).toBe('mismatch');
      expect(report.mismatches.map(({ remark }) => remark)).toEqual([expect.stringMatching(what)]);
    }
  });
});
